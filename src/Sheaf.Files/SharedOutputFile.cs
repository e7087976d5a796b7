using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Sheaf.Flushing;

namespace Sheaf.Files;

/// <summary>
/// A file that several processes write whole lines to. Each opens it for itself; they take turns by a lock on the file, and how much of the file
/// counts is written in the control block that they share (<see cref="RunCells.OutputLength"/>). One object per process and file, one thread at a time.
/// </summary>
/// <remarks>
/// A batch counts from the moment its end is in the control block. Where its writer is killed before, what it has left is cut off by whoever writes
/// next, or by <see cref="FinishAsync"/>: no line is torn, whichever process dies when. A record lock is used (<c>lockf</c>), which the kernel takes
/// back when its holder dies, and not <c>flock</c>: .NET takes a shared <c>flock</c> on every file that it opens, so that a mere reader
/// in .NET would keep all writers out, and they the reader. It belongs to the process, hence the one object.
/// </remarks>
public sealed partial class SharedOutputFile : IDisposable
{
    private static readonly TimeSpan s_firstLook = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longestLook = TimeSpan.FromMilliseconds(16);

    private readonly ControlBlock _control;
    private readonly TimeProvider _time;
    private readonly SafeFileHandle _file;
    private readonly bool _isNull;

    private SharedOutputFile(string path, ControlBlock control, TimeProvider time, SafeFileHandle file, bool isNull)
    {
        Path = path;
        _control = control;
        _time = time;
        _file = file;
        _isNull = isNull;
    }

    public string Path { get; }

    /// <summary>Why processes cannot share this output, for a message to people; null when they can.</summary>
    public static string? WhyNotShareable(string path)
    {
        if (OperatingSystem.IsWindows()) return "worker processes cannot share an output on Windows";
        return OutputKinds.Of(path) switch
        {
            OutputKind.Missing or OutputKind.RegularFile or OutputKind.NullDevice => null,
            OutputKind.Directory => $"{path} is a directory; name a file in it",
            OutputKind.Stream when path == "-" => "standard output is a stream, in which worker processes could not cut off what one of them was killed in; name a file",
            OutputKind.Stream => $"{path} is a stream (a pipe or a device), in which worker processes could not cut off what one of them was killed in; name a file",
        };
    }

    /// <summary>In the parent, before the first worker starts: creates the file or deals with what is in it.</summary>
    /// <exception cref="ConfigurationException">It cannot be opened or shared, or must not be overwritten.</exception>
    public static void Prepare(string path, ExistingContent existing, ControlBlock control)
    {
        if (WhyNotShareable(path) is { } reason) throw new ConfigurationException($"output: {reason}");
        if (OutputKinds.Of(path) == OutputKind.NullDevice) return;
        using OutputFile file = OutputFile.Open(path, "output", existing);
        if (file.MayBlock) throw new ConfigurationException($"output: {path} is a stream, which worker processes cannot share; name a file");
        RunCells run = control.Run;
        run.OutputLength = file.Length;
    }

    /// <summary>Opens a file that <see cref="Prepare"/> has prepared.</summary>
    /// <exception cref="ConfigurationException">It is not there any more, or cannot be opened.</exception>
    public static SharedOutputFile Open(string path, ControlBlock control, TimeProvider time)
    {
        try
        {
            SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            return new SharedOutputFile(path, control, time, file, OutputKinds.Of(path) == OutputKind.NullDevice);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"output: {path}, which was there at the start, cannot be opened for writing: {e.Message}");
        }
    }

    /// <summary>
    /// Writes lines behind what counts; when it has completed, they count. Waits for its turn without holding the thread, so that whoever waits for
    /// a writer that was stopped in the middle can say so.
    /// </summary>
    /// <exception cref="SinkException">None of it counts.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> lines, CancellationToken cancel)
    {
        if (_isNull) return;
        await LockAsync(cancel);
        try
        {
            Write(lines.Span);
        }
        finally
        {
            Unlock();
        }
    }

    /// <summary>In the parent, when no worker is left: cuts off what does not count and brings the file to the disk.</summary>
    /// <exception cref="SinkException">It could not.</exception>
    public async ValueTask FinishAsync(CancellationToken cancel)
    {
        if (_isNull) return;
        await LockAsync(cancel);
        try
        {
            CutBack(_control.Run.OutputLength);
            RandomAccess.FlushToDisk(_file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SinkException($"output: {Path}: {_control.Run.OutputLength} bytes could not be brought to the disk: {e.Message}; make room or mend the output", e);
        }
        finally
        {
            Unlock();
        }
    }

    public void Dispose() => _file.Dispose();

    private void Write(ReadOnlySpan<byte> lines)
    {
        RunCells run = _control.Run;
        long whole = run.OutputLength;
        try
        {
            CutBack(whole);
            RandomAccess.Write(_file, lines, whole);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SinkException(
                $"output: {Path}: {lines.Length} bytes could not be written behind byte {whole}: {e.Message}{CutBackAfterFailure(whole)}; make room or mend the output", e);
        }
        run.OutputLength = whole + lines.Length;
    }

    private void CutBack(long whole)
    {
        long length = RandomAccess.GetLength(_file);
        if (length > whole) RandomAccess.SetLength(_file, whole);
        if (length < whole)
            throw new SinkException($"output: {Path} has {length} bytes, but {whole} were written: somebody else has cut or replaced it; nothing more is written to it") { IsFinal = true };
    }

    private string CutBackAfterFailure(long whole)
    {
        try
        {
            RandomAccess.SetLength(_file, whole);
            return "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $" (and it could not be cut back to its last whole line, which the next write will try: {e.Message})";
        }
    }

    /// <summary>Waits for this process's turn.</summary>
    internal async ValueTask LockAsync(CancellationToken cancel)
    {
        for (TimeSpan look = s_firstLook; !TryLock(); look = look < s_longestLook ? 2 * look : s_longestLook)
            await Task.Delay(look, _time, cancel);
    }

    // Both act on all of the file from the position of its descriptor on, which is 0 for ever: reads and writes name their own.
    private bool TryLock()
    {
        const int TestAndLock = 2, Interrupted = 4, Denied = 13;
        while (LockFile(_file, TestAndLock, 0) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error == Denied || error == TryAgain) return false;
            if (error != Interrupted) throw new SinkException($"output: {Path} cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}; name a file in another file system");
        }
        return true;
    }

    /// <summary>Ends this process's turn.</summary>
    internal void Unlock()
    {
        const int Unlock = 0;
        _ = LockFile(_file, Unlock, 0);
    }

    private static int TryAgain => OperatingSystem.IsLinux() ? 11 : 35;

    [LibraryImport("libc", EntryPoint = "lockf", SetLastError = true)]
    private static partial int LockFile(SafeFileHandle file, int command, long length);
}

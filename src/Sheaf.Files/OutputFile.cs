using Microsoft.Win32.SafeHandles;
using Sheaf.Flushing;

namespace Sheaf.Files;

/// <summary>What to do with a file that is there and not empty.</summary>
public enum ExistingContent
{
    /// <summary>Do not open it.</summary>
    Refuse,

    /// <summary>Discard it.</summary>
    Overwrite,

    /// <summary>Write behind its last whole line. What follows that line is torn, and is cut off: the run that is resumed writes it again.</summary>
    Resume,
}

/// <summary>
/// The output file of one run. Its workers, threads or processes, take turns; each process opens it for itself, and how much of the file counts is in
/// the control block that they share (<see cref="RunCells.OutputLength"/>). One object per process and file. Any thread.
/// </summary>
/// <remarks>
/// A batch counts from the moment its end is in the control block. What a killed writer or a failed write has left behind that is cut off by whoever writes
/// next, or by <see cref="FinishAsync"/>: no line is torn, whichever process dies when. Each turn begins with a look whether the file is as it was left:
/// one that something else has shortened, written to or removed is written to no more, and one that was renamed is gone on with anew under its name.
/// The turn of processes is a lock on the control block's file and not on the output, which may become another file meanwhile.
/// </remarks>
public sealed class OutputFile : IAppendLines
{
    private readonly string _path;
    private readonly ControlBlock _control;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _turn = new(1);
    private SafeFileHandle _file;
    private FileStatus _status; // of what is open
    private bool _finished;

    private OutputFile(string path, ControlBlock control, TimeProvider time, SafeFileHandle file)
    {
        _path = path;
        _control = control;
        _time = time;
        _file = file;
        _status = FileStatus.Of(file);
    }

    /// <inheritdoc/>
    public string Name => _path;

    /// <summary>In the process of the run: creates the file, or deals with what is in it.</summary>
    /// <exception cref="ConfigurationException">It cannot be opened, another run writes to it, or it must not be overwritten.</exception>
    public static OutputFile Begin(string path, ExistingContent existing, ControlBlock control, TimeProvider time) => OutputFault.OfOpening(path, "output", () =>
    {
        // Reading is only for the end of what is written on.
        FileAccess access = existing == ExistingContent.Resume ? FileAccess.ReadWrite : FileAccess.Write;
        SafeFileHandle handle = File.OpenHandle(path, FileMode.OpenOrCreate, access, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            if (!FileLock.TryTake(handle, FileLock.Owner))
                throw new ConfigurationException($"output: another run writes to {path}; name another file, or stop that run first");
            long length = RandomAccess.GetLength(handle);
            switch (existing)
            {
                case ExistingContent.Refuse:
                    if (length == 0) break;
                    throw new ConfigurationException(
                        $"output: {path} exists and has {length} bytes; name another file, remove it, or allow overwriting it (--overwrite)");
                case ExistingContent.Overwrite:
                    length = 0;
                    break;
                case ExistingContent.Resume:
                    length = EndOfLastWholeLine(handle, length);
                    break;
            }
            RandomAccess.SetLength(handle, length);
            var file = new OutputFile(path, control, time, handle);
            file.Count(length);
            return file;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    });

    /// <summary>In a worker process: opens the file that its parent has opened.</summary>
    /// <exception cref="ConfigurationException">It is not there any more, or cannot be opened.</exception>
    public static OutputFile Join(string path, ControlBlock control, TimeProvider time)
    {
        try
        {
            return new OutputFile(path, control, time, File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete));
        }
        catch (Exception e) when (OutputFault.IsOfWriting(e))
        {
            throw new ConfigurationException($"output: {path}, which was there at the start, cannot be opened for writing: {e.Message}");
        }
    }

    /// <summary>
    /// Writes lines behind what counts; when it has completed, they count. Waits for its turn without holding the thread, so that whoever waits for
    /// a writer that was stopped in the middle can say so.
    /// </summary>
    /// <inheritdoc/>
    public async ValueTask AppendAsync(ReadOnlyMemory<byte> lines, Action mayWrite, CancellationToken cancel)
    {
        await TakeTurnAsync(cancel);
        try
        {
            mayWrite();
            Write(lines.Span);
        }
        finally
        {
            EndTurn();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> FinishAsync(CancellationToken noLonger)
    {
        if (_finished) return true;
        try
        {
            await TakeTurnAsync(noLonger);
        }
        catch (OperationCanceledException) when (noLonger.IsCancellationRequested)
        {
            return false;
        }
        try
        {
            // A file that was renamed since the last write is whole under its other name. One that workers have gone on in is at the path.
            if (!IsCounted) Follow();
            else if (FileStatus.Of(_file).Links == 0) throw Removed();
            CutBack(_control.Run.OutputLength);
            RandomAccess.FlushToDisk(_file);
            return _finished = true;
        }
        catch (Exception e) when (OutputFault.IsOfWriting(e))
        {
            throw new SinkException(
                $"output: {_path}: {_control.Run.OutputLength} bytes could not be brought to the disk: {e.Message}; make room or mend the output", e);
        }
        finally
        {
            EndTurn();
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Waits for this process's and this writer's turn.</summary>
    internal async ValueTask TakeTurnAsync(CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            if (_control.SharedFile is { } shared) await FileLock.TakeAsync(shared, FileLock.Turn, _time, cancel);
        }
        catch
        {
            _turn.Release();
            throw;
        }
    }

    internal void EndTurn()
    {
        if (_control.SharedFile is { } shared) FileLock.GiveBack(shared, FileLock.Turn);
        _turn.Release();
    }

    private void Write(ReadOnlySpan<byte> lines)
    {
        RunCells run = _control.Run;
        long whole = run.OutputLength;
        try
        {
            if (!IsCounted || !FileStatus.Of(_path).IsSameFile(_status))
            {
                Follow();
                whole = run.OutputLength;
            }
            CutBack(whole);
            run.OutputReach = whole + lines.Length;
            RandomAccess.Write(_file, lines, whole);
        }
        catch (Exception e) when (OutputFault.IsOfWriting(e))
        {
            throw new SinkException(
                $"output: {_path}: {lines.Length} bytes could not be written behind byte {whole}: {e.Message}{CutBackAfterFailure(whole)}; "
                + "make room or mend the output", e);
        }
        run.OutputLength = whole + lines.Length;
    }

    /// <summary>Whether what the control block says is about the file that is open here.</summary>
    private bool IsCounted => _control.Run.OutputInode == (long)_status.Inode;

    private void Count(long length)
    {
        RunCells run = _control.Run;
        run.OutputInode = (long)_status.Inode;
        run.OutputLength = run.OutputReach = length;
    }

    /// <summary>
    /// The path leads to another file, or to none: goes on there. The first process that comes, of those that write, begins it; the others find it begun.
    /// </summary>
    private void Follow()
    {
        if (IsCounted && FileStatus.Of(_file).Links == 0) throw Removed();
        RandomAccess.FlushToDisk(_file);
        SafeFileHandle next = File.OpenHandle(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        _file.Dispose();
        _file = next;
        _status = FileStatus.Of(next);
        if (IsCounted) return;
        if (_control.SharedFile is null && !FileLock.TryTake(next, FileLock.Owner)) throw Given("is now what another run writes to");
        if (RandomAccess.GetLength(next) is > 0 and var length) throw Given($"was replaced by another file, of {length} bytes");
        Count(0);
    }

    private void CutBack(long whole)
    {
        long length = RandomAccess.GetLength(_file);
        if (length == whole) return;
        if (length < whole) throw Given($"has {length} bytes, but {whole} were written: something else has cut or replaced it");
        if (length > _control.Run.OutputReach) throw Given($"has {length} bytes, but only {whole} were written: something else writes to it too");
        RandomAccess.SetLength(_file, whole);
    }

    private SinkException Removed() => Given($"was removed while it was written, and the {_control.Run.OutputLength} bytes in it are lost");

    private SinkException Given(string reason) => new($"output: {_path} {reason}; nothing more is written to it") { IsFinal = true };

    private string CutBackAfterFailure(long whole)
    {
        try
        {
            if (RandomAccess.GetLength(_file) > whole) RandomAccess.SetLength(_file, whole);
            return "";
        }
        catch (Exception e) when (OutputFault.IsOfWriting(e))
        {
            return $" (and it could not be cut back to its last whole line, which the next write will try: {e.Message})";
        }
    }

    private static long EndOfLastWholeLine(SafeFileHandle file, long length)
    {
        byte[] room = new byte[1 << 16];
        for (long end = length; end > 0;)
        {
            int wanted = (int)Math.Min(room.Length, end);
            for (int count = 0; count < wanted;)
            {
                int more = RandomAccess.Read(file, room.AsSpan(count, wanted - count), end - wanted + count);
                if (more == 0) throw new IOException("it became shorter while its end was looked for");
                count += more;
            }
            int lineFeed = room.AsSpan(0, wanted).LastIndexOf((byte)'\n');
            if (lineFeed >= 0) return end - wanted + lineFeed + 1;
            end -= wanted;
        }
        return 0;
    }
}

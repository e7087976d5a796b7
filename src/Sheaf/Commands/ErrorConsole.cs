using System.Runtime.InteropServices;

namespace Sheaf.Commands;

/// <summary>
/// Standard error, where lines (log, summary, faults) and a progress line that is written over share one terminal: a line goes above the
/// progress line and never into it. A terminal that has closed is written to in vain. Thread-safe: one lock, nothing is called under it but the writer.
/// </summary>
/// <param name="isTerminal">Whether a line can be written over.</param>
/// <param name="width">Columns of the terminal now; asked for each progress line, since windows change.</param>
internal sealed partial class ErrorConsole(TextWriter writer, bool isTerminal, Func<int> width)
{
    private const string EraseLine = "\r\u001b[K";

    private readonly Lock _gate = new();
    private string _status = "";

    public bool IsTerminal => isTerminal;

    /// <summary>Columns that a progress line may take. One that reaches a terminal's last column wraps, and could not be written over.</summary>
    public int Room => isTerminal ? Math.Max(0, width() - 1) : int.MaxValue;

    /// <summary>Whether standard error of this process is a terminal on which a line can be written over.</summary>
    public static bool IsTerminalHere => StandardStreams.HasError && !Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";

    /// <summary>Standard error of this process; one that was closed takes everything and keeps nothing.</summary>
    public static ErrorConsole OfThisProcess() => new(StandardStreams.HasError ? Console.Error : TextWriter.Null, IsTerminalHere, Columns);

    /// <summary>Writes a line, or several with line feeds in between.</summary>
    public void WriteLine(string text)
    {
        lock (_gate)
        {
            Put($"{(_status.Length > 0 ? EraseLine : "")}{text}\n{_status}");
        }
    }

    /// <summary>Shows progress: over what was shown before on a terminal, as a line of its own elsewhere.</summary>
    public void ShowStatus(string text)
    {
        lock (_gate)
        {
            if (!isTerminal)
            {
                Put(text + "\n");
            }
            else
            {
                int room = Room;
                _status = text.Length > room ? text[..room] : text;
                Put(EraseLine + _status);
            }
        }
    }

    /// <summary>Takes the progress line away.</summary>
    public void ClearStatus()
    {
        lock (_gate)
        {
            if (_status.Length == 0) return;
            _status = "";
            Put(EraseLine);
        }
    }

    private void Put(string text)
    {
        try
        {
            writer.Write(text);
            writer.Flush();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The terminal has gone (SIGHUP), or a disk is full: what was said is lost, and the run goes on.
        }
    }

    /// <summary>Of the terminal that standard error is; the console's own answer is of standard output, which may be a file.</summary>
    private static int Columns()
    {
        const int Error = 2;
        nuint request = OperatingSystem.IsMacOS() ? 0x40087468u : 0x5413u; // TIOCGWINSZ
        if (OperatingSystem.IsWindows()) return Console.WindowWidth is > 0 and var columns ? columns : UnknownColumns;
        Span<ushort> size = stackalloc ushort[4]; // rows, columns, and both in pixels
        // 0 where the terminal does not say.
        return GetWindowSize(Error, request, ref size[0]) == 0 && size[1] > 0 ? size[1] : UnknownColumns;
    }

    private const int UnknownColumns = 80;

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int GetWindowSize(int file, nuint request, ref ushort size);
}

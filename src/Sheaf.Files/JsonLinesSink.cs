namespace Sheaf.Files;

/// <summary>
/// Segments as JSON lines in one output, shared by all flusher workers of the process: each takes a client of its own. A batch is written in one turn, so that lines are never mixed.
/// Where the reader decides how long that takes (a pipe), a batch may be left between two lines: so who is told to end tears none, as long as the reader goes on. Any thread.
/// </summary>
public sealed class JsonLinesSink : IAsyncDisposable
{
    /// <summary>What a pipe takes as a whole or not at all (PIPE_BUF).</summary>
    private const int Piece = 4096;

    private readonly OutputFile _file;
    private readonly bool _withHeaders;
    private readonly SemaphoreSlim _turn = new(1);

    private JsonLinesSink(OutputFile file, bool withHeaders)
    {
        _file = file;
        _withHeaders = withHeaders;
    }

    /// <summary>What to call it in messages to people.</summary>
    public string Name => _file.Path;

    /// <summary>Opens the output. A named pipe is waited for until it has a reader.</summary>
    /// <param name="path">A file, a device, a named pipe, or <c>-</c> for standard output.</param>
    /// <param name="existing">What to do with what a file holds; <see cref="ExistingContent.Resume"/> writes behind its last whole line.</param>
    /// <param name="withHeaders">Lines are <c>{"headers":{…},"value":MESSAGE}</c> (ARCHITECTURE.md, "What travels with a segment").</param>
    /// <exception cref="ConfigurationException">It cannot be opened, or must not be overwritten.</exception>
    public static async ValueTask<JsonLinesSink> OpenAsync(string path, ExistingContent existing, bool withHeaders, CancellationToken cancel) =>
        new(await OutputFile.OpenAsync(path, "output", existing, cancel), withHeaders);

    /// <summary>A client for one worker.</summary>
    public JsonLinesClient CreateClient() => new(this, _withHeaders);

    /// <summary>Brings a file to the disk and closes the output, after the clients have ended. Waits for a writer that was left in the middle of a line.</summary>
    /// <param name="noLonger">Then that line stays torn.</param>
    /// <returns>Whether all lines are whole.</returns>
    /// <exception cref="SinkException">The disk did not take it.</exception>
    public async ValueTask<bool> FinishAsync(CancellationToken noLonger)
    {
        Task turn = _turn.WaitAsync(noLonger);
        await turn.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!turn.IsCompletedSuccessfully) return false;
        using (_file) _file.Flush();
        return true;
    }

    /// <summary>Closes the output. Doing it again, or after <see cref="FinishAsync"/>, does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        // A turn that is not free belongs to a writer on a pipe that nobody reads, or the output is finished: nothing to wait for.
        bool isQuiet = await _turn.WaitAsync(TimeSpan.Zero);
        using (_file)
        {
            if (isQuiet) _file.Flush();
        }
    }

    /// <param name="mayWrite">Asked when it is this writer's turn; throws if not.</param>
    internal async ValueTask WriteAsync(ReadOnlyMemory<byte> lines, Action mayWrite, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        if (!_file.MayBlock)
        {
            WriteAndEndTurn(lines.Span, lines.Length, mayWrite, CancellationToken.None);
            return;
        }
        // Nothing interrupts a write to a pipe that nobody reads. The caller need not wait for it; its turn lasts until the line is out.
        await Task.Run(() => WriteAndEndTurn(lines.Span, Piece, mayWrite, cancel), CancellationToken.None).WaitAsync(cancel);
    }

    /// <param name="piece">Lines that together have no more bytes than this are written in one go; before each, the writer may be told to end.</param>
    private void WriteAndEndTurn(ReadOnlySpan<byte> lines, int piece, Action mayWrite, CancellationToken cancel)
    {
        try
        {
            while (!lines.IsEmpty)
            {
                cancel.ThrowIfCancellationRequested();
                mayWrite();
                int length = FirstLines(lines, piece);
                _file.Write(lines[..length]);
                lines = lines[length..];
            }
            _file.Commit();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Bytes of as many whole lines as have room in a piece, but of one at least.</summary>
    private static int FirstLines(ReadOnlySpan<byte> lines, int piece)
    {
        if (lines.Length <= piece) return lines.Length;
        int end = lines[..piece].LastIndexOf((byte)'\n');
        return end >= 0 ? end + 1 : piece + lines[piece..].IndexOf((byte)'\n') + 1;
    }
}

namespace Sheaf.Files;

/// <summary>
/// Segments as JSON lines in one output, shared by all flusher workers of the process: each takes a client of its own. A batch is written in one
/// go, so that lines are never torn and never mixed. Any thread.
/// </summary>
public sealed class JsonLinesSink : IAsyncDisposable
{
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

    /// <summary>Brings a file to the disk and closes the output, after the clients have ended.</summary>
    /// <exception cref="SinkException">The disk did not take it.</exception>
    public async ValueTask DisposeAsync()
    {
        // A turn that is not free belongs to an abandoned writer on a pipe that nobody reads: nothing to wait for.
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
            WriteAndEndTurn(lines, mayWrite);
            return;
        }
        // Nothing interrupts a write to a pipe that nobody reads. The caller need not wait for it; its turn lasts until it is over.
        await Task.Run(() => WriteAndEndTurn(lines, mayWrite), CancellationToken.None).WaitAsync(cancel);
    }

    private void WriteAndEndTurn(ReadOnlyMemory<byte> lines, Action mayWrite)
    {
        try
        {
            mayWrite();
            _file.Write(lines.Span);
            _file.Commit();
        }
        finally
        {
            _turn.Release();
        }
    }
}

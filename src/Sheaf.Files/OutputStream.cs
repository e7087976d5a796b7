namespace Sheaf.Files;

/// <summary>Standard output, a pipe or a device: what was written to it is gone, and its reader decides how long a write takes. Any thread; one at a time.</summary>
internal sealed class OutputStream : IAppendLines
{
    /// <summary>What a pipe takes as a whole or not at all (PIPE_BUF).</summary>
    private const int Piece = 4096;

    private readonly string _purpose;
    private readonly FileStream? _stream; // unbuffered; null: standard output
    private readonly bool _mayBlock;
    private readonly SemaphoreSlim _turn = new(1);
    private long _written;

    private OutputStream(string name, string purpose, FileStream? stream)
    {
        Name = name;
        _purpose = purpose;
        _stream = stream;
        _mayBlock = stream is not { CanSeek: true };
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <param name="path"><c>-</c> for standard output.</param>
    /// <param name="purpose">What it is for, in messages to people: <c>output</c>.</param>
    /// <remarks>Opening a named pipe waits for its reader, here until <paramref name="cancel"/>.</remarks>
    /// <exception cref="ConfigurationException">It cannot be opened.</exception>
    public static async ValueTask<OutputStream> OpenAsync(string path, string purpose, CancellationToken cancel)
    {
        if (path == OutputPath.Standard) return new OutputStream("standard output", purpose, stream: null);
        return await Task.Run(() => Open(path, purpose), cancel).WaitAsync(cancel);
    }

    /// <inheritdoc cref="OpenAsync"/>
    public static OutputStream Open(string path, string purpose) => new(path, purpose, OutputFault.OfOpening(path, purpose, () =>
        new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0)));

    /// <inheritdoc/>
    public async ValueTask AppendAsync(ReadOnlyMemory<byte> lines, Action mayWrite, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        if (!_mayBlock)
        {
            WriteAndEndTurn(lines.Span, lines.Length, mayWrite, CancellationToken.None);
            return;
        }
        // Nothing interrupts a write to a pipe that nobody reads. The caller need not wait for it; its turn lasts until the line is out.
        await Task.Run(() => WriteAndEndTurn(lines.Span, Piece, mayWrite, cancel), CancellationToken.None).WaitAsync(cancel);
    }

    /// <summary>Writes, without a turn.</summary>
    /// <exception cref="SinkException">Some of it may be out.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            if (_stream is null) StandardOutput.Write(bytes);
            else _stream.Write(bytes);
            _written += bytes.Length;
        }
        catch (Exception e) when (OutputFault.IsOfWriting(e))
        {
            bool isFinal = e is IOException io && StandardOutput.CannotMend(io);
            throw new SinkException(
                $"{_purpose}: {Name}: {bytes.Length} bytes could not be written behind byte {_written}: {e.Message} (its last line may be torn); "
                + (isFinal ? "whoever read it has gone" : "make room or mend the output"), e) { IsFinal = isFinal };
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> FinishAsync(CancellationToken noLonger)
    {
        Task turn = _turn.WaitAsync(noLonger);
        await turn.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return turn.IsCompletedSuccessfully;
    }

    public void Dispose() => _stream?.Dispose();

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
                Write(lines[..length]);
                lines = lines[length..];
            }
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

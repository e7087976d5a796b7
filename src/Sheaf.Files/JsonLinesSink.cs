using Sheaf.Flushing;
using Sheaf.Segments;

namespace Sheaf.Files;

/// <summary>
/// One worker's sink: segments as JSON lines in an output that it may share with others. Used by its worker only, but for <see cref="Fence"/>. Where a
/// write to a pipe was cancelled, the batch may still be read: neither it nor the sink is to be used again.
/// </summary>
public sealed class JsonLinesSink : ISegmentSink
{
    private readonly IAppendLines _output;
    private readonly SegmentLines _lines;
    private readonly Action _mayWrite;
    private volatile bool _fenced;

    /// <param name="output">Belongs to the run.</param>
    /// <param name="withHeaders">Lines are <c>{"headers":{…},"value":MESSAGE}</c> (ARCHITECTURE.md, "What travels with a segment").</param>
    public JsonLinesSink(IAppendLines output, bool withHeaders)
    {
        _output = output;
        _lines = new SegmentLines(withHeaders);
        _mayWrite = ThrowIfFenced;
    }

    /// <summary>
    /// Takes from this sink the right to produce. Any thread; does not wait: a batch that is being written is written whole, and its spans come
    /// again from the next owner, with the same flush ids.
    /// </summary>
    public void Fence() => _fenced = true;

    /// <inheritdoc/>
    /// <exception cref="ClaimLapsedException">The sink was fenced; nothing is written.</exception>
    public ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel)
    {
        ThrowIfFenced();
        return batch.Length == 0 ? default : _output.AppendAsync(_lines.Of(batch), _mayWrite, cancel);
    }

    public ValueTask DisposeAsync() => default;

    private void ThrowIfFenced()
    {
        if (_fenced) throw new ClaimLapsedException($"{_output.Name}: this worker was replaced and may not produce any more");
    }

    /// <summary>Bytes of as many whole lines as have room in a piece, but of one at least.</summary>
    private static int FirstLines(ReadOnlySpan<byte> lines, int piece)
    {
        if (lines.Length <= piece) return lines.Length;
        int end = lines[..piece].LastIndexOf((byte)'\n');
        return end >= 0 ? end + 1 : piece + lines[piece..].IndexOf((byte)'\n') + 1;
    }
}

using Sheaf.Flushing;
using Sheaf.Segments;

namespace Sheaf.Files;

/// <summary>
/// One worker's client of a <see cref="JsonLinesSink"/>. Used by its worker only, but for <see cref="Fence"/>. Where a write to a pipe was
/// cancelled, the batch may still be read: neither it nor the client is to be used again.
/// </summary>
public sealed class JsonLinesClient : ISegmentSink
{
    private readonly JsonLinesSink _sink;
    private readonly SegmentLines _lines;
    private readonly Action _mayWrite;
    private volatile bool _fenced;

    internal JsonLinesClient(JsonLinesSink sink, bool withHeaders)
    {
        _sink = sink;
        _lines = new SegmentLines(withHeaders);
        _mayWrite = ThrowIfFenced;
    }

    /// <summary>
    /// Takes from this client the right to produce. Any thread; does not wait: a batch that is being written is written whole, and its spans come
    /// again from the next owner, with the same flush ids.
    /// </summary>
    public void Fence() => _fenced = true;

    /// <inheritdoc/>
    /// <exception cref="ClaimLapsedException">The client was fenced; nothing is written.</exception>
    public ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel)
    {
        ThrowIfFenced();
        return batch.Length == 0 ? default : _sink.WriteAsync(_lines.Of(batch), _mayWrite, cancel);
    }

    public ValueTask DisposeAsync() => default;

    private void ThrowIfFenced()
    {
        if (_fenced) throw new ClaimLapsedException($"{_sink.Name}: this worker was replaced and may not produce any more");
    }
}

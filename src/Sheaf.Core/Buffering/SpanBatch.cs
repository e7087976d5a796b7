using Sheaf.Spans;

namespace Sheaf.Buffering;

/// <summary>A place in a shard's input up to which everything is stored, and the shard's clock there.</summary>
/// <param name="Offset">Kafka offset, or line number in a file. <see cref="BeforeFirst"/>: nothing is.</param>
public readonly record struct StoredPosition(long Offset, StreamClock Clock)
{
    /// <summary>Nothing is stored.</summary>
    public static readonly StoredPosition BeforeFirst = new(-1, StreamClock.NotStarted);

    /// <summary>A place where nothing is ahead of the clock.</summary>
    public StoredPosition(long offset, long clockMs)
        : this(offset, new StreamClock(clockMs))
    {
    }
}

/// <summary>
/// Spans of one shard from one input block, in input order, on their way into the buffer. The payloads lie in <see cref="Block"/>,
/// which the engine may read only until the append has completed. Owner: one ingest loop at a time; used again.
/// </summary>
public sealed class SpanBatch
{
    private TraceSpan[] _spans = new TraceSpan[256];

    public SpanBatch(ShardId shard) => Shard = shard;

    public ShardId Shard { get; }

    /// <summary>The bytes that the payload positions point into.</summary>
    public ReadOnlyMemory<byte> Block { get; private set; }

    public int Count { get; private set; }

    /// <summary>
    /// How far the shard's input has been read with this batch, whatever became of its messages: an engine that outlives the process keeps it with the spans.
    /// Set by the ingest pipeline.
    /// </summary>
    public StoredPosition Through { get; set; }

    /// <summary>The shard's clock before the batch. Set by the ingest pipeline.</summary>
    public StreamClock ClockBefore { get; set; } = StreamClock.NotStarted;

    public Span<TraceSpan> Spans => _spans.AsSpan(0, Count);

    /// <summary>The payload of one of its spans.</summary>
    public ReadOnlySpan<byte> PayloadOf(in TraceSpan span) => Block.Span.Slice(span.PayloadStart, span.PayloadLength);

    /// <summary>Empties the batch for spans of another block.</summary>
    public void Reset(ReadOnlyMemory<byte> block)
    {
        Block = block;
        Count = 0;
    }

    /// <summary>Says which bytes the payload positions point into, where that is known only after its spans were added.</summary>
    public void Refer(ReadOnlyMemory<byte> block) => Block = block;

    /// <summary>Takes out the spans at these indexes, which ascend.</summary>
    public void Remove(List<int> indexes)
    {
        int kept = 0, next = 0;
        for (int i = 0; i < Count; i++)
        {
            if (next < indexes.Count && indexes[next] == i) next++;
            else _spans[kept++] = _spans[i];
        }
        Count = kept;
    }

    /// <summary>Room for the next span, to be filled in place; not cleared.</summary>
    public ref TraceSpan Add()
    {
        if (Count == _spans.Length) Array.Resize(ref _spans, 2 * _spans.Length);
        return ref _spans[Count++];
    }
}

using System.IO.Hashing;
using System.Text;
using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>A claim of one trace with payloads given by a test, for what reads claims without needing a whole engine.</summary>
public sealed class PayloadClaim
{
    private readonly List<byte[]> _payloads = [];

    public PayloadClaim(TraceKey? trace = null, int shard = 0)
    {
        Batch.Reset(new ShardId(shard));
        Batch.AddTrace(trace ?? new TraceKey(1, new TraceId(0xA, 0xB)), token: 0);
    }

    public ClaimBatch Batch { get; } = new();

    public ISpanBuffer Buffer => new Payloads(_payloads);

    public PayloadClaim Add(string payload, SpanId id, long streamTimeMs = 0, long offset = 0) => Add(Encoding.UTF8.GetBytes(payload), id, streamTimeMs, offset);

    public PayloadClaim Add(byte[] payload, SpanId id, long streamTimeMs = 0, long offset = 0, PayloadEdits? edits = null)
    {
        ref BufferedSpan span = ref Batch.AddSpan();
        span = new BufferedSpan
        {
            SpanId = id,
            StreamTimeMs = streamTimeMs,
            SourceOffset = offset,
            PayloadLength = payload.Length,
            PayloadHash = XxHash3.HashToUInt64(payload),
            PayloadRef = _payloads.Count,
            Edits = edits ?? ReferenceEdits.Of(payload),
        };
        _payloads.Add(payload);
        return this;
    }

    /// <summary>A closed segment of all spans of the claim.</summary>
    public AssembledSegment Segment(SpanId id, FlushReason reason = FlushReason.IdleTimeout, int missingParents = 0) =>
        new(id, HasRoot: true, reason, DeadlineMs: 0, FirstMember: 0, Batch.SpanCount, missingParents);

    /// <summary>Writes that segment into the batch, and returns the number of messages.</summary>
    public int Write(SegmentWriter writer, in AssembledSegment segment, SegmentBatch into) =>
        writer.Write(Buffer, Batch, Batch.Traces[0], segment, [.. Enumerable.Range(0, Batch.SpanCount)], into);

    /// <summary>The messages of that segment, as text.</summary>
    public string[] Write(SpanId id, SegmentRules? rules = null, FlushReason reason = FlushReason.IdleTimeout)
    {
        var batch = new SegmentBatch();
        Write(new SegmentWriter(rules ?? new SegmentRules()), Segment(id, reason), batch);
        return [.. batch.Messages.ToArray().Select(message => Encoding.UTF8.GetString(batch.BodyOf(message)))];
    }

    /// <summary>A buffer that only gives payloads.</summary>
    private sealed class Payloads(List<byte[]> payloads) : ISpanBuffer
    {
        public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span) => payloads[(int)batch.Spans[span].PayloadRef];

        public ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask<bool> SettleAsync(bool now, CancellationToken cancel) => throw new NotSupportedException();

        public ValueTask LetGoAsync(ShardId shard, bool settles, CancellationToken cancel) => throw new NotSupportedException();

        public ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask<double> LoadAsync(CancellationToken cancel) => throw new NotSupportedException();
        public ValueTask DisposeAsync() => default;
    }
}

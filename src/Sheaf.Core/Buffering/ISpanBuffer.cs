using Sheaf.Spans;

namespace Sheaf.Buffering;

/// <summary>
/// Where spans wait until their segment is due: a client of a buffer. Two engines offer it: in process (memory) and Redis; one contract
/// suite tests both. Shards are independent. Per shard there is one appender (the ingest pipeline, one batch at a time, in input order)
/// and one claimer (the flusher worker that owns the shard); the two may work at the same time, each through a client of its own.
/// </summary>
/// <remarks>
/// The protocol of a flush: <see cref="ClaimAsync"/>, assemble, <see cref="ReadPayloadsAsync"/>, write, produce, then
/// <see cref="RemoveAsync"/>. Nothing leaves the buffer before the removal, so a crash at any point repeats work and loses none.
/// </remarks>
/// <exception cref="BufferUnavailableException">
/// By any operation, when the buffer cannot be reached or has no room: try again. A claimer takes its shards over again first, since a claim may have
/// happened without its answer.
/// </exception>
/// <exception cref="BufferLostException">By an append or a claim, once, when the buffer came back without what it held.</exception>
/// <exception cref="ClaimLapsedException">
/// By the claimer's operations, when another claimer has taken the shard over: end. By an append, when another process was given the shard: what it was to store is that one's.
/// </exception>
public interface ISpanBuffer : IAsyncDisposable
{
    /// <summary>
    /// Stores the spans of a batch, arms the deadline of each trace that they touch, and notes <see cref="SpanBatch.Through"/>. When it has completed, all of
    /// them can be claimed. A batch without spans is allowed. So is appending the same batch (by source offsets) again; the assembler tells the copies apart (rule 7).
    /// </summary>
    ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel);

    /// <summary>
    /// Takes this client's shards over: whatever an earlier claimer had claimed and not removed is due again, and its client is refused
    /// from now on. Called by a worker when it starts.
    /// </summary>
    ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel);

    /// <summary>
    /// Claims traces whose armed deadline is before <paramref name="beforeMs"/>, earliest first, and reads their spans (without payloads)
    /// into <paramref name="into"/>. A claimed trace is not claimed again until it is removed or taken over. An armed deadline may be earlier than the
    /// true one; then nothing of the trace closes and it is armed again by the removal.
    /// </summary>
    /// <param name="beforeMs">A stream time, exclusive; <see cref="long.MaxValue"/> claims every trace, earliest deadline first.</param>
    /// <param name="maxTraces">At least 1.</param>
    ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel);

    /// <summary>
    /// Makes the payloads of the spans at these indexes of <see cref="ClaimBatch.Spans"/> available to <see cref="Payload"/> until the next call.
    /// </summary>
    ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel);

    /// <summary>The payload of a span whose payload was read. Valid until the next call of another operation of this client.</summary>
    ReadOnlySpan<byte> Payload(ClaimBatch batch, int span);

    /// <summary>
    /// Ends the claim of these traces: removes exactly the spans marked in <see cref="ClaimBatch.Removed"/>, and arms the trace for
    /// <see cref="ClaimedTrace.NextDeadlineMs"/>, or for what arrived in between if that is earlier. A trace with nothing left is gone.
    /// </summary>
    ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel);

    /// <summary>What is buffered for a shard now. May look at every trace of it: for the start and the end of a run, not for every second.</summary>
    ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel);

    /// <summary>Share of the memory that the buffer may use, over all shards: 1 or more is full. Cheap; may be as old as a fraction of a second.</summary>
    ValueTask<double> LoadAsync(CancellationToken cancel);
}

/// <summary>What is buffered for a shard.</summary>
/// <param name="PayloadBytes">Sum of the payloads' lengths.</param>
/// <param name="EarliestDeadlineMs">Earliest armed deadline, in ms of stream time; <see cref="Segments.SegmentRules.Never"/> when empty.</param>
public readonly record struct BufferDepth(long Spans, long Traces, long PayloadBytes, long EarliestDeadlineMs)
{
    /// <summary>
    /// How far the earliest deadline lies behind a shard's clock; 0 where nothing is due, or where what is due has no deadline: a trace that has grown too large is armed for time 0, to be
    /// looked at at once.
    /// </summary>
    /// <param name="clockMs"><see cref="long.MinValue"/> before the first span.</param>
    public long LagMs(long clockMs) => EarliestDeadlineMs > 0 && clockMs > EarliestDeadlineMs ? clockMs - EarliestDeadlineMs : 0;
}

using Sheaf.Spans;

namespace Sheaf.Buffering;

/// <summary>
/// The way into a buffer. Shards are independent; per shard there is one appender (the ingest pipeline, one batch at a time, in input order).
/// </summary>
public interface ISpanAppender
{
    /// <summary>
    /// Stores the spans of a batch, arms the deadline of each trace that they touch, and notes <see cref="SpanBatch.Through"/>. When it has completed, all of
    /// them can be claimed. A batch without spans is allowed. So is appending the same batch (by source offsets) again; the assembler tells the copies apart (rule 7).
    /// </summary>
    /// <exception cref="BufferUnavailableException">The buffer cannot be reached or has no room: try again.</exception>
    /// <exception cref="ClaimLapsedException">Another process was given the shard: what it was to store is that one's.</exception>
    ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel);

    /// <summary>Share of the memory that the buffer may use, over all shards: 1 or more is full. Cheap; may be as old as a fraction of a second.</summary>
    ValueTask<double> LoadAsync(CancellationToken cancel);
}

/// <summary>
/// The way out of a buffer: a flusher worker's client. Shards are independent; per shard there is one claimer, the worker that owns it. It may work
/// while the appender does, each through a client of its own.
/// </summary>
/// <remarks>
/// The protocol of a flush: <see cref="ClaimAsync"/>, assemble, <see cref="ReadPayloadsAsync"/>, write, produce, then <see cref="RemoveAsync"/> and
/// <see cref="SettleAsync"/>. Nothing leaves the buffer before the removal, so a crash at any point repeats work and loses none.
/// </remarks>
/// <exception cref="BufferUnavailableException">
/// By any operation, when what makes the buffer durable cannot be reached or has no room: take the shards over and go on.
/// </exception>
/// <exception cref="ClaimLapsedException">By any operation: another claimer has taken the shard over.</exception>
public interface ISpanClaimer : IAsyncDisposable
{
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

    /// <summary>Makes it durable that what was removed has left, in all shards of this client: a successor does not meet it again.</summary>
    /// <param name="now">False: where that costs something, only as often as is sensible.</param>
    /// <returns>Whether nothing that was removed is left to be settled.</returns>
    ValueTask<bool> SettleAsync(bool now, CancellationToken cancel);

    /// <summary>This client does not act on the shard any more until it takes it over again. Does not throw where the buffer cannot be reached.</summary>
    /// <param name="settles">Whether what was removed is settled first.</param>
    ValueTask LetGoAsync(ShardId shard, bool settles, CancellationToken cancel);
}

/// <summary>A client of the buffer in memory, from both sides.</summary>
public interface ISpanBuffer : ISpanAppender, ISpanClaimer
{
    /// <summary>What is buffered for a shard now.</summary>
    ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel);
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

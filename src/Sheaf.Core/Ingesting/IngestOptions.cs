using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>What to do when the buffer is full.</summary>
public enum BufferFullPolicy
{
    /// <summary>Wait for due segments to leave. Where none is due while the input waits, its clock stands still, so the oldest are flushed early after all.</summary>
    Pause,

    /// <summary>Flush the oldest segments early, at once.</summary>
    FlushOldest,
}

/// <summary>What the ingest pipeline needs to know. Immutable.</summary>
/// <param name="Shards">Number of shards, at least 1.</param>
/// <param name="Lanes">Blocks parsed at the same time, at least 1.</param>
/// <param name="MaxMessageBytes">A longer message is a dead letter.</param>
public sealed record IngestOptions(int Shards, int Lanes, int MaxMessageBytes = 64 << 20, BufferFullPolicy OnBufferFull = BufferFullPolicy.Pause)
{
    /// <summary>How the messages are written.</summary>
    public SpanFormat Format { get; init; }

    /// <summary>Bytes of a block to begin with; fits the processor's cache together with what is made of it.</summary>
    public int BlockBytes { get; init; } = 256 << 10;

    /// <summary>
    /// How many blocks the input may be ahead of the flushing of what became due. Bounds what a catch-up piles up; it is not a limit on the
    /// buffer, since what is not due does not count. More than <see cref="Lanes"/>.
    /// </summary>
    public int LeadBlocks { get; init; } = 128;

    /// <summary>
    /// Most bytes that a span may have as it is written, since a span alone is the smallest message that there is. A larger one is a dead letter: buffered, it would end every run
    /// that comes to write it. See <see cref="Segments.SegmentWriter.EnvelopeBytes"/>.
    /// </summary>
    public int MaxWrittenSpanBytes { get; init; } = int.MaxValue;

    /// <summary>
    /// How long a buffer, or an output for dead letters, may take that does not answer, once the run is told to stop. What it has not taken by then is not stored.
    /// </summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long another process may have a shard in the buffer that the group says is this one's. Longer than a session of the group: who was only not told yet has been told by then. What is
    /// left is a process that was given the shard, slept, and took it in the buffer after it had gone to this one; the way out is to begin anew.
    /// </summary>
    public TimeSpan RefusalPatience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// By shard: what an earlier run has stored. Messages up to there are passed over, and the shard's clock goes on from there. Empty: nothing.
    /// </summary>
    public IReadOnlyList<StoredPosition> Stored { get; init; } = [];
}

namespace Sheaf.Segments;

/// <summary>The numbers of ARCHITECTURE.md, rules 3 and 6. Immutable; validated where options are bound.</summary>
/// <param name="TimeoutMs">Quiet time after which a segment without a root closes, in ms of stream time.</param>
/// <param name="RootTimeoutMs">Quiet time after which a segment whose root is buffered closes.</param>
/// <param name="MaxSegmentAgeMs">Most time from a segment's first span to its closing; 0 = no such limit.</param>
/// <param name="MaxSegmentBytes">Size of one output message; a segment that grows past it closes.</param>
public sealed record SegmentRules(long TimeoutMs = 60_000, long RootTimeoutMs = 10_000, long MaxSegmentAgeMs = 600_000, long MaxSegmentBytes = SegmentRules.UsualMaxSegmentBytes)
{
    /// <summary>The limit where none is given and the output takes it: the original's.</summary>
    public const int UsualMaxSegmentBytes = 10 << 20;

    /// <summary>No deadline.</summary>
    public const long Never = long.MaxValue;

    /// <summary>The deadline of a segment (rule 3), in ms of stream time.</summary>
    public long Deadline(long firstMs, long newestMs, bool hasRoot, out FlushReason reason)
    {
        long deadline = newestMs + (hasRoot ? RootTimeoutMs : TimeoutMs);
        reason = hasRoot ? FlushReason.RootTimeout : FlushReason.IdleTimeout;
        if (MaxSegmentAgeMs > 0 && firstMs + MaxSegmentAgeMs < deadline)
        {
            deadline = firstMs + MaxSegmentAgeMs;
            reason = FlushReason.MaxAge;
        }
        return deadline;
    }

    /// <summary>
    /// The earliest time at which a span that arrives now could let its segment close: what a buffer arms for its trace. Never later
    /// than the true deadline, because later spans only push a segment's deadline on.
    /// </summary>
    public long EarliestDeadline(long streamTimeMs, bool isSegmentRoot) => Deadline(streamTimeMs, streamTimeMs, isSegmentRoot, out _);
}

using Sheaf.Segments;

namespace Sheaf.Flushing;

/// <summary>What a flusher worker needs to know. Immutable.</summary>
/// <param name="MaxFlushSegments">Most traces that one claim takes. At least 1.</param>
public sealed record FlusherOptions(SegmentRules Rules, int MaxFlushSegments = 500)
{
    /// <summary>Bytes of messages after which a worker produces what it has. Fits the processor's cache; larger gains nothing.</summary>
    public int ProduceBytes { get; init; } = 1 << 20;

    /// <summary>Longest wait for work: a wake-up that was lost costs this much lateness at most.</summary>
    public TimeSpan IdleWait { get; init; } = TimeSpan.FromMilliseconds(20);
}

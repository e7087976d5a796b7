namespace Sheaf.Supervision;

/// <summary>When a worker counts as ill or behind.</summary>
internal sealed record SupervisionOptions
{
    /// <summary><c>max-unhealthy-seconds</c>: a heartbeat older than this is a hang. A start may take twice as long.</summary>
    public TimeSpan MaxUnhealthy { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary><c>backpressure-seconds</c>: the input pauses when a worker has been behind for this long.</summary>
    public TimeSpan Backpressure { get; init; } = TimeSpan.FromSeconds(10);
}

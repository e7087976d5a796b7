namespace Sheaf.Supervision;

/// <summary>
/// How often one worker may be restarted: at most <see cref="Limit"/> times within any <see cref="Window"/>. Owner: the loop that keeps the worker.
/// </summary>
/// <param name="now">The time that counts (<see cref="AwakeClock"/>).</param>
internal sealed class RestartBudget(Func<TimeSpan> now)
{
    /// <summary>Restarts within a window.</summary>
    public const int Limit = 10;

    /// <summary>A restart counts for this long.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan s_firstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromSeconds(1);

    private readonly Queue<TimeSpan> _taken = new(Limit);

    /// <summary>Takes one restart from the budget; false when it is spent.</summary>
    /// <param name="delay">
    /// To wait before it: nothing the first time, so that a single crash costs no time; then 50 ms, doubling to 1 s, so that a worker that
    /// fails at once does not spin.
    /// </param>
    public bool TryTake(out TimeSpan delay)
    {
        TimeSpan at = now();
        while (_taken.TryPeek(out TimeSpan oldest) && at - oldest >= Window) _taken.Dequeue();
        int before = _taken.Count;
        delay = before == 0 ? TimeSpan.Zero : TimeSpan.FromTicks(Math.Min(s_firstDelay.Ticks << (before - 1), s_longestDelay.Ticks));
        if (before == Limit) return false;
        _taken.Enqueue(at);
        return true;
    }
}

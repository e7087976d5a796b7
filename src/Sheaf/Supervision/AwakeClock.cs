namespace Sheaf.Supervision;

/// <summary>
/// Time in which this process was running. Where it was stopped together with those that it watches (a paused container, a frozen virtual machine, SIGSTOP to the process group), time
/// has passed in which none of them could show a sign of life: it does not count here. Any thread.
/// </summary>
/// <remarks>Somebody looks at it every <see cref="Interval"/>; a look that comes much later than that counts for two of them.</remarks>
internal sealed class AwakeClock(TimeProvider time)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan s_mostStep = 2 * Interval;

    private readonly Lock _lock = new();
    private long _lookedAt = time.GetTimestamp();
    private TimeSpan _now;

    /// <summary>Since it was made.</summary>
    public TimeSpan Now
    {
        get
        {
            lock (_lock)
            {
                long at = time.GetTimestamp();
                TimeSpan step = time.GetElapsedTime(_lookedAt, at);
                _lookedAt = at;
                return _now += step < s_mostStep ? step : s_mostStep;
            }
        }
    }
}

/// <summary>How long a cell of somebody else has had the value that it has, while this process was running. Owner: one task, which looks again and again.</summary>
internal sealed class CellAge(AwakeClock clock)
{
    private long _value = long.MinValue;
    private TimeSpan _since;

    /// <summary>The value's age, 0 where it has just changed.</summary>
    public TimeSpan Of(long value)
    {
        TimeSpan now = clock.Now;
        if (value != _value) (_value, _since) = (value, now);
        return now - _since;
    }
}

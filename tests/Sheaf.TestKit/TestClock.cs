namespace Sheaf.TestKit;

/// <summary>
/// A clock that stands still until it is told. <see cref="Advance"/> goes from timer to timer in the order of their due times and runs each
/// callback on the calling thread, with the clock at exactly its due time. The frequency is odd on purpose: code that takes timestamps for
/// ticks or milliseconds fails. Thread-safe; one thread advances at a time.
/// </summary>
public sealed class TestClock : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<Timer> _armed = [];
    private readonly DateTimeOffset _start = new(2031, 7, 5, 3, 2, 1, TimeSpan.Zero);
    private TimeSpan _now;
    private long _armings;

    /// <summary>Since the clock was made.</summary>
    public TimeSpan Now
    {
        get { lock (_lock) return _now; }
    }

    /// <summary>How many times a timer was armed so far: it grows when a loop has looked and waits again.</summary>
    public long Armings
    {
        get { lock (_lock) return _armings; }
    }

    /// <summary>Timers that wait now.</summary>
    public int ArmedTimers
    {
        get { lock (_lock) return _armed.Count; }
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => 7_654_321;

    /// <inheritdoc/>
    public override long GetTimestamp() => 1_000_003 + (long)((Int128)Now.Ticks * TimestampFrequency / TimeSpan.TicksPerSecond);

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _start + Now;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock on and runs every callback that falls due on the way, also of timers armed on the way.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        TimeSpan until = Now + by;
        while (NextDue(until) is { } timer) timer.Fire();
    }

    /// <summary>Moves the clock on in one go, as whoever stood still meanwhile finds it: what fell due on the way runs late, with the clock at its end.</summary>
    public void StandStill(TimeSpan by)
    {
        lock (_lock) _now += by;
        Advance(TimeSpan.Zero);
    }

    /// <summary>Sets the clock to the due time of the earliest timer, which is disarmed or armed for its next period; null, and the clock at the end, when none is due.</summary>
    private Timer? NextDue(TimeSpan until)
    {
        lock (_lock)
        {
            Timer? next = _armed.MinBy(timer => timer.Due); // the first armed of those with one due time
            if (next is null || next.Due > until)
            {
                _now = until;
                return null;
            }
            if (next.Due > _now) _now = next.Due;
            _armed.Remove(next);
            if (next.Period > TimeSpan.Zero) ArmNeedsLock(next, next.Period);
            return next;
        }
    }

    private void ArmNeedsLock(Timer timer, TimeSpan dueTime)
    {
        timer.Due = _now + dueTime;
        _armed.Add(timer);
        _armings++;
    }

    private sealed class Timer(TestClock clock, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        public TimeSpan Due { get; set; }

        public TimeSpan Period { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                if (_disposed) return false;
                clock._armed.Remove(this);
                Period = period;
                if (dueTime >= TimeSpan.Zero) clock.ArmNeedsLock(this, dueTime);
                return true;
            }
        }

        public void Fire() => callback(state);

        public void Dispose()
        {
            lock (clock._lock)
            {
                _disposed = true;
                clock._armed.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}

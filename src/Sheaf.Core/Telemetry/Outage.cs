namespace Sheaf.Telemetry;

/// <summary>What is to be told of something that is away.</summary>
public enum OutageStage
{
    /// <summary>It has been away for <see cref="Outage.ToldAfter"/>: told once.</summary>
    Away,

    /// <summary>It still is: told every <see cref="Outage.RepeatedEvery"/>.</summary>
    StillAway,

    /// <summary>It works again: told once, and only where <see cref="Away"/> was.</summary>
    Back,
}

/// <summary>One line about something that is away, or is back.</summary>
/// <param name="Cause">What the last attempt failed with.</param>
/// <param name="Since">When the first attempt failed.</param>
/// <param name="Lasted">From then until now.</param>
public readonly record struct OutageNews(OutageStage Stage, string Cause, DateTimeOffset Since, TimeSpan Lasted);

/// <summary>
/// Something that the run depends on, and that may be away for a while: a Redis server, the brokers, whoever reads the output. Decides when that is told, so that
/// every outage is one line soon after it began, at most one a minute while it lasts, and one when it is over; one that is shorter than a second is not told at all.
/// </summary>
/// <remarks>
/// One reporter: several of whom one fails and another succeeds would begin and end it all the time. Thread-safe; it has a timer of its own, so
/// a single <see cref="Failed"/> is told although nothing more is reported. <see cref="Works"/> costs a read while nothing is away.
/// </remarks>
public sealed class Outage : IDisposable
{
    /// <summary>How long something is away before that is told.</summary>
    public static readonly TimeSpan ToldAfter = TimeSpan.FromSeconds(1);

    /// <summary>How often it is told again while it lasts.</summary>
    public static readonly TimeSpan RepeatedEvery = TimeSpan.FromMinutes(1);

    private readonly TimeProvider _time;
    private readonly Action<OutageNews> _tell;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private volatile bool _isAway;
    private bool _isTold;
    private string _cause = "";
    private long _sinceTimestamp;

    /// <param name="tell">Logs one line. Called under a lock, from any thread: it must not call back.</param>
    public Outage(TimeProvider time, Action<OutageNews> tell)
    {
        _time = time;
        _tell = tell;
        _timer = time.CreateTimer(_ => Remind(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public bool IsAway => _isAway;

    /// <summary>An attempt has failed, or does not come back.</summary>
    /// <param name="cause">Completes "it is away: "; the latest one is told.</param>
    /// <param name="begun">For how long the attempt has lasted already.</param>
    public void Failed(string cause, TimeSpan begun = default)
    {
        lock (_lock)
        {
            _cause = cause;
            if (_isAway) return;
            _isAway = true;
            _isTold = false;
            _sinceTimestamp = _time.GetTimestamp() - (long)(begun.TotalSeconds * _time.TimestampFrequency);
            TimeSpan left = ToldAfter - begun;
            _timer.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, RepeatedEvery);
        }
    }

    /// <summary>An attempt has succeeded.</summary>
    public void Works()
    {
        if (!_isAway) return;
        lock (_lock)
        {
            if (!_isAway) return;
            _isAway = false;
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            if (_isTold) Tell(OutageStage.Back);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Remind()
    {
        lock (_lock)
        {
            if (!_isAway) return;
            Tell(_isTold ? OutageStage.StillAway : OutageStage.Away);
            _isTold = true;
        }
    }

    private void Tell(OutageStage stage)
    {
        TimeSpan lasted = _time.GetElapsedTime(_sinceTimestamp);
        _tell(new OutageNews(stage, _cause, _time.GetUtcNow() - lasted, lasted));
    }
}

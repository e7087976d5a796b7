namespace Sheaf;

/// <summary>
/// By when a run that ends early is over. One for the whole end: it begins with the signal, or with what the run cannot go on from, and every step on the way out gets what is left of it.
/// Any thread.
/// </summary>
/// <remarks>
/// It counts the clock's time, also time in which the process stood still: whoever has asked for the stop waits, and kills in the end.
/// </remarks>
public sealed class StopDeadline : IDisposable
{
    private static readonly TimeSpan MostReserve = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _passed;
    private long _begunAt;
    private int _hasBegun;

    /// <param name="atMost">From the beginning on.</param>
    public StopDeadline(TimeSpan atMost, TimeProvider time)
    {
        AtMost = atMost;
        _time = time;
        _passed = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        // A fifth, so that a short time is not all reserve.
        Reserve = TimeSpan.FromTicks(Math.Min(MostReserve.Ticks, atMost.Ticks / 5));
    }

    /// <summary>How long the whole end may take.</summary>
    public TimeSpan AtMost { get; }

    /// <summary>The last part of it: for ending who has not ended by itself, handing over and telling what became of everything.</summary>
    public TimeSpan Reserve { get; }

    /// <summary>What is left of it; all of it before it has begun.</summary>
    public TimeSpan Left
    {
        get
        {
            if (Volatile.Read(ref _hasBegun) != 2) return AtMost;
            TimeSpan left = AtMost - _time.GetElapsedTime(_begunAt);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>What is left for work that goes on, the reserve kept back.</summary>
    public TimeSpan LeftToWork => Left > Reserve ? Left - Reserve : TimeSpan.Zero;

    /// <summary>Cancelled when nothing is left; never before it has begun.</summary>
    public CancellationToken Passed => _passed.Token;

    /// <summary>The end begins now. Only the first call counts.</summary>
    public void Begin()
    {
        if (Interlocked.CompareExchange(ref _hasBegun, 1, 0) != 0) return;
        _begunAt = _time.GetTimestamp();
        Volatile.Write(ref _hasBegun, 2);
        _passed.CancelAfter(AtMost);
    }

    public void Dispose() => _passed.Dispose();
}

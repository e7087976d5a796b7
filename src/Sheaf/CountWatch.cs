namespace Sheaf;

/// <summary>What is to be told of something that should not go on for long.</summary>
internal enum CountStage
{
    Began,
    GoesOn,
    Ended,
}

/// <summary>One line about it.</summary>
/// <param name="SinceTold">By reason, since the last line.</param>
/// <param name="SinceBegan">By reason, since it began.</param>
internal readonly record struct CountNews(CountStage Stage, long[] SinceTold, long[] SinceBegan);

/// <summary>
/// Watches counts that only grow, one for each reason, of something that an operator should hear of: segments that are cut early, dead letters. It begins with the
/// first one, is told once a minute while it goes on, and has ended when a minute has brought none. Owner: one task.
/// </summary>
/// <param name="reasons">How many counts there are.</param>
internal sealed class CountWatch(TimeProvider time, int reasons)
{
    public static readonly TimeSpan ToldEvery = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan EndsAfter = TimeSpan.FromMinutes(1);

    private readonly long[] _seen = new long[reasons];
    private readonly long[] _told = new long[reasons];
    private readonly long[] _before = new long[reasons]; // when it began
    private bool _goesOn;
    private long _grewAt;
    private long _toldAt;

    /// <summary>Looks at the counts as they are now; null where nothing is to be told.</summary>
    public CountNews? Look(ReadOnlySpan<long> counts)
    {
        if (!counts.SequenceEqual(_seen))
        {
            if (!_goesOn) _seen.CopyTo(_before, 0);
            counts.CopyTo(_seen);
            _grewAt = time.GetTimestamp();
            if (!_goesOn)
            {
                _goesOn = true;
                return Tell(CountStage.Began);
            }
        }
        if (!_goesOn) return null;
        if (time.GetElapsedTime(_grewAt) >= EndsAfter)
        {
            _goesOn = false;
            return Tell(CountStage.Ended);
        }
        return time.GetElapsedTime(_toldAt) >= ToldEvery && !_seen.AsSpan().SequenceEqual(_told) ? Tell(CountStage.GoesOn) : null;
    }

    private CountNews Tell(CountStage stage)
    {
        var news = new CountNews(stage, Since(_told), Since(_before));
        _seen.CopyTo(_told, 0);
        _toldAt = time.GetTimestamp();
        return news;
    }

    private long[] Since(long[] then) => [.. _seen.Zip(then, (now, before) => now - before)];
}

using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Commands;

/// <summary>When something that is counted is told: cuts, dead letters.</summary>
public class CountWatchTests
{
    private readonly TestClock _clock = new();
    private readonly CountWatch _watch;
    private readonly List<CountNews> _told = [];
    private readonly long[] _counts = new long[2];

    public CountWatchTests() => _watch = new CountWatch(_clock, reasons: 2);

    [Fact]
    public void What_never_happens_is_never_told()
    {
        LookFor(600);
        Assert.Empty(_told);
    }

    [Fact]
    public void The_first_one_is_told_at_once_and_what_follows_once_a_minute()
    {
        for (int second = 0; second < 150; second++)
        {
            _counts[0]++;
            if (second == 100) _counts[1] += 5;
            LookFor(1);
        }

        Assert.Equal([CountStage.Began, CountStage.GoesOn, CountStage.GoesOn], _told.Select(news => news.Stage));
        Assert.Equal([[1, 0], [60, 0], [60, 5]], _told.Select(news => news.SinceTold));
    }

    [Fact]
    public void A_minute_without_any_ends_it_with_the_counts_since_it_began_and_the_next_one_begins_anew()
    {
        _counts[0] = 3;
        LookFor(30);
        _counts[0] = 4;
        LookFor(59);
        Assert.Equal([CountStage.Began, CountStage.GoesOn], _told.Select(news => news.Stage));
        LookFor(2);
        Assert.Equal((CountStage.Ended, 4L, 0L), (_told[^1].Stage, _told[^1].SinceBegan[0], _told[^1].SinceTold[0]));
        int told = _told.Count;
        LookFor(600);
        Assert.Equal(told, _told.Count);

        _counts[1] = 1;
        LookFor(1);

        Assert.Equal(CountStage.Began, _told[^1].Stage);
        Assert.Equal([0, 1], _told[^1].SinceBegan);
    }

    private void LookFor(int seconds)
    {
        for (int i = 0; i < seconds; i++)
        {
            if (_watch.Look(_counts) is { } news) _told.Add(news);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }
}

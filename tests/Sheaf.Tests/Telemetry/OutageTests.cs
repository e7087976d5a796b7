using Sheaf.Telemetry;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Telemetry;

public sealed class OutageTests : IDisposable
{
    private readonly TestClock _clock = new();
    private readonly List<OutageNews> _told = [];
    private readonly Outage _outage;

    public OutageTests() => _outage = new Outage(_clock, _told.Add);

    public void Dispose() => _outage.Dispose();

    [Fact]
    public void What_is_away_is_told_a_second_after_the_first_failure_although_nothing_more_is_reported()
    {
        DateTimeOffset begun = _clock.GetUtcNow();
        _outage.Failed("connection refused");
        Advance(0.9);
        Assert.Empty(_told);

        Advance(0.2);

        OutageNews news = Assert.Single(_told);
        Assert.Equal((OutageStage.Away, "connection refused"), (news.Stage, news.Cause));
        Assert.Equal(begun, news.Since, TimeSpan.FromMilliseconds(1));
        AssertAbout(1, news.Lasted);
    }

    [Fact]
    public void It_is_told_again_every_minute_while_it_lasts_with_the_latest_cause_and_once_when_it_is_over()
    {
        _outage.Failed("connection refused");
        Advance(30);
        _outage.Failed("no route to host");
        Advance(95);
        _outage.Works();
        Advance(600);

        Assert.Equal([OutageStage.Away, OutageStage.StillAway, OutageStage.StillAway, OutageStage.Back], _told.Select(news => news.Stage));
        Assert.Equal("no route to host", _told[1].Cause);
        AssertAbout(125, _told[^1].Lasted);
    }

    [Fact]
    public void What_was_away_for_less_than_a_second_is_not_told_neither_is_its_return()
    {
        for (int i = 0; i < 10; i++)
        {
            _outage.Failed("a hiccup");
            Advance(0.9);
            _outage.Works();
        }
        Advance(600);

        Assert.Empty(_told);
    }

    [Fact]
    public void An_attempt_that_has_lasted_for_a_second_already_is_told_at_once_and_counts_from_its_beginning()
    {
        _outage.Failed("no answer", begun: TimeSpan.FromSeconds(1.5));
        Advance(0);

        AssertAbout(1.5, Assert.Single(_told).Lasted);
    }

    [Fact]
    public void Each_outage_begins_anew()
    {
        _outage.Failed("first");
        Advance(2);
        _outage.Works();
        _outage.Works();
        _outage.Failed("second");
        Advance(0.5);
        Assert.Equal(2, _told.Count);
        Advance(1);

        Assert.Equal([(OutageStage.Away, "first"), (OutageStage.Back, "first"), (OutageStage.Away, "second")], _told.Select(news => (news.Stage, news.Cause)));
        AssertAbout(1, _told[^1].Lasted);
    }

    private static void AssertAbout(double seconds, TimeSpan lasted) => Assert.Equal(seconds, lasted.TotalSeconds, precision: 3);

    private void Advance(double seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));
}

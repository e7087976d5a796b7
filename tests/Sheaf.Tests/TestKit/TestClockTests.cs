using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.TestKit;

public class TestClockTests
{
    private readonly TestClock _clock = new();

    [Fact]
    public void Timers_fire_in_the_order_of_their_due_times_each_at_its_own_time()
    {
        var fired = new List<(string, double)>();
        using ITimer late = Arm("late", 30);
        using ITimer early = Arm("early", 10);
        using ITimer never = Arm("never", 31);
        using ITimer again = Arm("again", 8, period: 8);

        _clock.Advance(TimeSpan.FromMilliseconds(30));

        Assert.Equal([("again", 8), ("early", 10), ("again", 16), ("again", 24), ("late", 30)], fired);
        Assert.Equal(30, _clock.Now.TotalMilliseconds);
        Assert.Equal(2, _clock.ArmedTimers);

        ITimer Arm(string name, int due, int period = -1) => _clock.CreateTimer(
            _ => fired.Add((name, _clock.Now.TotalMilliseconds)), null, TimeSpan.FromMilliseconds(due), TimeSpan.FromMilliseconds(period));
    }

    [Fact]
    public void A_timer_that_is_armed_on_the_way_fires_on_the_way()
    {
        bool fired = false;
        ITimer? second = null;
        using ITimer first = _clock.CreateTimer(
            _ => second = _clock.CreateTimer(_ => fired = true, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan),
            null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);

        _clock.Advance(TimeSpan.FromSeconds(2));

        Assert.True(fired);
        second!.Dispose();
    }

    [Fact]
    public void Timestamps_count_in_a_unit_of_their_own()
    {
        long before = _clock.GetTimestamp();
        _clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(10 * _clock.TimestampFrequency, _clock.GetTimestamp() - before);
        Assert.Equal(TimeSpan.FromSeconds(10), _clock.GetElapsedTime(before));
    }
}

using Sheaf.DeadLetters;
using Sheaf.TestKit;

namespace Sheaf.Tests.DeadLetters;

public class RedrivePaceTests
{
    private readonly TestClock _clock = new();

    [Fact]
    public async Task A_group_waits_for_as_long_as_the_messages_before_it_take()
    {
        var pace = new RedrivePace(perSecond: 4, _clock);
        Task first = pace.WaitAsync(2, default).AsTask();
        Assert.True(first.IsCompletedSuccessfully); // nothing is before it
        await first;
        Task second = pace.WaitAsync(1, default).AsTask();
        _clock.Advance(TimeSpan.FromMilliseconds(499));
        Assert.False(second.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(2));
        await second;
        Task third = pace.WaitAsync(1, default).AsTask();
        _clock.Advance(TimeSpan.FromMilliseconds(240));
        Assert.False(third.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(10));
        await third;
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(100, 10)]
    [InlineData(3000, 300)]
    [InlineData(1_000_000, 500)]
    public async Task Over_a_while_the_rate_is_what_was_asked_for(int perSecond, int groupSize)
    {
        var pace = new RedrivePace(perSecond, _clock);
        Assert.Equal(groupSize, pace.GroupSize);
        int groups = 0;
        Task sending = SendAsync();
        while (!sending.IsCompleted) _clock.Advance(TimeSpan.FromMilliseconds(1));
        await sending;
        // The clock is a millisecond late at each look at most; what that costs is made up for.
        Assert.InRange(_clock.Now.TotalSeconds, 100.0 * groupSize / perSecond - 0.002, 100.0 * groupSize / perSecond + 0.2);

        async Task SendAsync()
        {
            for (; groups <= 100; groups++) await pace.WaitAsync(groupSize, default);
        }
    }

    [Fact]
    public async Task Who_was_held_up_does_not_catch_up()
    {
        var pace = new RedrivePace(perSecond: 10, _clock);
        await pace.WaitAsync(1, default);
        _clock.Advance(TimeSpan.FromMinutes(5)); // the brokers were away
        await pace.WaitAsync(1, default);
        Task next = pace.WaitAsync(1, default).AsTask();
        Assert.False(next.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(101));
        await next;
    }

    [Fact]
    public async Task Without_a_limit_nothing_waits_and_a_stop_ends_a_wait()
    {
        var unlimited = new RedrivePace(perSecond: 0, _clock);
        for (int i = 0; i < 1000; i++) await unlimited.WaitAsync(500, default); // the clock stands
        var pace = new RedrivePace(perSecond: 1, _clock);
        await pace.WaitAsync(1, default);
        using var stop = new CancellationTokenSource();
        Task waiting = pace.WaitAsync(1, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }
}

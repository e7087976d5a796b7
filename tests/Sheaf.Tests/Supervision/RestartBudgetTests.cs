using Sheaf.Supervision;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class RestartBudgetTests
{
    private readonly TestClock _clock = new();
    private readonly RestartBudget _budget;

    public RestartBudgetTests() => _budget = new RestartBudget(() => _clock.Now);

    [Fact]
    public void The_first_restart_is_immediate_and_the_next_ones_wait_longer_up_to_a_second()
    {
        var delays = new List<double>();
        while (_budget.TryTake(out TimeSpan delay)) delays.Add(delay.TotalMilliseconds);

        Assert.Equal([0, 50, 100, 200, 400, 800, 1000, 1000, 1000, 1000], delays);
    }

    [Fact]
    public void A_spent_budget_refills_after_the_window()
    {
        while (_budget.TryTake(out _)) { }

        _clock.Advance(RestartBudget.Window - TimeSpan.FromMilliseconds(1));
        Assert.False(_budget.TryTake(out _));
        _clock.Advance(TimeSpan.FromMilliseconds(2));

        Assert.True(_budget.TryTake(out TimeSpan delay));
        Assert.Equal(TimeSpan.Zero, delay);
    }

    [Fact]
    public void The_window_slides()
    {
        for (int i = 0; i < RestartBudget.Limit; i++)
        {
            Assert.True(_budget.TryTake(out _));
            _clock.Advance(TimeSpan.FromSeconds(30));
        }
        Assert.False(_budget.TryTake(out _)); // 5 min after the first

        _clock.Advance(TimeSpan.FromMinutes(5) + TimeSpan.FromMilliseconds(1)); // the first one no longer counts, the second still does

        Assert.True(_budget.TryTake(out _));
        Assert.False(_budget.TryTake(out _));
    }
}

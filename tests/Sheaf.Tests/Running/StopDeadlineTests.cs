using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Running;

/// <summary>One deadline for a whole stop.</summary>
public sealed class StopDeadlineTests
{
    private readonly TestClock _time = new();

    [Fact]
    public void Nothing_of_it_is_used_up_before_it_begins()
    {
        using var deadline = new StopDeadline(TimeSpan.FromSeconds(30), _time);
        _time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(TimeSpan.FromSeconds(30), deadline.Left);
        Assert.False(deadline.Passed.IsCancellationRequested);
    }

    [Fact]
    public void It_runs_from_the_first_beginning_and_passes_once()
    {
        using var deadline = new StopDeadline(TimeSpan.FromSeconds(30), _time);
        deadline.Begin();
        _time.Advance(TimeSpan.FromSeconds(20));
        deadline.Begin();
        Assert.Equal(TimeSpan.FromSeconds(10), deadline.Left);
        Assert.Equal(TimeSpan.FromSeconds(5), deadline.LeftToWork);
        _time.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.Zero, deadline.LeftToWork);
        Assert.False(deadline.Passed.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.True(deadline.Passed.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.Zero, deadline.Left);
    }

    [Theory]
    [InlineData(1, 0.2)]
    [InlineData(20, 4)]
    [InlineData(30, 5)]
    [InlineData(3600, 5)]
    public void A_fifth_is_kept_back_for_the_end_of_the_end_but_no_more_than_five_seconds(double seconds, double reserve)
    {
        using var deadline = new StopDeadline(TimeSpan.FromSeconds(seconds), _time);
        Assert.Equal(TimeSpan.FromSeconds(reserve), deadline.Reserve);
        Assert.Equal(TimeSpan.FromSeconds(seconds - reserve), deadline.LeftToWork);
    }
}

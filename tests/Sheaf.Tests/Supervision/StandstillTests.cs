using Sheaf.Supervision;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Supervision;

/// <summary>A parent that stood still together with its workers (a paused container, a frozen machine): that time counts for nothing.</summary>
public class StandstillTests
{
    private static readonly TimeSpan s_standstill = TimeSpan.FromHours(1);

    [Fact]
    public void A_look_that_comes_far_too_late_counts_for_two()
    {
        var time = new TestClock();
        var awake = new AwakeClock(time);
        for (int look = 0; look < 4; look++)
        {
            time.Advance(AwakeClock.Interval);
            _ = awake.Now;
        }
        Assert.Equal(4, Looks());
        time.StandStill(s_standstill);
        Assert.Equal(6, Looks());
        time.Advance(AwakeClock.Interval);
        Assert.Equal(7, Looks());

        double Looks() => Math.Round(awake.Now / AwakeClock.Interval, 3); // timestamps are a little coarser than time
    }

    [Fact]
    public async Task Workers_that_stood_still_with_their_parent_are_not_taken_for_hung()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));

        run.Clock.StandStill(s_standstill);
        foreach (ScriptedWorker worker in run.Host.Alive) worker.IsSilent = true; // they take a while to come to themselves
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(50));
        foreach (ScriptedWorker worker in run.Host.Alive) worker.IsSilent = false;
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));

        Assert.Equal(["start 0", "start 1", "start 2"], run.Host.Events);
        Assert.Empty(run.Unhealthy);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_stays_silent_after_a_standstill_is_found()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Clock.StandStill(s_standstill);
        run.Host.Worker(1).IsSilent = true;
        await run.AdvanceUntilAsync(() => run.Host.Starts(1) == 2, "the replacement");
        Assert.Equal([("hang", 1), ("hang", 4)], run.Unhealthy);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_is_not_behind_for_longer_by_a_standstill()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(1).FallBehind();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));

        run.Clock.StandStill(s_standstill);
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(5));
        Assert.False(run.Gate.IsPaused);

        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(6));
        Assert.True(run.Gate.IsPaused);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_start_is_not_given_up_for_a_standstill()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = _ => { };
        Task start = run.StartAsync();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));

        run.Clock.StandStill(s_standstill);
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));
        Assert.False(start.IsCompleted);

        foreach (ScriptedWorker worker in run.Host.Alive) worker.BecomeHealthy();
        await run.AdvanceUntilAsync(() => start.IsCompleted, "the end of the start");
        await start;
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public void Restarts_are_not_forgotten_for_a_standstill()
    {
        var time = new TestClock();
        var awake = new AwakeClock(time);
        var budget = new RestartBudget(() => awake.Now);
        while (budget.TryTake(out _)) { }
        time.StandStill(s_standstill);
        Assert.False(budget.TryTake(out _));
    }
}

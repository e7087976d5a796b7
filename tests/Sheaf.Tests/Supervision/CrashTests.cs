using Sheaf.Flushing;
using Sheaf.TestKit;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class CrashTests
{
    [Fact]
    public async Task A_worker_that_exits_is_replaced_at_once_and_counted_for_each_of_its_shards()
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        run.Host.Worker(1).Exit(1, "boom");

        await Eventually.TrueAsync(() => run.Host.Starts(1) == 2, "the replacement"); // the clock has not moved
        Assert.Equal([("no_process_1", 1), ("no_process_1", 4)], run.Unhealthy);
        Assert.Equal((1, 1), (run.Host.Starts(0), run.Host.Starts(2)));
        Assert.Empty(run.Host.HeldTwice);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_ends_without_having_been_told_is_replaced_too()
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        run.Host.Worker(0).Exit(0);

        await Eventually.TrueAsync(() => run.Host.Starts(0) == 2, "the replacement");
        Assert.Equal([("no_process_0", 0), ("no_process_0", 3)], run.Unhealthy);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_replacement_does_not_inherit_the_state_of_its_predecessor()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Clock.Advance(TimeSpan.FromSeconds(55)); // without a sign of life: nearly a hang
        run.Host.Worker(1).FallBehind();
        var seen = new TaskCompletionSource<(bool Healthy, long Behind, TimeSpan BeatAge)>();
        run.Host.OnStart = worker => seen.SetResult(
            (worker.Cells.HealthySince != 0, worker.Cells.BackpressureSince, run.Clock.GetElapsedTime(worker.Cells.Heartbeat)));

        run.Host.Worker(1).Exit(1);

        Assert.Equal((false, 0, TimeSpan.Zero), await seen.Task);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_has_ended_is_in_no_phase_of_its_work_any_more()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(1).Enter(WorkerPhase.Producing);

        run.Host.Worker(1).Exit(WorkerExit.Hopeless, "the output was removed");

        // Else its last write would be told as one that does not come back.
        await Eventually.TrueAsync(() => run.Control.Worker(1).Phase == WorkerPhase.Ended, "the end of the worker");
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_goes_on_crashing_stops_the_run_with_the_reason()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.OnStart = worker => worker.Exit(1, "System.IO.IOException: disk full\n   at somewhere");

        run.Host.Worker(1).Exit(1);

        await run.AdvanceUntilAsync(() => run.Supervisor.Completion.IsCompleted, "the run to be stopped");
        var stopped = await Assert.ThrowsAsync<RunStoppedException>(() => run.Supervisor.Completion.WaitAsync(Eventually.Patience));
        Assert.StartsWith(
            "Flusher worker 1 (shard 1,4) was restarted 10 times within 10 min and ended again (exit code 1, System.IO.IOException: disk full).",
            stopped.Message, StringComparison.Ordinal);
        Assert.Equal(1 + RestartBudget.Limit, run.Host.Starts(1));
        Assert.Equal(2 * (1 + RestartBudget.Limit), run.Unhealthy.Count);

        StopReport report = await run.Supervisor.StopAsync(TimeSpan.Zero); // the other two were left alone until now
        Assert.Equal([0, 2], report.Forced.Select(worker => worker.Worker));
    }

    [Fact]
    public async Task A_worker_that_crashes_now_and_then_is_replaced_for_ever()
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        for (int crash = 1; crash <= RestartBudget.Limit + 3; crash++)
        {
            run.Host.Worker(1).Exit(1);
            await run.AdvanceUntilAsync(() => run.Host.Starts(1) == crash + 1, $"replacement {crash}");
            await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(62));
        }

        Assert.False(run.Supervisor.Completion.IsCompleted);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }
}

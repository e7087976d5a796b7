using Sheaf.TestKit;
using Sheaf.Flushing;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class ShutdownTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task All_workers_are_told_before_any_is_waited_for()
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        Task<StopReport> stop = run.Supervisor.StopAsync(s_deadline);

        await Eventually.TrueAsync(
            () => run.Host.Lives.All(worker => worker.Cells.Command == WorkerCommand.Stop), "all to be told while none has ended");
        Assert.Equal(3, run.Host.Alive.Length);
        foreach (ScriptedWorker worker in run.Host.Alive) worker.Exit(0);
        StopReport report = await stop;
        Assert.Empty(report.Forced);
        Assert.Empty(report.NotEnded);
        await run.Supervisor.Completion;
    }

    [Fact]
    public async Task The_workers_share_one_deadline_and_every_one_that_is_left_is_ended()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        Task<StopReport> stop = run.Supervisor.StopAsync(s_deadline);
        run.Host.Worker(1).Exit(0);

        run.Clock.Advance(s_deadline - TimeSpan.FromMilliseconds(1));
        Assert.DoesNotContain("end 0", run.Host.Events);
        run.Clock.Advance(TimeSpan.FromMilliseconds(1));

        StopReport report = await stop.WaitAsync(Eventually.Patience);
        Assert.Equal([0, 2], report.Forced.Select(worker => worker.Worker));
        Assert.Empty(run.Host.Alive);
        Assert.Empty(run.Unhealthy);
    }

    [Fact]
    public async Task Every_one_that_is_left_is_ended_even_if_ending_one_fails()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(0).OnEnd = () => throw new IOException("no such process");
        Task<StopReport> stop = run.Supervisor.StopAsync(s_deadline);

        run.Clock.Advance(s_deadline);

        StopReport report = await stop.WaitAsync(Eventually.Patience);
        Assert.Equal([1, 2], report.Forced.Select(worker => worker.Worker));
        Assert.Equal([0], report.NotEnded.Select(worker => worker.Worker));
        Assert.Equal([0], run.Host.Alive.Select(worker => worker.Shards.Worker));
    }

    [Fact]
    public async Task A_worker_that_fails_while_stopping_is_not_started_again()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        Task<StopReport> stop = run.Supervisor.StopAsync(s_deadline);

        foreach (ScriptedWorker worker in run.Host.Alive) worker.Exit(1, "boom");

        await stop.WaitAsync(Eventually.Patience);
        Assert.Equal(3, run.Host.Lives.Length);
        Assert.Empty(run.Unhealthy);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Workers_that_SIGTERM_to_the_whole_group_has_ended_are_not_started_again(bool parentIsToldFirst)
    {
        var run = new SupervisedRun();
        using var stop = new CancellationTokenSource();
        await run.Supervisor.StartAsync(stop.Token);

        if (parentIsToldFirst) await stop.CancelAsync();
        foreach (ScriptedWorker worker in run.Host.Alive) worker.Exit(WorkerExit.Terminated);
        if (!parentIsToldFirst) await stop.CancelAsync(); // a moment later: the clock has not moved

        await run.Supervisor.Completion.WaitAsync(Eventually.Patience);
        Assert.Equal(3, run.Host.Lives.Length);
        Assert.Empty(run.Unhealthy);
        await run.Supervisor.StopAsync(s_deadline);
    }

    [Fact]
    public async Task A_worker_that_alone_got_SIGTERM_is_replaced_a_moment_later()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(1).Exit(WorkerExit.Terminated);
        await run.AdvanceUntilAsync(() => run.Host.Starts(1) == 2, "the replacement");
        Assert.Equal([("no_process_143", 1), ("no_process_143", 4)], run.Unhealthy);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_crashes_once_the_run_is_told_to_stop_is_told_of_and_not_started_again()
    {
        var run = new SupervisedRun(shards: 1, workers: 1);
        using var stop = new CancellationTokenSource();
        await run.Supervisor.StartAsync(stop.Token);
        await stop.CancelAsync();
        run.Host.Worker(0).Exit(1, "boom");
        await run.Supervisor.Completion.WaitAsync(Eventually.Patience);
        Assert.Single(run.Host.Lives);
        Assert.Equal([("no_process_1", 0)], run.Unhealthy);
    }

    [Fact]
    public async Task SIGTERM_to_the_whole_group_during_the_start_is_a_stop_and_no_failure()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = _ => { };
        using var stop = new CancellationTokenSource();
        Task start = run.Supervisor.StartAsync(stop.Token);
        run.Host.Worker(1).Exit(WorkerExit.Terminated);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start.WaitAsync(Eventually.Patience));
        Assert.Empty(run.Host.Alive);
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_the_delay_before_a_restart()
    {
        var run = new SupervisedRun(shards: 1, workers: 1);
        await run.StartAsync();
        run.Host.Worker(0).Exit(1);
        await Eventually.TrueAsync(() => run.Host.Starts(0) == 2, "the immediate restart");
        run.Host.Worker(0).Exit(1);
        await Eventually.TrueAsync(() => run.Unhealthy.Count == 2, "the second crash to be seen");

        StopReport report = await run.Supervisor.StopAsync(s_deadline).WaitAsync(Eventually.Patience); // the clock has not moved

        Assert.Empty(report.Forced);
        Assert.Equal(2, run.Host.Starts(0));
    }

    [Fact]
    public async Task A_drain_completes_when_every_worker_has_ended()
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        Task drain = run.Supervisor.DrainAsync(CancellationToken.None);
        Assert.All(run.Host.Lives, worker => Assert.Equal(WorkerCommand.Drain, worker.Cells.Command));
        run.Host.Worker(0).Exit(0);
        run.Host.Worker(2).Exit(0);
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(30));
        Assert.False(drain.IsCompleted);
        run.Host.Worker(1).Exit(0);

        await drain.WaitAsync(Eventually.Patience);
        Assert.Equal(3, run.Host.Lives.Length);
        Assert.Empty(run.Unhealthy);
    }

    [Fact]
    public async Task A_drain_survives_crashes_and_a_hang()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        Task drain = run.Supervisor.DrainAsync(CancellationToken.None);
        run.Host.Worker(0).Exit(0);
        run.Host.Worker(2).IsSilent = true;

        for (int crash = 1; crash <= 3; crash++)
        {
            run.Host.Worker(1).Exit(1, "boom");
            await run.AdvanceUntilAsync(() => run.Host.Starts(1) == crash + 1, $"replacement {crash}");
        }
        await run.AdvanceUntilAsync(() => run.Host.Starts(2) == 2, "the replacement of the hung one");
        Assert.False(drain.IsCompleted);
        Assert.Equal(WorkerCommand.Drain, run.Host.Worker(1).Cells.Command);
        Assert.Equal(1, run.Host.Starts(0)); // it had ended as told
        run.Host.Worker(1).Exit(0);
        run.Host.Worker(2).Exit(0);

        await drain.WaitAsync(Eventually.Patience);
        Assert.Empty(run.Host.HeldTwice);
    }

    [Fact]
    public async Task A_stop_cuts_a_drain_short_and_is_not_taken_back()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        Task drain = run.Supervisor.DrainAsync(CancellationToken.None);

        Task<StopReport> stop = run.Supervisor.StopAsync(s_deadline);
        _ = run.Supervisor.DrainAsync(CancellationToken.None);
        Assert.All(run.Host.Lives, worker => Assert.Equal(WorkerCommand.Stop, worker.Cells.Command));
        run.Clock.Advance(s_deadline);

        Assert.Equal(3, (await stop.WaitAsync(Eventually.Patience)).Forced.Length);
        await drain.WaitAsync(Eventually.Patience);
    }
}

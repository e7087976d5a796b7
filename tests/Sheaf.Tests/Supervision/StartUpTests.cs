using Sheaf.TestKit;
using Sheaf.Flushing;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class StartUpTests
{
    [Fact]
    public async Task The_start_is_over_when_the_last_worker_is_healthy()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = worker =>
        {
            if (worker.Shards.Worker != 1) worker.BecomeHealthy();
        };
        Task start = run.StartAsync();

        for (int i = 0; i < 20; i++) await run.AdvanceLookByLookAsync(TimeSpan.FromMilliseconds(250));
        Assert.False(start.IsCompleted);
        run.Host.Worker(1).BecomeHealthy();

        await run.AdvanceUntilAsync(() => start.IsCompleted, "the end of the start");
        await start;
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_exits_during_the_start_is_reported_at_once()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = worker =>
        {
            if (worker.Shards.Worker == 0) worker.BecomeHealthy();
        };
        Task start = run.StartAsync();

        run.Host.Worker(1).Exit(70, "System.InvalidOperationException: no output\n   at somewhere");

        var stopped = await Assert.ThrowsAsync<RunStoppedException>(() => start.WaitAsync(Eventually.Patience)); // the clock has not moved
        Assert.Equal(
            "Flusher worker 1 (shard 1,4) ended during start-up (exit code 70, System.InvalidOperationException: no output).", stopped.Message);
        Assert.Empty(run.Host.Alive);
        Assert.Equal(1, run.Host.Starts(1));
    }

    [Fact]
    public async Task A_worker_that_hangs_in_the_start_is_reported_at_the_limit_with_its_phase()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = worker =>
        {
            if (worker.Shards.Worker == 2) worker.Enter(WorkerPhase.Claiming);
            else worker.BecomeHealthy();
        };
        Task start = run.StartAsync();

        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(119));
        Assert.False(start.IsCompleted);
        await run.AdvanceLookByLookAsync(TimeSpan.FromMilliseconds(750));
        Assert.False(start.IsCompleted);
        run.Clock.Advance(TimeSpan.FromSeconds(1));

        var stopped = await Assert.ThrowsAsync<RunStoppedException>(() => start.WaitAsync(Eventually.Patience));
        Assert.Contains("within 120 s", stopped.Message, StringComparison.Ordinal);
        Assert.Contains("Flusher worker 2 (shard 2,5) in phase Claiming.", stopped.Message, StringComparison.Ordinal);
        Assert.Empty(run.Host.Alive);
    }

    [Fact]
    public async Task A_worker_that_cannot_be_ended_hides_neither_the_reason_nor_the_others()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = worker => worker.OnEnd = () => throw new IOException("no such process");
        Task start = run.StartAsync();
        run.Host.Worker(2).OnEnd = () => Task.CompletedTask;

        run.Host.Worker(0).Exit(70);

        var stopped = await Assert.ThrowsAsync<RunStoppedException>(() => start.WaitAsync(Eventually.Patience));
        Assert.Contains("exit code 70", stopped.Message, StringComparison.Ordinal);
        Assert.Equal([1], run.Host.Alive.Select(worker => worker.Shards.Worker));
    }

    [Fact]
    public async Task A_cancelled_start_leaves_no_worker_behind()
    {
        var run = new SupervisedRun();
        run.Host.OnStart = _ => { };
        using var cancel = new CancellationTokenSource();
        Task start = run.Supervisor.StartAsync(cancel.Token);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start.WaitAsync(Eventually.Patience));
        Assert.Equal(3, run.Host.Lives.Length);
        Assert.Empty(run.Host.Alive);
    }
}

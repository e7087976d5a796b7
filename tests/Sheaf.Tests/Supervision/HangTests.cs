using Sheaf.TestKit;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class HangTests
{
    [Fact]
    public async Task A_hung_worker_is_ended_and_waited_for_before_its_replacement_starts()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        ScriptedWorker hung = run.Host.Worker(1);
        var ending = new TaskCompletionSource();
        hung.OnEnd = () => ending.Task;
        hung.IsSilent = true;

        await run.AdvanceUntilAsync(() => run.Host.Events.Contains("end 1"), "the end of the hung worker");
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(5));
        Assert.Equal(1, run.Host.Starts(1));
        ending.SetResult();

        await run.AdvanceUntilAsync(() => run.Host.Starts(1) == 2, "the replacement");
        Assert.Equal(["start 1", "end 1", "exit 1", "start 1"], run.Host.Events.Where(e => e.EndsWith('1')));
        Assert.Empty(run.Host.HeldTwice);
        Assert.Equal([("hang", 1), ("hang", 4)], run.Unhealthy);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_is_silent_for_less_than_the_limit_is_left_alone()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        foreach (ScriptedWorker worker in run.Host.Alive) worker.IsSilent = true;

        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(59));
        foreach (ScriptedWorker worker in run.Host.Alive) worker.Beat();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(59));

        Assert.Equal(["start 0", "start 1", "start 2"], run.Host.Events);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_is_slow_to_end_delays_no_other()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        ScriptedWorker hung = run.Host.Worker(0);
        var ending = new TaskCompletionSource();
        hung.OnEnd = () => ending.Task;
        hung.IsSilent = true;
        await run.AdvanceUntilAsync(() => run.Host.Events.Contains("end 0"), "the end of the hung worker");

        run.Host.Worker(1).Exit(1);

        await Eventually.TrueAsync(() => run.Host.Starts(1) == 2, "the replacement of the other");
        Assert.Equal(1, run.Host.Starts(0));
        ending.SetResult();
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_hung_worker_that_cannot_be_ended_is_not_replaced_but_stops_the_run()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(1).OnEnd = () => throw new IOException("no such process");
        run.Host.Worker(1).IsSilent = true;

        await run.AdvanceUntilAsync(() => run.Supervisor.Completion.IsCompleted, "the run to be stopped");

        var stopped = await Assert.ThrowsAsync<RunStoppedException>(() => run.Supervisor.Completion.WaitAsync(Eventually.Patience));
        Assert.Equal(
            "Flusher worker 1 (shard 1,4) hangs and could not be ended; a second one beside it would be wrong. no such process", stopped.Message);
        Assert.Equal(1, run.Host.Starts(1));
        StopReport report = await run.Supervisor.StopAsync(TimeSpan.Zero);
        Assert.Equal([1], report.NotEnded.Select(worker => worker.Worker));
    }
}

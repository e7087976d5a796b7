using Sheaf.TestKit;
using Sheaf.Ingesting;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class BackpressureTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Any_worker_that_is_behind_for_long_pauses_the_input_until_it_is_not(int behind)
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        run.Host.Worker(behind).FallBehind();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(PauseReasons.Backpressure, run.Gate.Reasons);
        Task waiting = run.Gate.WaitWhilePausedAsync(CancellationToken.None).AsTask();

        run.Host.Worker(behind).CatchUp();
        await run.AdvanceLookByLookAsync(TimeSpan.FromMilliseconds(250));

        Assert.False(run.Gate.IsPaused);
        await Eventually.CompletedAsync(waiting, "the input to go on");
        Assert.Single(run.Backpressure);
        Assert.Equal((1, 1), (run.Log.Count(EventIds.IntakePausedByBackpressure), run.Log.Count(EventIds.IntakeResumedFromBackpressure)));
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_that_is_behind_for_less_than_the_limit_pauses_nothing()
    {
        var run = new SupervisedRun();
        await run.StartAsync();

        for (int i = 0; i < 3; i++)
        {
            run.Host.Worker(1).FallBehind();
            for (int look = 0; look < 39; look++)
            {
                await run.AdvanceLookByLookAsync(TimeSpan.FromMilliseconds(250));
                Assert.False(run.Gate.IsPaused);
            }
            run.Host.Worker(1).CatchUp();
            await run.AdvanceLookByLookAsync(TimeSpan.FromMilliseconds(250));
        }
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task The_input_goes_on_only_when_the_last_worker_has_caught_up()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(0).FallBehind();
        run.Host.Worker(2).FallBehind();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(11));

        run.Host.Worker(0).CatchUp();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));
        Assert.True(run.Gate.IsPaused);
        run.Host.Worker(2).CatchUp();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));

        Assert.False(run.Gate.IsPaused);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_full_buffer_keeps_the_input_paused_when_the_workers_have_caught_up()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Gate.Pause(PauseReasons.BufferFull);
        run.Host.Worker(1).FallBehind();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(PauseReasons.Backpressure | PauseReasons.BufferFull, run.Gate.Reasons);

        run.Host.Worker(1).CatchUp();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(1));

        Assert.Equal(PauseReasons.BufferFull, run.Gate.Reasons);
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task No_pause_outlives_the_workers()
    {
        var run = new SupervisedRun();
        await run.StartAsync();
        run.Host.Worker(1).FallBehind();
        await run.AdvanceLookByLookAsync(TimeSpan.FromSeconds(11));
        Assert.True(run.Gate.IsPaused);

        await run.Supervisor.StopAsync(TimeSpan.Zero);

        await Eventually.TrueAsync(() => !run.Gate.IsPaused, "the gate to open");
    }
}

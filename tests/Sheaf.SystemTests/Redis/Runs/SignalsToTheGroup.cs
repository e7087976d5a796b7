using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Signals that reach a run and its worker processes alike: from a service manager, a terminal, or whoever pauses a container.</summary>
public sealed class SignalsToTheGroup : RedisRunTest
{
    public SignalsToTheGroup() => IsGroup = true;

    [Theory]
    [InlineData(SheafProcess.Terminate, 143)]
    [InlineData(SheafProcess.Interrupt, 130)]
    public async Task A_stop_starts_no_worker_again_and_finishes_what_is_claimed(int signal, int exitCode)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using (SheafProcess sheaf = StartFed(server.Uri, null))
        {
            await FeedHalfAsync(sheaf, load);
            HostedWorkers.Signal(-sheaf.Id, signal);
            Ended stopped = await sheaf.EndAsync();
            stopped.AssertEnded(exitCode);
            Assert.Equal("interrupted", stopped.Summary.GetProperty("outcome").GetString());
            Assert.NotEqual(0, stopped.Count("buffered"));
            Assert.Equal(0, RestartsSaid(stopped.Error));
        }
        IsGroup = false;
        await using SheafProcess second = StartFed(server.Uri, null, Resume);
        Ended run = await FeedToEndAsync(second, await File.ReadAllBytesAsync(load.Input), 33_333);
        run.AssertEnded(0);
        Assert.Equal(0, load.AssertSame(PathOf("out.jsonl"), run.Error)); // what was claimed had left, and was removed
    }

    [Fact]
    public async Task A_terminal_that_closes_ends_nothing()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        HostedWorkers.Signal(-sheaf.Id, SheafProcess.HangUp);
        await sheaf.WaitForErrorAsync(error => error.Contains(" 3005: ", StringComparison.Ordinal)); // NothingToReload
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(0);
        Assert.Equal(0, RestartsSaid(run.Error));
        Assert.Equal(0, load.AssertSame(PathOf("out.jsonl"), run.Error));
    }

    [Fact]
    public async Task A_container_that_is_paused_for_longer_than_a_worker_may_be_silent_loses_no_worker()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null, "--max-unhealthy-seconds", "3", "--backpressure-seconds", "3");
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        int[] workers = WorkersOf(sheaf);
        HostedWorkers.Signal(-sheaf.Id, HostedWorkers.Stop);
        long begun = TimeProvider.System.GetTimestamp();
        await Eventually.TrueAsync(() => TimeProvider.System.GetElapsedTime(begun) > TimeSpan.FromSeconds(6), "six seconds");
        HostedWorkers.Signal(-sheaf.Id, SheafProcess.Continue);
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(0);
        Assert.Equal(2, workers.Length);
        Assert.DoesNotContain(" 2002: ", run.Error, StringComparison.Ordinal); // WorkerHung
        Assert.Equal(0, RestartsSaid(run.Error));
        load.AssertSame(PathOf("out.jsonl"), run.Error);
    }
}

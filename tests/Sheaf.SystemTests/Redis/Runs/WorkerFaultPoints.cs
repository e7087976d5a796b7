using Sheaf.Flushing;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>
/// A worker that fails at a named point: what it had begun is done again by its successor, and nothing is lost. ARCHITECTURE.md says for each point what comes again.
/// </summary>
public sealed class WorkerFaultPoints : RedisRunTest
{
    [Theory]
    [InlineData(FaultPoint.AfterClaim, null)] // what has left before may not be settled yet
    [InlineData(FaultPoint.BeforeProduce, null)]
    [InlineData(FaultPoint.AfterProduceBeforeRemove, true)]
    [InlineData(FaultPoint.AfterRemove, true)]
    [InlineData(FaultPoint.AfterSettle, false)]
    public async Task Killed_there_it_repeats_at_most_what_it_had_produced_and_not_settled(FaultPoint point, bool? repeats)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        Ended run = await RunAsync(server.Uri, load, $"{point}=kill@{(point == FaultPoint.AfterSettle ? 1 : 3)}");
        run.AssertEnded(0);
        Assert.Equal((2, 2), (KillsSaid(run.Error), RestartsSaid(run.Error)));
        int repeated = load.AssertSame(PathOf("out.jsonl"), run.Error);
        if (repeats is { } expected) Assert.Equal(expected, repeated > 0);
        Assert.Equal(0, Logged.Count(run.Error, EventIds.BufferLost) + Logged.Count(run.Error, EventIds.BufferRestored));
        Assert.Empty(await KeysAsync(server));
    }

    [Theory]
    [InlineData("AfterProduceBeforeRemove=exit@2", " 70: ")]
    [InlineData("AfterRemove=throw@2", "The fault point AfterRemove is armed to throw")]
    public async Task Whichever_way_it_ends_the_run_says_why_and_goes_on(string faults, string said)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        Ended run = await RunAsync(server.Uri, load, faults);
        run.AssertEnded(0);
        Assert.Contains(Logged.Lines(run.Error, EventIds.WorkerEnded), line => line.Contains(said, StringComparison.Ordinal));
        Assert.Equal(2, RestartsSaid(run.Error));
        load.AssertSame(PathOf("out.jsonl"), run.Error);
    }

    [Fact]
    public async Task Killed_over_and_over_while_everything_is_flushed_at_the_end_they_still_flush_everything()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        string[] nothingCloses = ["--timeout", "1h", "--root-timeout", "1h"]; // before the input ends
        await RunAsync(["--input", load.Input, "--output", "undisturbed.jsonl", "--dead-letter", "file:dead.jsonl", "--shards", "5", "--dead-letter-max-ratio", "1", "--with-headers", .. nothingCloses]);
        Ended run = await RunAsync(server.Uri, load, "AfterProduceBeforeRemove=kill@2*", ["--redis-ttl", "3h", "--max-flush-segments", "100", .. nothingCloses]);
        run.AssertEnded(0);
        Assert.InRange(KillsSaid(run.Error), 2, 20);
        Assert.Equal(Sorted(await File.ReadAllBytesAsync(PathOf("undisturbed.jsonl"))), Sorted(await File.ReadAllBytesAsync(PathOf("out.jsonl"))).Distinct());
    }

    [Fact]
    public async Task One_that_is_stopped_is_killed_and_replaced()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        Ended run = await RunAsync(server.Uri, load, "BeforeProduce=stop@2", "--max-unhealthy-seconds", "5");
        run.AssertEnded(0);
        Assert.Contains("has shown no sign of life for 5 s, its last in phase Assembling: it is ended and replaced", run.Error, StringComparison.Ordinal);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
    }

    [Fact]
    public async Task One_that_fails_again_and_again_stops_the_run_and_what_waits_is_not_lost()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        Ended run = await RunAsync(server.Uri, load, "AfterProduceBeforeRemove=kill@1*");
        run.AssertEnded(1);
        Assert.Contains("was restarted 10 times within 10 min and ended again", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.NotEqual(0, run.Count("buffered"));
        run = await RunAsync(server.Uri, load, null, Resume);
        run.AssertEnded(0);
        Assert.NotEqual(0, load.AssertSame(PathOf("out.jsonl"), run.Error));
        Assert.Empty(await KeysAsync(server));
    }
}

using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Two instances that own the same shards by mistake.</summary>
public sealed class SharedNameSpaces : RedisRunTest
{
    [Fact]
    public async Task Two_instances_with_the_same_shards_repeat_work_and_lose_none()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        ReadOnlyMemory<byte> input = await File.ReadAllBytesAsync(load.Input);
        await using SheafProcess first = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(first, load);
        await using SheafProcess second = StartFed(server.Uri, null, Resume, "--output", "other.jsonl", "--dead-letter", "file:other-dead.jsonl", "--log-level", "information");
        await second.WaitForErrorAsync(error => error.Contains("Going on with", StringComparison.Ordinal));

        await FeedAsync(second, input[..(3 * input.Length / 4)], 15_000);
        await Eventually.TrueAsync(() => OutputBytes("other.jsonl") > 0, "segments of the second one");
        Ended[] runs = await Task.WhenAll(FeedToEndAsync(first, rest, 10_000), FeedToEndAsync(second, input[(3 * input.Length / 4)..], 10_000));
        Assert.All(runs, run => Assert.True(run.ExitCode is 0 or 1, run.Error));
        Assert.NotEqual(0, Logged.Count(runs[0].Error + runs[1].Error, EventIds.BufferLapsed));
        // They take the shards from each other until one has spent its restarts, or both. What is left then, somebody who is alone produces.
        if ((await KeysAsync(server)).Any(key => key.EndsWith(":state", StringComparison.Ordinal)))
        {
            await using SheafProcess third = StartFed(server.Uri, null, Resume, "--output", "third.jsonl", "--dead-letter", "file:third-dead.jsonl");
            Ended run = await FeedToEndAsync(third, input, 30_000);
            Assert.True(run.ExitCode == 0, run.Error);
        }

        IEnumerable<string> outputs = ((string[])["out.jsonl", "other.jsonl", "third.jsonl"]).Select(PathOf).Where(File.Exists);
        SpanIds.AssertAll(load, $"{runs[0].Error}\n\n{runs[1].Error}", outputs);
    }
}

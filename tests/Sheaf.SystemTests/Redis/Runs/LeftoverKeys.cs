using Sheaf.Redis;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Which keys there are, in the middle of a run and behind it.</summary>
public sealed class LeftoverKeys : RedisRunTest
{
    [Theory]
    [InlineData(null, "sheaf:{")]
    [InlineData("7", "sheaf:{7:")]
    public async Task In_a_run_every_key_has_a_time_to_live_and_the_prefix_of_the_slice(string? slice, string prefix)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        string[] words = slice is null ? [] : ["--kafka-slice-id", slice];
        await using SheafProcess sheaf = StartFed(server.Uri, null, ["--redis-ttl", "1000", .. words]);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        int looked = 0;
        await using (TestRedis client = await ConnectAsync(server))
        {
            foreach (string key in await KeysAsync(server))
            {
                Assert.StartsWith(prefix, key, StringComparison.Ordinal);
                long seconds = (await client.AskAsync("TTL", key)).Number;
                if (seconds == -2) continue; // it has just gone
                Assert.InRange(seconds, 1, 1000);
                looked++;
            }
        }
        Assert.NotEqual(0, looked);
        (await FeedToEndAsync(sheaf, rest, 40_000)).AssertEnded(0);
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task A_run_whose_input_breaks_off_flushes_what_it_has_and_leaves_how_far_it_is_stored()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        byte[] whole = Gzip(await File.ReadAllBytesAsync(load.Input));
        string input = Write("in.jsonl.gz", whole[..(whole.Length / 2)]);
        await using (SheafProcess sheaf = StartOn(server.Uri, input, null))
        {
            sheaf.In.Close();
            Ended run = await sheaf.EndAsync();
            run.AssertEnded(1);
            Assert.Equal(0, run.Count("buffered"));
        }
        IEnumerable<string> marks = Enumerable.Range(0, 5).SelectMany(shard => (string[])[$"sheaf:{{{shard}}}:state"]);
        Assert.Equal(marks.Order(StringComparer.Ordinal), await KeysAsync(server));

        // What has closed since the input ended is out already, and does not come again.
        File.WriteAllBytes(input, whole);
        await using SheafProcess second = StartOn(server.Uri, input, null, Resume);
        second.In.Close();
        Ended resumed = await second.EndAsync();
        resumed.AssertEnded(0);
        Assert.Equal(0, resumed.Count("carried_over"));
        Assert.Empty(await KeysAsync(server));
        SpanIds.AssertAll(load, resumed.Error, PathOf("out.jsonl"));
    }

    [Fact]
    public async Task Discard_removes_what_an_earlier_run_has_left_and_nothing_else()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        AssertKilled(await RunAsync(server.Uri, load, "AfterClock=kill@12", "--kafka-slice-id", "1"));
        AssertKilled(await RunAsync(server.Uri, load, "AfterClock=kill@12", "--kafka-slice-id", "2", "--output", "other.jsonl"));
        await TextAsync(server, "SET", "sheaf:somebody", "else");
        (await RunAsync(server.Uri, load, null, "--kafka-slice-id", "1", Discard, "--overwrite")).AssertEnded(0);
        Assert.Equal(0, load.AssertSame(PathOf("out.jsonl")));
        string[] keys = await KeysAsync(server);
        Assert.Contains("sheaf:somebody", keys);
        Assert.Contains("sheaf:{2:0}:state", keys);
        Assert.DoesNotContain(keys, key => key.StartsWith("sheaf:{1:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Slices_keep_two_runs_apart_that_use_one_server_at_the_same_time()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        Ended[] runs = await Task.WhenAll(
            RunAsync(server.Uri, load, null, "--kafka-slice-id", "1", "--dead-letter", "file:dead-1.jsonl"),
            RunAsync(server.Uri, load, null, "--output", "other.jsonl"));
        foreach (Ended run in runs) run.AssertEnded(0);
        Assert.Equal(0, load.AssertSame(PathOf("out.jsonl")));
        Assert.Equal(0, load.AssertSame(PathOf("other.jsonl")));
        Assert.Empty(await KeysAsync(server));
    }

    [Theory]
    [InlineData("-1", "3")]
    [InlineData("3", "-1")]
    public async Task Entries_that_were_written_plain_and_compressed_are_read_side_by_side(string before, string after)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        AssertKilled(await RunAsync(server.Uri, load, "AfterClock=kill@16", "--compression-level", before));
        Ended run = await RunAsync(server.Uri, load, null, Resume, "--compression-level", after);
        run.AssertEnded(0);
        Assert.NotEqual(0, run.Count("carried_over"));
        load.AssertSame(PathOf("out.jsonl"), run.Error);
    }
}

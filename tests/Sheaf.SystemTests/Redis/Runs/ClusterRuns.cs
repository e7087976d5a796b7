using Sheaf.Telemetry;
using System.Text;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Runs over a cluster.</summary>
public sealed class ClusterRuns : RedisRunTest
{
    [Fact]
    public async Task A_primary_that_dies_is_replaced_by_its_replica_and_the_run_goes_on()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync(withReplicas: true, nodeTimeout: TimeSpan.FromSeconds(1));
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(cluster.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        // A failover keeps what has reached the replica: the run pauses, for want of input, until everything has.
        await Eventually.TrueAsync(async () => Encoding.UTF8.GetString((await cluster.AskAsync(0, "INFO", "replication")).Bytes), IsCaughtUp, "the replica to catch up");
        await cluster.Nodes[0].KillAsync();
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Equal((0, 0L), (RestartsSaid(run.Error), run.Count("lost")));
        foreach (int node in (int[])[1, 2, 3])
            Assert.Equal(0, (await cluster.AskAsync(node, "DBSIZE")).Number);
    }

    [Fact]
    public async Task A_node_that_comes_back_empty_is_filled_again_although_the_others_have_theirs()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync(nodeTimeout: TimeSpan.FromSeconds(1));
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(cluster.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        await cluster.AskAsync(1, "FLUSHALL");
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(0);
        Assert.NotEqual(0, Logged.Count(run.Error, EventIds.BufferRestored));
        Assert.Equal(0, run.Count("lost"));
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Equal(0, RestartsSaid(run.Error));
    }

    private static bool IsCaughtUp(string replication)
    {
        string offset = replication.Split("master_repl_offset:")[1].Split('\r')[0];
        return replication.Contains($"offset={offset},", StringComparison.Ordinal);
    }
}

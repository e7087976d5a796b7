using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>Clusters whose nodes die.</summary>
public sealed class ClusterFailures
{
    [Fact]
    public async Task The_replica_of_a_killed_primary_is_found()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync(withReplicas: true, nodeTimeout: TimeSpan.FromSeconds(1));
        await using RedisClient client = await RedisClient.ConnectAsync(cluster.Address, RespTest.Options, default);
        string key = RedisCluster.KeyAt(0);
        await client.AskAsync("SET", key, "kept");
        await Eventually.TrueAsync(async () => Encoding.UTF8.GetString((await cluster.AskAsync(0, "INFO", "replication")).Bytes), text => IsCaughtUp(text), "the replica to catch up");
        await cluster.Nodes[0].KillAsync();

        // Nothing is sent to a node that is known to be gone, so the client waits for its successor by itself.
        Assert.Equal("kept", (await client.AskAsync("GET", key)).Text());
        Assert.Equal(3, client.Primaries.Count);
        Assert.DoesNotContain(client.Primaries, node => node.Name.EndsWith($":{cluster.Nodes[0].Port}", StringComparison.Ordinal));
        Assert.Equal("OK", (await client.AskAsync("SET", key, "again")).Text());
    }

    [Fact]
    public async Task A_cluster_that_does_not_serve_is_waited_for_until_the_time_out()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync(nodeTimeout: TimeSpan.FromSeconds(1));
        await using RedisClient patient = await RedisClient.ConnectAsync(cluster.Address, RespTest.Options, default);
        await using RedisClient hasty = await RedisClient.ConnectAsync(cluster.Address, RespTest.Options with { OperationTimeout = TimeSpan.FromSeconds(0.5) }, default);
        string key = RedisCluster.KeyAt(1);
        int slot = HashSlot.Of(Encoding.UTF8.GetBytes(key));
        await cluster.AbandonAsync(slot);

        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => hasty.AskAsync("GET", key));
        Assert.Matches("0.5 s.*(CLUSTERDOWN|no node serves slot)", e.Message);
        Task<RespReply> waiting = patient.AskAsync("SET", key, "1");
        await cluster.AdoptAsync(slot, 1);
        Assert.Equal("OK", (await waiting).Text());

        await cluster.Nodes[2].KillAsync();
        e = await Assert.ThrowsAsync<RedisUnavailableException>(() => hasty.AskAsync("GET", RedisCluster.KeyAt(2)));
        Assert.Contains("0.5 s", e.Message, StringComparison.Ordinal);
        waiting = patient.AskAsync("SET", RedisCluster.KeyAt(2), "1");
        await cluster.Nodes[2].RestartAsync();
        Assert.Equal("OK", (await waiting).Text());
    }

    private static bool IsCaughtUp(string replication)
    {
        string offset = replication.Split("master_repl_offset:")[1].Split('\r')[0];
        return replication.Contains($"offset={offset},", StringComparison.Ordinal);
    }
}

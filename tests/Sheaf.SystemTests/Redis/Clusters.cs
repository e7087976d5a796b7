using System.Globalization;
using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>A cluster whose slots move; its nodes live.</summary>
public sealed class Clusters(Clusters.Fixture fixture) : IClassFixture<Clusters.Fixture>
{
    private RedisCluster Cluster => fixture.Cluster;

    [Fact]
    public async Task The_commands_of_a_batch_go_to_the_nodes_of_their_slots_and_come_back_in_its_order()
    {
        await using RedisClient client = await ConnectAsync();
        var batch = new RespBatch();
        for (int i = 0; i < 1000; i++) batch.With("SET", $"order-{i}", Text(i));
        for (int i = 0; i < 1000; i++) batch.With("GET", $"order-{i}");
        await client.ExecuteAsync(batch, default);
        for (int i = 0; i < 1000; i++) Assert.Equal(i, batch.Reply(1000 + i).Integer);
        Assert.True(client.IsCluster);
        Assert.Equal(3, client.Primaries.Count);
    }

    [Fact]
    public async Task Every_primary_can_be_asked_by_itself()
    {
        await using RedisClient client = await ConnectAsync();
        var ids = new HashSet<string>();
        foreach (RedisNode node in client.Primaries)
        {
            RespBatch batch = new RespBatch().With("CLUSTER", "MYID");
            await client.ExecuteOnAsync(node, batch, default);
            ids.Add(batch.Reply(0).Text());
        }
        Assert.Equal(3, ids.Count);
    }

    [Fact]
    public async Task A_slot_that_has_moved_is_followed()
    {
        await using RedisClient client = await ConnectAsync();
        string key = RedisCluster.KeyAt(0, "moved");
        int slot = Slot(key);
        await client.AskAsync("SET", key, "before");
        await Cluster.MigrateAsync(slot, 0, 1);
        RespBatch batch = new RespBatch().With("GET", key).With("SET", key, "after").With("GET", RedisCluster.KeyAt(2, "other")).With("GET", key);
        await client.ExecuteAsync(batch, default);
        Assert.Equal(["before", "OK", "", "after"], [batch.Reply(0).Text(), batch.Reply(1).Text(), batch.Reply(2).Text(), batch.Reply(3).Text()]);
        await Cluster.MigrateAsync(slot, 1, 0);
        Assert.Equal("after", (await client.AskAsync("GET", key)).Text());
    }

    [Fact]
    public async Task A_key_that_has_gone_ahead_of_its_slot_is_asked_for_at_the_target()
    {
        await using RedisClient client = await ConnectAsync();
        const string Tag = "{ask}";
        int slot = Slot(Tag);
        int from = RedisCluster.NodeOf(slot);
        int to = (from + 1) % RedisCluster.PrimaryCount;
        await client.AskAsync("MSET", Tag + "1", "one", Tag + "2", "two");
        await Cluster.BeginMigrationAsync(slot, from, to);
        await Cluster.MoveKeysAsync(from, to, Tag + "1");

        RespBatch batch = new RespBatch().With("GET", Tag + "1").With("GET", Tag + "2").With("SET", Tag + "3", "three").With("GET", Tag + "3");
        await client.ExecuteAsync(batch, default);
        Assert.Equal(["one", "two", "OK", "three"], [.. Enumerable.Range(0, 4).Select(i => batch.Reply(i).Text())]);

        // A transaction is repeated as a whole.
        batch.Clear();
        batch.Begin(1, slot);
        batch.Add("MULTI"u8);
        batch.With("APPEND", Tag + "1", "!").With("GET", Tag + "1");
        batch.Begin(1, slot);
        batch.Add("EXEC"u8);
        await client.ExecuteAsync(batch, default);
        Assert.Equal("one!", batch.Reply(3).First().Next().Text());

        // One key here, one there: wait until both are on one side.
        Task<RespReply> both = client.AskAsync("MGET", Tag + "1", Tag + "2");
        await Cluster.EndMigrationAsync(slot, from, to);
        RespReply values = await both;
        Assert.Equal(["one!", "two"], [values.First().Text(), values.First().Next().Text()]);
        await Cluster.MigrateAsync(slot, to, from);
    }

    [Fact]
    public async Task Slots_that_move_under_load_lose_no_command_and_execute_none_twice()
    {
        await using RedisClient client = await ConnectAsync();
        string[] keys = [.. Enumerable.Range(0, 20).Select(i => RedisCluster.KeyAt(0, $"load-{i}-"))];
        using var stop = new CancellationTokenSource();
        Task<int> load = Task.Run(async () =>
        {
            var batch = new RespBatch();
            int rounds = 0;
            for (; !stop.IsCancellationRequested; rounds++)
            {
                batch.Clear();
                foreach (string key in keys) batch.With("INCR", key);
                await client.ExecuteAsync(batch, default);
                for (int i = 0; i < keys.Length; i++) Assert.Equal(rounds + 1, batch.Reply(i).Integer);
            }
            return rounds;
        });
        foreach (string key in keys) await Cluster.MigrateAsync(Slot(key), 0, 1);
        foreach (string key in keys) await Cluster.MigrateAsync(Slot(key), 1, 2);
        foreach (string key in keys) await Cluster.MigrateAsync(Slot(key), 2, 0);
        await stop.CancelAsync();
        int rounds = await load;
        Assert.True(rounds > 0);
        foreach (string key in keys) Assert.Equal(rounds, (await client.AskAsync("GET", key)).Integer);
    }

    [Fact]
    public async Task A_script_is_loaded_wherever_it_is_needed()
    {
        var script = new RespScript("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        await using RedisClient client = await RedisClient.ConnectAsync(Cluster.Address, RespTest.Options with { Scripts = [script] }, default);
        foreach (RedisNode node in client.Primaries)
        {
            await client.ExecuteOnAsync(node, new RespBatch().With("PING"), default);
            await client.ExecuteOnAsync(node, new RespBatch().With("SCRIPT", "FLUSH"), default);
        }
        var batch = new RespBatch();
        for (int i = 0; i < 30; i++)
        {
            byte[] key = Encoding.UTF8.GetBytes($"script-{i}");
            batch.Begin(5, HashSlot.Of(key));
            batch.Add("EVALSHA"u8);
            batch.Add(script.Sha);
            batch.Add(1);
            batch.Add(key);
            batch.Add(i);
        }
        await client.ExecuteAsync(batch, default);
        for (int i = 0; i < 30; i++) Assert.Equal(i, batch.Reply(i).Integer);
    }

    [Fact]
    public async Task A_cluster_is_told_from_a_single_server()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"redis-cluster://127.0.0.1:{server.Port}"));
        Assert.Contains("use redis://", e.Message, StringComparison.Ordinal);

        await using RedisClient single = await RespTest.ConnectAsync(Cluster.Nodes[0].Uri);
        e = await Assert.ThrowsAsync<RedisRefusedException>(() => single.AskAsync("GET", RedisCluster.KeyAt(1)));
        Assert.Contains("use redis-cluster://", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Any_seed_that_lives_will_do()
    {
        string dead = $"127.0.0.1:{Text(RedisServer.FreePort())}";
        await using RedisClient client = await RespTest.ConnectAsync($"redis-cluster://{dead},127.0.0.1:{Text(Cluster.Nodes[2].Port)}");
        Assert.Equal(3, client.Primaries.Count);
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync($"redis-cluster://{dead}"));
        Assert.Contains(dead, e.Message, StringComparison.Ordinal);
    }

    private ValueTask<RedisClient> ConnectAsync() => RedisClient.ConnectAsync(Cluster.Address, RespTest.Options, default);

    private static int Slot(string key) => HashSlot.Of(Encoding.UTF8.GetBytes(key));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    public sealed class Fixture : IAsyncLifetime
    {
        public RedisCluster Cluster { get; private set; } = null!;

        public async Task InitializeAsync() => Cluster = await RedisCluster.StartAsync();

        public async Task DisposeAsync() => await Cluster.DisposeAsync();
    }
}

using System.Globalization;
using System.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.TestKit.Redis;

/// <summary>
/// A real cluster on this machine: three primaries, each with a third of the slots, and a replica of each when asked for. Whoever starts one disposes
/// it. One thread at a time.
/// </summary>
public sealed class RedisCluster : IAsyncDisposable
{
    public const int PrimaryCount = 3;

    private readonly List<RedisServer> _nodes = [];
    private readonly List<RedisClient> _clients = []; // one per node, which asks that node only
    private readonly List<string> _ids = [];

    private RedisCluster()
    {
    }

    /// <summary>The primaries, then their replicas in the same order.</summary>
    public IReadOnlyList<RedisServer> Nodes => _nodes;

    /// <summary>Every primary is a seed.</summary>
    public string Uri => "redis-cluster://" + string.Join(',', _nodes.Take(PrimaryCount).Select(node => $"127.0.0.1:{Number(node.Port)}"));

    public RedisAddress Address => RedisServer.Parse(Uri);

    /// <summary>Starts the nodes, joins them, and waits until the cluster serves.</summary>
    /// <param name="withReplicas">Each primary has one.</param>
    /// <param name="nodeTimeout">After which the others take a node for dead.</param>
    public static async Task<RedisCluster> StartAsync(bool withReplicas = false, TimeSpan? nodeTimeout = null)
    {
        var cluster = new RedisCluster();
        try
        {
            await cluster.JoinAsync(withReplicas ? 2 * PrimaryCount : PrimaryCount, nodeTimeout ?? TimeSpan.FromSeconds(2));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Which node a slot was given at the start.</summary>
    public static int NodeOf(int slot) => Math.Min(slot / (HashSlot.Count / PrimaryCount), PrimaryCount - 1);

    /// <summary>A key with this prefix in a slot that was given to a node.</summary>
    public static string KeyAt(int node, string prefix = "key") =>
        Enumerable.Range(0, 1000).Select(i => prefix + Number(i)).First(key => NodeOf(HashSlot.Of(Encoding.UTF8.GetBytes(key))) == node);

    /// <summary>Lets a slot be on its way: keys that are gone already are asked for at the target.</summary>
    public async Task BeginMigrationAsync(int slot, int from, int to)
    {
        await AskAsync(to, "CLUSTER", "SETSLOT", Number(slot), "IMPORTING", _ids[from]);
        await AskAsync(from, "CLUSTER", "SETSLOT", Number(slot), "MIGRATING", _ids[to]);
    }

    /// <summary>Moves keys of a slot that is on its way.</summary>
    public async Task MoveKeysAsync(int from, int to, params string[] keys) =>
        await AskAsync(from, ["MIGRATE", "127.0.0.1", Number(_nodes[to].Port), "", "0", "5000", "KEYS", .. keys]);

    /// <summary>Moves what is left of a slot that is on its way, and gives it to the target.</summary>
    public async Task EndMigrationAsync(int slot, int from, int to)
    {
        while (true)
        {
            RespReply left = await AskAsync(from, "CLUSTER", "GETKEYSINSLOT", Number(slot), "100");
            if (left.Count == 0) break;
            var keys = new List<string>();
            foreach (RespReply key in left.Children) keys.Add(Encoding.UTF8.GetString(key.Bytes));
            await MoveKeysAsync(from, to, [.. keys]);
        }
        foreach (int node in new[] { to, from }) await AskAsync(node, "CLUSTER", "SETSLOT", Number(slot), "NODE", _ids[to]);
    }

    /// <summary>Moves a slot with its keys.</summary>
    public async Task MigrateAsync(int slot, int from, int to)
    {
        await BeginMigrationAsync(slot, from, to);
        await EndMigrationAsync(slot, from, to);
    }

    /// <summary>Takes a slot from a node: nobody serves it then.</summary>
    public async Task AbandonAsync(int slot)
    {
        for (int node = 0; node < PrimaryCount; node++) await AskAsync(node, "CLUSTER", "DELSLOTS", Number(slot));
    }

    /// <summary>Gives a slot that nobody serves to a node.</summary>
    public Task AdoptAsync(int slot, int node) => AskAsync(node, "CLUSTER", "ADDSLOTS", Number(slot));

    /// <summary>Waits until every node that runs says that the cluster serves.</summary>
    public async Task ServesAsync()
    {
        for (int node = 0; node < _nodes.Count; node++)
            if (_nodes[node].IsRunning) await WaitAsync(node, "cluster_state:ok", "CLUSTER", "INFO");
    }

    /// <summary>Asks one node; an error fails the test.</summary>
    public async Task<RespReply> AskAsync(int node, params string[] words)
    {
        RespReply reply = await TryAskAsync(node, words);
        return reply.IsError ? throw new InvalidOperationException($"{string.Join(' ', words)}: {reply}") : reply;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RedisClient client in _clients) await client.DisposeAsync();
        foreach (RedisServer node in _nodes) await node.DisposeAsync();
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private async Task JoinAsync(int count, TimeSpan nodeTimeout)
    {
        string[] lines =
        [
            "cluster-enabled yes",
            "cluster-config-file nodes.conf",
            $"cluster-node-timeout {Number((int)nodeTimeout.TotalMilliseconds)}",
            "cluster-replica-validity-factor 0",
            "repl-diskless-sync-delay 0",
        ];
        for (int i = 0; i < count; i++)
        {
            _nodes.Add(await RedisServer.StartAsync(lines));
            _clients.Add(await RedisClient.ConnectAsync(_nodes[i].Address, new RedisClientOptions(), default));
            _ids.Add(Encoding.UTF8.GetString((await AskAsync(i, "CLUSTER", "MYID")).Bytes));
            await AskAsync(i, "CLUSTER", "SET-CONFIG-EPOCH", Number(i + 1));
        }
        for (int i = 0; i < PrimaryCount; i++)
        {
            int[] slots = [.. Enumerable.Range(0, HashSlot.Count).Where(slot => NodeOf(slot) == i)];
            await AskAsync(i, "CLUSTER", "ADDSLOTSRANGE", Number(slots[0]), Number(slots[^1]));
        }
        for (int i = 0; i < count; i++)
            for (int j = 0; j < i; j++)
                await AskAsync(i, "CLUSTER", "MEET", "127.0.0.1", Number(_nodes[j].Port));
        for (int i = 0; i < count; i++) await WaitAsync(i, $"cluster_known_nodes:{Number(count)}", "CLUSTER", "INFO");
        for (int i = PrimaryCount; i < count; i++)
        {
            await Eventually.TrueAsync(() => TryAskAsync(i, "CLUSTER", "REPLICATE", _ids[i - PrimaryCount]), reply => !reply.IsError, $"node {i} to become a replica");
            await WaitAsync(i, "master_link_status:up", "INFO", "replication");
        }
        await ServesAsync();
        // Every node has to have heard of every slot, and of every replica.
        for (int i = 0; i < count; i++)
            await Eventually.TrueAsync(() => TryAskAsync(i, "CLUSTER", "SLOTS"), reply => IsWhole(reply, 2 + (count / PrimaryCount)), $"node {i} to know the cluster");
    }

    private static bool IsWhole(RespReply ranges, int fields)
    {
        int whole = 0;
        foreach (RespReply range in ranges.Children)
            if (range.Count == fields) whole++;
        return whole == PrimaryCount && ranges.Count == PrimaryCount;
    }

    private Task WaitAsync(int node, string text, params string[] words) => Eventually.TrueAsync(
        () => TryAskAsync(node, words), reply => Encoding.UTF8.GetString(reply.Bytes).Contains(text, StringComparison.Ordinal), $"{text} of node {node}");

    private async Task<RespReply> TryAskAsync(int node, params string[] words)
    {
        var batch = new RespBatch();
        batch.Begin(words.Length, HashSlot.Any);
        foreach (string word in words) batch.Add(Encoding.UTF8.GetBytes(word));
        await _clients[node].ExecuteAsync(batch, default);
        return batch.Reply(0);
    }
}

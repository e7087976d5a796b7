using System.Globalization;
using System.Text;
using Sheaf.Redis;

namespace Sheaf.TestKit.Redis;

/// <summary>
/// A real cluster on this machine: three primaries, each with a third of the slots, and a replica of each when asked for. Whoever starts one disposes
/// it. One thread at a time.
/// </summary>
public sealed class RedisCluster : IAsyncDisposable
{
    public const int PrimaryCount = 3;

    private readonly List<RedisServer> _nodes = [];
    private readonly List<TestRedis> _clients = []; // one per node, which asks that node only
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

    private const int SlotCount = 16384;

    /// <summary>Which node a slot was given at the start.</summary>
    public static int NodeOf(int slot) => Math.Min(slot / (SlotCount / PrimaryCount), PrimaryCount - 1);

    /// <summary>Waits until every node that runs says that the cluster serves.</summary>
    public async Task ServesAsync()
    {
        for (int node = 0; node < _nodes.Count; node++)
            if (_nodes[node].IsRunning) await WaitAsync(node, "cluster_state:ok", "CLUSTER", "INFO");
    }

    /// <summary>Asks one node; an error fails the test.</summary>
    public async Task<TestReply> AskAsync(int node, params string[] words)
    {
        TestReply reply = await TryAskAsync(node, words);
        return reply.IsError ? throw new InvalidOperationException($"{string.Join(' ', words)}: {reply}") : reply;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (TestRedis client in _clients) await client.DisposeAsync();
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
            _clients.Add(await TestRedis.ConnectAsync(_nodes[i].Address));
            _ids.Add(Encoding.UTF8.GetString((await AskAsync(i, "CLUSTER", "MYID")).Bytes));
            await AskAsync(i, "CLUSTER", "SET-CONFIG-EPOCH", Number(i + 1));
        }
        for (int i = 0; i < PrimaryCount; i++)
        {
            int[] slots = [.. Enumerable.Range(0, SlotCount).Where(slot => NodeOf(slot) == i)];
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

    private static bool IsWhole(TestReply ranges, int fields)
    {
        int whole = 0;
        foreach (TestReply range in ranges.Children)
            if (range.Count == fields) whole++;
        return whole == PrimaryCount && ranges.Count == PrimaryCount;
    }

    private Task WaitAsync(int node, string text, params string[] words) => Eventually.TrueAsync(
        () => TryAskAsync(node, words), reply => Encoding.UTF8.GetString(reply.Bytes).Contains(text, StringComparison.Ordinal), $"{text} of node {node}");

    private Task<TestReply> TryAskAsync(int node, params string[] words) => _clients[node].AskAsync(words);
}

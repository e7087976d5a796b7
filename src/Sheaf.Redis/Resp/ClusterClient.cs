using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>The client of a cluster. Thread-safe. Who serves what is learnt from any node, again whenever a node says or seems to be somewhere else.</summary>
internal sealed class ClusterClient : RedisClient
{
    private readonly RedisAddress.Cluster _address;
    private readonly ConnectionSettings _settings;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<HostPort, RedisNode> _nodes = [];
    private volatile Topology _topology = Topology.Empty;
    private Task? _refreshing;
    private HostPort? _knowing; // a node that serves what another one no longer does: it knows best

    public ClusterClient(RedisAddress.Cluster address, RedisClientOptions options, TlsCredentials? tls) : base(address, options, tls)
    {
        _address = address;
        _settings = SettingsFor(address, options, tls);
    }

    public override bool IsCluster => true;

    public override IReadOnlyList<RedisNode> Primaries => _topology.Primaries;

    public override ValueTask ExecuteAsync(RespBatch batch, CancellationToken cancel) =>
        ExecuteInRoundsAsync(this, only: null, batch, cancel);

    public override ValueTask ExecuteOnAsync(RedisNode node, RespBatch batch, CancellationToken cancel) =>
        Primaries.Contains(node)
            ? ExecuteInRoundsAsync(this, node, batch, cancel)
            : throw new RedisUnavailableException($"{Address}: {node} is no primary of the cluster any more; ask {nameof(Primaries)} again");

    /// <summary>Who serves a slot; null when nobody does. Any primary, by turns, for <see cref="HashSlot.Any"/>.</summary>
    internal RedisNode? NodeOf(int slot)
    {
        Topology topology = _topology;
        if (slot != HashSlot.Any) return topology.Slots[slot];
        return topology.Primaries.Count == 0 ? null : topology.Primaries[Random.Shared.Next(topology.Primaries.Count)];
    }

    /// <summary>The node there; it is made known when it was not.</summary>
    internal RedisNode NodeAt(HostPort address)
    {
        lock (_lock) return NodeAtNeedsLock(address);
    }

    /// <summary>The host that a redirection leaves out is the one that redirects.</summary>
    internal static HostPort? Resolve(HostPort? target, RedisNode redirecting) =>
        target is { Host: "" } local ? redirecting.Address with { Port = local.Port } : target;

    /// <summary>A slot is served elsewhere.</summary>
    internal void NoteMoved(HostPort? owner)
    {
        lock (_lock) _knowing = owner;
    }

    private protected override async ValueTask OpenAsync(CancellationToken cancel)
    {
        using var deadline = new Deadline(Options.ConnectTimeout * (_address.Seeds.Count + 1), Options.Time, cancel);
        try
        {
            await FetchAsync(deadline);
        }
        catch (OperationCanceledException e)
        {
            deadline.ThrowIfCancelledByCaller();
            throw new RedisUnavailableException($"{Address}: no node has answered within {deadline.Timeout.TotalSeconds:0.###} s", e);
        }
    }

    private protected override async ValueTask CloseAsync()
    {
        await _closing.CancelAsync();
        Task? refreshing;
        lock (_lock)
        {
            foreach (RedisNode node in _nodes.Values) node.Pool.Dispose();
            refreshing = _refreshing;
        }
        if (refreshing is not null) await refreshing;
        _closing.Dispose();
    }

    /// <summary>However many callers want it, one at a time asks.</summary>
    private protected override async ValueTask RefreshAsync(Deadline deadline)
    {
        Task refreshing;
        lock (_lock) refreshing = _refreshing is { IsCompleted: false } ? _refreshing : _refreshing = RefreshInBackgroundAsync();
        await refreshing.WaitAsync(deadline.Token);
    }

    private async Task RefreshInBackgroundAsync()
    {
        await Task.Yield(); // not under the lock of the caller
        using var deadline = new Deadline(Options.OperationTimeout, Options.Time, _closing.Token);
        try
        {
            await FetchAsync(deadline);
        }
        catch (Exception e) when (e is RedisUnavailableException or RedisRefusedException or OperationCanceledException)
        {
            // What was known stays; the callers' next round shows whether it still holds.
        }
    }

    /// <summary>Asks one node after the other until one tells who serves what.</summary>
    /// <exception cref="RedisUnavailableException">None does.</exception>
    /// <exception cref="RedisRefusedException">None does, and one turns us away for good.</exception>
    private async ValueTask FetchAsync(Deadline deadline)
    {
        var failures = new List<string>();
        RedisRefusedException? refusal = null;
        var handshake = new Handshake(_settings with { Options = Options with { Scripts = [] } });
        var question = new RespBatch();
        question.Begin(2, HashSlot.Any);
        question.Add("CLUSTER"u8);
        question.Add("SLOTS"u8);
        var replies = new ReplySet();
        foreach (HostPort node in Candidates())
        {
            using var limit = new Deadline(Options.ConnectTimeout, Options.Time, deadline.Token);
            try
            {
                using RespConnection connection = await handshake.OpenAsync(new DnsEndPoint(node.Host, node.Port), epoch: 0, limit.Token);
                replies.Reset(16 << 20);
                await connection.ExchangeAsync(question.Bytes, replies, 1, limit.Token);
                RespReply reply = replies.Reply(0);
                if (reply.IsError) failures.Add($"{node}: {CheckError(reply, node)}");
                else if (ClusterMap.Read(reply, node) is { Primaries.Count: > 0 } map)
                {
                    Adopt(map);
                    return;
                }
                else failures.Add($"{node}: it knows no node that serves a slot");
            }
            catch (Exception e) when (e is SocketException or IOException or RespProtocolException)
            {
                failures.Add($"{node}: {e.Message}");
            }
            catch (OperationCanceledException) when (!deadline.Token.IsCancellationRequested)
            {
                failures.Add($"{node}: no answer within {Options.ConnectTimeout.TotalSeconds:0.###} s");
            }
            catch (RedisRefusedException e)
            {
                refusal = e;
            }
        }
        throw refusal as Exception ?? new RedisUnavailableException($"{Address}: no node says who serves what: {string.Join("; ", failures)}");
    }

    /// <exception cref="RedisRefusedException">It will not mend itself.</exception>
    private string CheckError(RespReply reply, HostPort node)
    {
        string error = Encoding.UTF8.GetString(reply.Bytes);
        if (error.Contains("cluster support disabled", StringComparison.Ordinal))
            throw new RedisRefusedException($"{Address}: {node} is no node of a cluster ({error}); use redis://host:port");
        if (error.StartsWith("NOPERM", StringComparison.Ordinal))
            throw new RedisRefusedException($"{Address}: {node}: {error}; allow the user CLUSTER SLOTS (+cluster|slots)");
        return error;
    }

    /// <summary>Whom to ask, each once: who knows best, the primaries in random order, then replicas and seeds.</summary>
    private IEnumerable<HostPort> Candidates()
    {
        Topology topology = _topology;
        HostPort[] primaries = [.. topology.Primaries.Select(node => node.Address)];
        Random.Shared.Shuffle(primaries);
        HostPort? knowing;
        lock (_lock) (knowing, _knowing) = (_knowing, null);
        HostPort[] first = knowing is { } best ? [best] : [];
        return first.Concat(primaries).Concat(topology.Replicas).Concat(_address.Seeds).Distinct();
    }

    private void Adopt(ClusterMap map)
    {
        var left = new List<RedisNode>();
        lock (_lock)
        {
            if (_closing.IsCancellationRequested) return;
            RedisNode[] primaries = [.. map.Primaries.Select(NodeAtNeedsLock)];
            var slots = new RedisNode?[HashSlot.Count];
            for (int slot = 0; slot < slots.Length; slot++) slots[slot] = map.Slots[slot] < 0 ? null : primaries[map.Slots[slot]];
            _topology = new Topology(slots, primaries, map.Replicas);
            foreach ((HostPort address, RedisNode node) in _nodes)
            {
                if (primaries.Contains(node)) continue;
                left.Add(node);
                _nodes.Remove(address);
            }
        }
        foreach (RedisNode node in left) node.Pool.Dispose();
    }

    private RedisNode NodeAtNeedsLock(HostPort address)
    {
        if (_nodes.TryGetValue(address, out RedisNode? known)) return known;
        var handshake = new Handshake(_settings);
        var endpoint = new DnsEndPoint(address.Host, address.Port);
        string name = address.ToString();
        var node = new RedisNode(name, address, new NodePool(name, (epoch, cancel) => handshake.OpenAsync(endpoint, epoch, cancel), Options));
        _nodes.Add(address, node);
        return node;
    }

    private sealed record Topology(RedisNode?[] Slots, IReadOnlyList<RedisNode> Primaries, IReadOnlyList<HostPort> Replicas)
    {
        public static readonly Topology Empty = new(new RedisNode?[HashSlot.Count], [], []);
    }
}

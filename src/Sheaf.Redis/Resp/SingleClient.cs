using System.Net;
using System.Net.Sockets;

namespace Sheaf.Redis.Resp;

/// <summary>The client of one server, or of the primary that sentinels name. Thread-safe.</summary>
internal sealed class SingleClient : RedisClient
{
    private readonly RedisNode _node;
    private IReadOnlyList<RedisNode>? _primaries;

    public SingleClient(RedisAddress.Standalone address, RedisClientOptions options, TlsCredentials? tls) : base(address, options, tls) =>
        _node = NodeAt(address.Server.ToString(), new DnsEndPoint(address.Server.Host, address.Server.Port), address.Database, tls);

    public SingleClient(RedisAddress.UnixSocket address, RedisClientOptions options, TlsCredentials? tls) : base(address, options, tls) =>
        _node = NodeAt(address.Path, new UnixDomainSocketEndPoint(address.Path), address.Database, tls);

    public SingleClient(RedisAddress.Sentinel address, RedisClientOptions options, TlsCredentials? tls) : base(address, options, tls)
    {
        var handshake = new Handshake(SettingsFor(address, options, tls) with { Database = address.Database, MustBePrimary = true });
        var locator = new SentinelLocator(address, options, tls);
        string name = $"service {address.Service}";
        // Every new connection asks anew: after a failover the first one finds the new primary.
        _node = new RedisNode(name, default, new NodePool(name, OpenPrimaryAsync, options));

        async ValueTask<RespConnection> OpenPrimaryAsync(int epoch, CancellationToken cancel) =>
            await handshake.OpenAsync(await locator.FindAsync(cancel), epoch, cancel);
    }

    public override bool IsCluster => false;

    public override IReadOnlyList<RedisNode> Primaries => _primaries ??= [_node];

    public override ValueTask ExecuteAsync(RespBatch batch, CancellationToken cancel) =>
        ExecuteInRoundsAsync(cluster: null, _node, batch, cancel);

    public override ValueTask ExecuteOnAsync(RedisNode node, RespBatch batch, CancellationToken cancel) =>
        node == _node ? ExecuteAsync(batch, cancel) : throw new ArgumentException($"{node} is a node of another client", nameof(node));

    private protected override async ValueTask OpenAsync(CancellationToken cancel)
    {
        using var deadline = new Deadline(Options.ConnectTimeout + Options.ConnectTimeout, Options.Time, cancel);
        Rental rental = await _node.Pool.RentAsync(deadline);
        deadline.ThrowIfCancelledByCaller();
        if (rental.Connection is null) throw new RedisUnavailableException($"{Address}: {rental.Why!.Reason}", rental.Why.Cause);
        _node.Pool.Return(rental.Connection);
    }

    private protected override ValueTask CloseAsync()
    {
        _node.Pool.Dispose();
        return ValueTask.CompletedTask;
    }

    private protected override ValueTask RefreshAsync(Deadline deadline) => ValueTask.CompletedTask; // a new connection is the refresh

    private RedisNode NodeAt(string name, EndPoint endpoint, int database, TlsCredentials? tls)
    {
        var handshake = new Handshake(SettingsFor(Address, Options, tls) with { Database = database });
        return new RedisNode(name, default, new NodePool(name, (epoch, cancel) => handshake.OpenAsync(endpoint, epoch, cancel), Options));
    }
}

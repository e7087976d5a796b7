using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.TestKit.Buffering;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>The contract of every engine, on real servers. Each test finds them empty.</summary>
public abstract class RedisBufferContract : BufferContract, IAsyncLifetime
{
    /// <summary>
    /// Share of the servers' memory that the engine is told to use, so that it is what the contract calls full: commands on their way take memory too.
    /// </summary>
    private protected const double Share = 0.25;

    /// <summary>What the servers may use together.</summary>
    private protected const long ServerMemory = (long)(MaxBytes / Share);

    private readonly List<IAsyncDisposable> _open = [];
    private RedisBuffer _buffer = null!;

    private protected abstract RedisAddress Address { get; }

    private protected virtual int Protocol => 3;

    public async Task InitializeAsync()
    {
        await using (RedisClient client = await RedisClient.ConnectAsync(Address, new RedisClientOptions(), default))
        {
            foreach (RedisNode node in client.Primaries)
            {
                var flush = new RespBatch();
                flush.Begin(1, HashSlot.Any);
                flush.Add("FLUSHALL"u8);
                await client.ExecuteOnAsync(node, flush, default);
            }
        }
        _buffer = await RedisBuffer.OpenAsync(
            new RedisBufferOptions(Address, Rules, ShardCount)
            {
                MaxMemoryShare = Share,
                LoadInterval = TimeSpan.Zero,
                Client = new RedisClientOptions { Protocol = Protocol },
            },
            default);
        await _buffer.BeginAsync(default);
    }

    public async Task DisposeAsync()
    {
        foreach (IAsyncDisposable client in _open) await client.DisposeAsync();
        await _buffer.DisposeAsync();
    }

    protected override ValueTask<ISpanBuffer> OpenAsync()
    {
        RedisSpanBuffer client = _buffer.OpenClient();
        _open.Add(client);
        return new(client);
    }

    /// <summary>One server for all tests of a class.</summary>
    public sealed class OneServer : IAsyncLifetime
    {
        public RedisServer Server { get; private set; } = null!;

        public async Task InitializeAsync() => Server = await RedisServer.StartAsync($"maxmemory {ServerMemory}");

        public async Task DisposeAsync() => await Server.DisposeAsync();
    }

    /// <summary>Three primaries for all tests of a class.</summary>
    public sealed class ThreeNodes : IAsyncLifetime
    {
        public RedisCluster Cluster { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            Cluster = await RedisCluster.StartAsync();
            for (int node = 0; node < RedisCluster.PrimaryCount; node++)
                await Cluster.AskAsync(node, "CONFIG", "SET", "maxmemory", $"{ServerMemory / RedisCluster.PrimaryCount}");
        }

        public async Task DisposeAsync() => await Cluster.DisposeAsync();
    }
}

public sealed class ServerBufferContract(RedisBufferContract.OneServer fixture) : RedisBufferContract, IClassFixture<RedisBufferContract.OneServer>
{
    private protected override RedisAddress Address => fixture.Server.Address;
}

public sealed class OlderProtocolBufferContract(RedisBufferContract.OneServer fixture) : RedisBufferContract, IClassFixture<RedisBufferContract.OneServer>
{
    private protected override RedisAddress Address => fixture.Server.Address;

    private protected override int Protocol => 2;
}

public sealed class ClusterBufferContract(RedisBufferContract.ThreeNodes fixture) : RedisBufferContract, IClassFixture<RedisBufferContract.ThreeNodes>
{
    private protected override RedisAddress Address => fixture.Cluster.Address;
}

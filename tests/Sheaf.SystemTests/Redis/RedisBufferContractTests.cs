using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.TestKit.Buffering;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>A server for all tests of a class; each test finds it empty.</summary>
public sealed class RedisServerFixture : IAsyncLifetime
{
    public RedisServer Server { get; private set; } = null!;

    // More than what counts as full for the contract, since commands on their way take memory too: the engine is told which share of it may be used.
    public const double Share = 0.25;

    public async Task InitializeAsync() => Server = await RedisServer.StartAsync($"maxmemory {(long)(BufferContract.MaxBytes / Share)}");

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>The contract of every engine, on a real server: plain, compressed, with the older protocol.</summary>
public abstract class RedisBufferContract(RedisServerFixture fixture) : BufferContract, IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _open = [];
    private RedisBuffer _buffer = null!;

    private protected virtual int CompressionLevel => RedisBufferOptions.NotCompressed;

    private protected virtual int Protocol => 3;

    public async Task InitializeAsync()
    {
        await using (RedisClient client = await RedisClient.ConnectAsync(fixture.Server.Address, new RedisClientOptions(), default))
        {
            var flush = new RespBatch();
            flush.Begin(1, HashSlot.Any);
            flush.Add("FLUSHALL"u8);
            await client.ExecuteAsync(flush, default);
        }
        _buffer = await RedisBuffer.OpenAsync(
            new RedisBufferOptions(fixture.Server.Address, Rules, ShardCount)
            {
                CompressionLevel = CompressionLevel,
                MaxMemoryShare = RedisServerFixture.Share,
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
}

public sealed class PlainRedisBufferContract(RedisServerFixture fixture) : RedisBufferContract(fixture), IClassFixture<RedisServerFixture>;

public sealed class OlderProtocolRedisBufferContract(RedisServerFixture fixture) : RedisBufferContract(fixture), IClassFixture<RedisServerFixture>
{
    private protected override int Protocol => 2;
}

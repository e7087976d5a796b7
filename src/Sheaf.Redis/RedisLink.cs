using System.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>
/// The way from the engine to the servers: connects when it is first needed, and tells the faults of a server in the engine's own terms. Thread-safe, each
/// call with a batch of its own.
/// </summary>
internal sealed class RedisLink(RedisAddress address, RedisClientOptions options) : IAsyncDisposable
{
    private readonly RedisClientOptions _options = options with { Scripts = RedisScripts.All };
    private readonly SemaphoreSlim _connecting = new(1);
    private volatile RedisClient? _client;

    /// <summary>Executes a batch; <see cref="ThrowIfError"/> is for its replies.</summary>
    /// <exception cref="BufferUnavailableException">A server cannot be reached or does not want us. Commands may have been executed.</exception>
    public async ValueTask ExecuteAsync(RespBatch batch, CancellationToken cancel)
    {
        try
        {
            RedisClient client = _client ?? await ConnectAsync(cancel);
            await client.ExecuteAsync(batch, cancel);
        }
        catch (SheafException e) when (e is RedisUnavailableException or RedisRefusedException or RespProtocolException)
        {
            throw new BufferUnavailableException(e.Message, e);
        }
    }

    /// <summary>The client, connected.</summary>
    /// <exception cref="RedisUnavailableException">No server answers.</exception>
    /// <exception cref="RedisRefusedException">Something has to be mended first.</exception>
    public async ValueTask<RedisClient> ConnectAsync(CancellationToken cancel)
    {
        await _connecting.WaitAsync(cancel);
        try
        {
            return _client ??= await RedisClient.ConnectAsync(address, _options, cancel);
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <summary>Throws where a server has refused a command.</summary>
    /// <exception cref="BufferUnavailableException">It has; with <see cref="BufferUnavailableException.IsFull"/> where it has no memory left.</exception>
    public void ThrowIfError(in RespReply reply, string what)
    {
        if (!reply.IsError) return;
        bool isFull = reply.Bytes.StartsWith("OOM "u8);
        string wayOut = isFull ? "flushing makes room; else give it more memory (maxmemory), or let the input pause earlier (max-memory-percentage)" : "see docs/operations.md, \"Redis\"";
        throw new BufferUnavailableException($"{address}: {what} was refused: {Encoding.UTF8.GetString(reply.Bytes)}; {wayOut}") { IsFull = isFull };
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is { } client) await client.DisposeAsync();
        _connecting.Dispose();
    }
}

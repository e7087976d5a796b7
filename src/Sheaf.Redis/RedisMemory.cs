using System.Buffers.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>How full Redis says it is, over all its nodes. Asked at most every <see cref="RedisBufferOptions.LoadInterval"/>. Owner: one at a time.</summary>
internal sealed class RedisMemory(RedisLink link, RedisBufferOptions options)
{
    /// <summary>Where the input is not to pause before the server itself has no room, the load stays below 1.</summary>
    private const double BelowFull = 0.999;

    /// <summary>The input waits for the answer. A node of a cluster that has died answers nothing until it is replaced, and what the others take need not wait for that.</summary>
    private static readonly TimeSpan s_mostWaiting = TimeSpan.FromSeconds(1);

    private readonly RespBatch _commands = new();
    private long _askedAt;
    private double _load;

    /// <summary>
    /// Memory in use over the memory that may be used (<c>maxmemory</c>, or the machine's where there is no such limit), over <see cref="RedisBufferOptions.MaxMemoryShare"/>. What it was
    /// last, while a server cannot be asked: whoever stores something learns that soon enough.
    /// </summary>
    public async ValueTask<double> LoadAsync(CancellationToken cancel)
    {
        TimeProvider time = options.Client.Time;
        if (_askedAt != 0 && time.GetElapsedTime(_askedAt) < options.LoadInterval) return _load;
        using var patience = new CancellationTokenSource(s_mostWaiting, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancel);
        try
        {
            RedisClient client = await link.ConnectAsync(either.Token);
            long used = 0, most = 0;
            foreach (RedisNode node in client.Primaries)
            {
                _commands.Clear();
                _commands.Begin(2, HashSlot.Any);
                _commands.Add("INFO"u8);
                _commands.Add("memory"u8);
                await client.ExecuteOnAsync(node, _commands, either.Token);
                RespReply info = _commands.Reply(0);
                link.ThrowIfError(info, "INFO memory");
                used += Field(info.Bytes, "used_memory:"u8);
                long limit = Field(info.Bytes, "maxmemory:"u8);
                most += limit > 0 ? limit : Field(info.Bytes, "total_system_memory:"u8);
            }
            double share = most > 0 ? (double)used / most : 0;
            _load = options.MaxMemoryShare < 1 ? share / options.MaxMemoryShare : Math.Min(share, BelowFull);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // See above: what it was last.
        }
        catch (SheafException e) when (e is RedisUnavailableException or RedisRefusedException or RespProtocolException or BufferUnavailableException)
        {
            // See above.
        }
        _askedAt = time.GetTimestamp();
        return _load;
    }

    /// <summary>A number of <c>INFO</c>; 0 where there is none of that name.</summary>
    /// <param name="name">With its colon.</param>
    public static long Field(ReadOnlySpan<byte> info, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> value = Text(info, name);
        return Utf8Parser.TryParse(value, out long number, out int length) && length == value.Length ? number : 0;
    }

    /// <summary>A value of <c>INFO</c>; empty where there is none of that name.</summary>
    public static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> info, ReadOnlySpan<byte> name)
    {
        for (int start = 0; start < info.Length;)
        {
            int length = info[start..].IndexOf("\r\n"u8);
            ReadOnlySpan<byte> line = length < 0 ? info[start..] : info.Slice(start, length);
            if (line.StartsWith(name)) return line[name.Length..];
            if (length < 0) break;
            start += length + 2;
        }
        return default;
    }
}

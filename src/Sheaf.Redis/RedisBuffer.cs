using System.Text;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>What a look at a shard in passing tells.</summary>
/// <param name="EarliestDeadlineMs"><see cref="SegmentRules.Never"/> where nothing is armed.</param>
public readonly record struct ShardSample(long Traces, long EarliestDeadlineMs);

/// <summary>
/// The buffer in Redis as a run sees it: whether the server will do, what an earlier run has left, a client for everyone who needs one, and what is left of it at the end. One operation at a
/// time.
/// </summary>
public sealed class RedisBuffer : IAsyncDisposable
{
    private readonly RedisBufferOptions _options;
    private readonly RedisLink _link;
    private readonly RedisKeys _keys;
    private readonly RedisMemory _memory;
    private readonly RespBatch _commands = new();
    private readonly long _secondsToLive;

    private RedisBuffer(RedisBufferOptions options)
    {
        _options = options;
        _link = new RedisLink(options.Address, options.Client);
        _keys = new RedisKeys(options.SliceId, options.Address is RedisAddress.Cluster);
        _memory = new RedisMemory(_link, options);
        _secondsToLive = (long)options.TimeToLive.TotalSeconds;
    }

    /// <summary>What the server is, for people: <c>Redis 7.2.4</c>.</summary>
    public string ServerVersion { get; private set; } = "";

    /// <summary>Connects, and finds out whether the server will do.</summary>
    /// <exception cref="BufferUnavailableException">It does not answer.</exception>
    /// <exception cref="ConfigurationException">It will not do; the message says how to mend it.</exception>
    public static async ValueTask<RedisBuffer> OpenAsync(RedisBufferOptions options, CancellationToken cancel)
    {
        var buffer = new RedisBuffer(options);
        try
        {
            if (options.CompressionLevel != RedisBufferOptions.NotCompressed) new Zstd(compresses: true).Dispose(); // says what to install
            buffer.ServerVersion = await RedisInspection.InspectAsync(buffer._link, options, cancel);
            return buffer;
        }
        catch
        {
            await buffer.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client, for the ingest pipeline or for one worker. It connects when it is first used.</summary>
    /// <inheritdoc cref="RedisSpanBuffer(RedisBufferOptions, Func{ShardId, long}?, Action{FaultPoint}?)" path="/param"/>
    public RedisSpanBuffer OpenClient(Func<ShardId, long>? storedThrough = null, Action<FaultPoint>? faults = null) => new(_options, storedThrough, faults);

    /// <summary>By shard: how far an earlier run has stored its input; null where none has.</summary>
    public async ValueTask<StoredMark?[]> ReadStoredAsync(CancellationToken cancel)
    {
        _commands.Clear();
        foreach (ShardKeys shard in Shards)
        {
            _commands.Begin(2, shard.Slot);
            _commands.Add("GET"u8);
            _commands.Add(shard.Stored);
        }
        await ExecuteAsync("reading the stored marks", cancel);
        var marks = new StoredMark?[_options.Shards];
        for (int s = 0; s < marks.Length; s++)
        {
            marks[s] = StoredMark.Read(_commands.Reply(s), _options.Address, _keys.Of(new ShardId(s)));
        }
        return marks;
    }

    /// <summary>Gives every shard an epoch that has none: from now on its absence means that the server has lost what it held.</summary>
    public async ValueTask BeginAsync(CancellationToken cancel)
    {
        _commands.Clear();
        foreach (ShardKeys shard in Shards) RedisSpanBuffer.WriteEpoch(_commands, shard, _secondsToLive);
        await ExecuteAsync("beginning an epoch", cancel);
    }

    /// <summary>Removes everything that is buffered in this name space, whoever has left it.</summary>
    public async ValueTask DiscardAsync(CancellationToken cancel)
    {
        try
        {
            RedisClient client = await _link.ConnectAsync(cancel);
            var removal = new RespBatch();
            foreach (RedisNode node in client.Primaries)
            {
                byte[] cursor = [(byte)'0'];
                do
                {
                    _commands.Clear();
                    _commands.Begin(6, HashSlot.Any);
                    _commands.Add("SCAN"u8);
                    _commands.Add(cursor);
                    _commands.Add("MATCH"u8);
                    _commands.Add(Encoding.ASCII.GetBytes(_keys.Pattern));
                    _commands.Add("COUNT"u8);
                    _commands.Add(1000);
                    await client.ExecuteOnAsync(node, _commands, cancel);
                    RespReply page = _commands.Reply(0);
                    _link.ThrowIfError(page, "SCAN");
                    cursor = page.First().Bytes.ToArray();
                    removal.Clear();
                    foreach (RespReply key in page.First().Next().Children)
                    {
                        removal.Begin(2, _keys.SlotOf(key.Bytes));
                        removal.Add("UNLINK"u8);
                        removal.Add(key.Bytes);
                    }
                    if (removal.Count > 0) await client.ExecuteAsync(removal, cancel);
                    for (int i = 0; i < removal.Count; i++) _link.ThrowIfError(removal.Reply(i), "UNLINK");
                }
                while (cursor is not [(byte)'0']);
            }
        }
        catch (SheafException e) when (e is RedisUnavailableException or RedisRefusedException or RespProtocolException)
        {
            throw new BufferUnavailableException(e.Message, e);
        }
    }

    /// <summary>
    /// The input has ended and everything has left: what was stored of it means nothing any more. Nothing of Sheaf is in the server then.
    /// </summary>
    public async ValueTask ForgetAsync(CancellationToken cancel)
    {
        _commands.Clear();
        foreach (ShardKeys shard in Shards)
        {
            _commands.Begin(4, shard.Slot);
            _commands.Add("UNLINK"u8);
            _commands.Add(shard.Stored);
            _commands.Add(shard.Term);
            _commands.Add(shard.Epoch);
        }
        await ExecuteAsync("removing the stored marks", cancel);
    }

    /// <summary>
    /// A cheap look at every shard, for metrics. It also touches the keys of the shards, so that those of a shard that gets nothing for a long time live on.
    /// </summary>
    public async ValueTask<ShardSample[]> SampleAsync(CancellationToken cancel)
    {
        const int PerShard = 8;
        _commands.Clear();
        foreach (ShardKeys shard in Shards)
        {
            foreach (byte[] key in (byte[][])[shard.Due, shard.Inflight])
            {
                _commands.Begin(2, shard.Slot);
                _commands.Add("ZCARD"u8);
                _commands.Add(key);
            }
            _commands.Begin(5, shard.Slot);
            _commands.Add("ZRANGE"u8);
            _commands.Add(shard.Due);
            _commands.Add(0);
            _commands.Add(0);
            _commands.Add("WITHSCORES"u8);
            foreach (byte[] key in (byte[][])[shard.Due, shard.Inflight, shard.Stored, shard.Term, shard.Epoch])
            {
                _commands.Begin(3, shard.Slot);
                _commands.Add("EXPIRE"u8);
                _commands.Add(key);
                _commands.Add(_secondsToLive);
            }
        }
        await ExecuteAsync("looking at the shards", cancel);
        var samples = new ShardSample[_options.Shards];
        for (int s = 0; s < samples.Length; s++)
        {
            long earliest = SegmentRules.Never;
            foreach ((_, long score) in ShardSurvey.Scored(_commands.Reply((PerShard * s) + 2))) earliest = score;
            samples[s] = new ShardSample(_commands.Reply(PerShard * s).Integer + _commands.Reply((PerShard * s) + 1).Integer, earliest);
        }
        return samples;
    }

    /// <inheritdoc cref="ISpanBuffer.LoadAsync"/>
    public ValueTask<double> LoadAsync(CancellationToken cancel) => _memory.LoadAsync(cancel);

    public ValueTask DisposeAsync() => _link.DisposeAsync();

    private IEnumerable<ShardKeys> Shards => Enumerable.Range(0, _options.Shards).Select(s => _keys.Of(new ShardId(s)));

    private async ValueTask ExecuteAsync(string what, CancellationToken cancel)
    {
        await _link.ExecuteAsync(_commands, cancel);
        for (int i = 0; i < _commands.Count; i++) _link.ThrowIfError(_commands.Reply(i), what);
    }
}

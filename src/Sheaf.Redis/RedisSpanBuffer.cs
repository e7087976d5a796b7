using System.Globalization;
using System.Text;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>
/// A client of the buffer in Redis. Owner: one ingest pipeline, which may append to several shards at once, or one flusher worker. Only <see cref="Fence"/> may be called from any
/// thread.
/// </summary>
/// <remarks>
/// Nothing is merged, locked or rewritten while spans come in: an append stores a record for each trace, then arms the traces together with the mark of how far the input is stored.
/// Each step is one exchange of everything that it needs. ARCHITECTURE.md, "The Redis engine", says for each what a crash behind it does.
/// </remarks>
public sealed class RedisSpanBuffer : ISpanBuffer
{
    /// <summary>The epoch of a shard that nobody has taken over since it began. A claimer who finds it in the place of his token has lost what was there. The scripts know it too.</summary>
    private static ReadOnlySpan<byte> Nobody => "nobody"u8;

    /// <summary>How long an appender believes that its term goes on without having heard so.</summary>
    private static readonly TimeSpan s_believed = TimeSpan.FromSeconds(1);

    private readonly RedisBufferOptions _options;
    private readonly RedisLink _link;
    private readonly RedisKeys _keys;
    private readonly ShardKeys[] _shards;
    private readonly ShardAppender?[] _appenders;
    private readonly byte[]?[] _tokens; // by shard: the takeover that made it ours
    private readonly long[] _mayBeEmpty; // by shard: traces put back by takeovers, whose records may have been removed already
    private readonly Func<ShardId, long>? _storedThrough;
    private readonly Action<FaultPoint>? _faults;
    private readonly long _secondsToLive;
    private readonly RespBatch _commands = new();
    private readonly RespBatch _reading = new();
    private readonly ClaimedPayloads _payloads;
    private readonly List<int> _empty = [];
    private readonly RedisMemory _memory;
    private readonly TraceReader _traces;
    private readonly RecordRemover _remover;
    private volatile bool _fenced;

    /// <param name="storedThrough">
    /// The source offset up to which a shard's input is stored, asked at every claim: what lies behind it is left alone, since it may be there in part. Null: everything counts.
    /// </param>
    /// <param name="faults">Called at every <see cref="FaultPoint"/>; null in production.</param>
    public RedisSpanBuffer(RedisBufferOptions options, Func<ShardId, long>? storedThrough = null, Action<FaultPoint>? faults = null)
    {
        _options = options;
        _storedThrough = storedThrough;
        _faults = faults;
        _link = new RedisLink(options.Address, options.Client);
        _keys = new RedisKeys(options.SliceId, options.Address is RedisAddress.Cluster);
        _shards = [.. Enumerable.Range(0, options.Shards).Select(s => _keys.Of(new ShardId(s)))];
        _appenders = new ShardAppender?[options.Shards];
        _tokens = new byte[]?[options.Shards];
        _mayBeEmpty = new long[options.Shards];
        _secondsToLive = (long)options.TimeToLive.TotalSeconds;
        _traces = new TraceReader(_keys, options.Rules, _link);
        _payloads = new ClaimedPayloads(_keys, options.CompressionLevel, _link);
        _remover = new RecordRemover(_keys);
        _memory = new RedisMemory(_link, options);
    }

    /// <summary>Takes from this client the right to take over, claim and remove. Does not wait.</summary>
    public void Fence() => _fenced = true;

    /// <summary>
    /// The shard's input is this client's to append from now on: what those who had it before still append or claim is refused. How far they have stored it; null where nobody has.
    /// Between appends to the shard.
    /// </summary>
    /// <exception cref="BufferUnavailableException">The server does not answer: begin again.</exception>
    /// <exception cref="ConfigurationException">The mark is none that this version knows.</exception>
    public async ValueTask<StoredMark?> BeginTermAsync(ShardId shard, CancellationToken cancel)
    {
        ShardAppender appender = AppenderOf(shard);
        appender.WriteBeginTerm(_options.Client.Time.GetUtcNow().ToUnixTimeMilliseconds());
        await _link.ExecuteAsync(appender.Commands, cancel);
        RespReply begun = appender.Commands.Reply(0);
        _link.ThrowIfError(begun, "beginning a term");
        RespReply term = begun.First();
        (appender.Term, appender.ConfirmedAt) = (term.Integer, _options.Client.Time.GetTimestamp());
        return StoredMark.Read(term.Next(), _options.Address, appender.Keys);
    }

    public async ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel)
    {
        ShardAppender appender = AppenderOf(batch.Shard);
        await ConfirmTermAsync(appender, batch.Shard, cancel);
        appender.WriteRecords(batch);
        RespBatch commands = appender.Commands;
        if (commands.Count > 0)
        {
            await _link.ExecuteAsync(commands, cancel);
            for (int i = 0; i < commands.Count; i++) _link.ThrowIfError(commands.Reply(i), "storing a record");
        }
        _faults?.Invoke(FaultPoint.AfterRecords);

        appender.WriteArm(batch);
        await _link.ExecuteAsync(commands, cancel);
        _link.ThrowIfError(commands.Reply(0), "arming traces");
        switch (commands.Reply(0).Integer)
        {
            case RedisScripts.Lapsed:
                throw TermIsOver(batch.Shard);
            case RedisScripts.Lost:
                appender.WriteEpoch();
                await _link.ExecuteAsync(commands, cancel);
                _link.ThrowIfError(commands.Reply(0), "beginning an epoch");
                throw Lost(batch.Shard);
        }
        appender.ConfirmedAt = _options.Client.Time.GetTimestamp();
    }

    public async ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel)
    {
        ThrowIfFenced();
        _commands.Clear();
        string name = Guid.NewGuid().ToString("N");
        foreach (ShardId shard in shards.Span)
        {
            BeginScript(_commands, RedisScripts.TakeOver, shard, arguments: 2);
            _commands.Add(_secondsToLive);
            _commands.Add(Encoding.ASCII.GetBytes(name));
        }
        await _link.ExecuteAsync(_commands, cancel);
        ShardId? lost = null;
        for (int i = 0; i < shards.Length; i++)
        {
            ShardId shard = shards.Span[i];
            _link.ThrowIfError(_commands.Reply(i), "taking a shard over");
            long doubtful = _commands.Reply(i).Integer;
            _mayBeEmpty[shard.Value] = Math.Max(0, doubtful);
            _tokens[shard.Value] = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name}:{_mayBeEmpty[shard.Value]}"));
            if (doubtful == RedisScripts.Lost) lost = shard;
        }
        if (lost is { } some) throw Lost(some);
    }

    public async ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTraces, 1);
        ThrowIfFenced();
        into.Reset(shard);
        long storedThrough = _storedThrough is null ? long.MaxValue : _storedThrough(shard);
        _commands.Clear();
        BeginScript(_commands, RedisScripts.Claim, shard, arguments: 4);
        _commands.Add(TokenOf(shard));
        _commands.Add(_secondsToLive);
        _commands.Add(beforeMs == long.MaxValue ? "+inf"u8 : Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"({beforeMs}")));
        _commands.Add(maxTraces);
        await _link.ExecuteAsync(_commands, cancel);
        RespReply names = _commands.Reply(0);
        _link.ThrowIfError(names, "claiming traces");
        if (names.Kind == RespKind.Integer) ThrowIfNotHolding(shard, names.Integer);
        if (names.Count == 0) return;

        _reading.Clear();
        foreach (RespReply name in names.Children) _traces.Write(shard, TraceReader.NameOf(name), _reading);
        await _link.ExecuteAsync(_reading, cancel);
        int index = 0;
        _empty.Clear();
        foreach (RespReply name in names.Children)
        {
            RespReply records = _reading.Reply(index);
            _traces.Read(TraceReader.NameOf(name), records, storedThrough, into);
            if (records.Count == 0) _empty.Add(index);
            index++;
        }
        if (_empty.Count > 0) await ReleaseEmptyAsync(shard, into, cancel);
    }

    public async ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel)
    {
        ThrowIfFenced();
        _reading.Clear();
        WriteGetEpoch(_reading, batch.Shard);
        _payloads.WriteReads(batch, spans.Span, _reading);
        await _link.ExecuteAsync(_reading, cancel);
        ThrowIfNotHolding(batch.Shard, _reading.Reply(0));
        if (!_payloads.TryTake(batch, _reading, firstReply: 1)) throw Lost(batch.Shard); // it was there at the claim, and only its claimer takes it away
    }

    public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span) => _payloads.Of(batch.Spans[span]);

    public async ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel)
    {
        ThrowIfFenced();
        // Whoever has taken the shard over reads what is here: a lapsed claimer takes nothing away.
        _commands.Clear();
        WriteGetEpoch(_commands, batch.Shard);
        await _link.ExecuteAsync(_commands, cancel);
        ThrowIfNotHolding(batch.Shard, _commands.Reply(0));

        (int first, int count) = traces.GetOffsetAndLength(batch.TraceCount);
        _commands.Clear();
        _remover.Write(batch, first, count, _commands);
        if (_commands.Count > 0) await _link.ExecuteAsync(_commands, cancel);
        for (int i = 0; i < _commands.Count; i++) _link.ThrowIfError(_commands.Reply(i), "removing records");
        _faults?.Invoke(FaultPoint.AfterRecordsRemoved);
        await ReleaseAsync(batch, first, count, cancel);
    }

    public ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) =>
        new ShardSurvey(_link, _shards[shard.Value], _traces).MeasureAsync(shard, _storedThrough is null ? long.MaxValue : _storedThrough(shard), cancel);

    public ValueTask<double> LoadAsync(CancellationToken cancel) => _memory.LoadAsync(cancel);

    public async ValueTask DisposeAsync()
    {
        foreach (ShardAppender? appender in _appenders) appender?.Dispose();
        _payloads.Dispose();
        await _link.DisposeAsync();
    }

    internal static void WriteEpoch(RespBatch commands, ShardKeys keys, long secondsToLive)
    {
        commands.Begin(6, keys.Slot);
        commands.Add("SET"u8);
        commands.Add(keys.Epoch);
        commands.Add(Nobody);
        commands.Add("NX"u8);
        commands.Add("EX"u8);
        commands.Add(secondsToLive);
    }

    private ShardAppender AppenderOf(ShardId shard) => _appenders[shard.Value] ??= new ShardAppender(shard, _options, _keys);

    /// <summary>
    /// Records are stored without a condition: their keys are in other slots than the shard's. So whoever has not heard of his term for a while, having been stopped or cut off, asks before he
    /// stores any.
    /// </summary>
    private async ValueTask ConfirmTermAsync(ShardAppender appender, ShardId shard, CancellationToken cancel)
    {
        if (appender.Term == 0 || _options.Client.Time.GetElapsedTime(appender.ConfirmedAt) < s_believed) return;
        appender.WriteGetTerm();
        await _link.ExecuteAsync(appender.Commands, cancel);
        RespReply term = appender.Commands.Reply(0);
        _link.ThrowIfError(term, "reading the term of a shard");
        if (!term.IsNull && term.Number > appender.Term) throw TermIsOver(shard);
    }

    /// <summary>
    /// Traces that are due and have no records: a claimer before has died between the removal of the records and the end of the claim. If there are more of them than it can have left,
    /// the server has lost them.
    /// </summary>
    private async ValueTask ReleaseEmptyAsync(ShardId shard, ClaimBatch batch, CancellationToken cancel)
    {
        // A claimer that sees what is being stored just now may remove it before it is armed, and find the trace empty then.
        bool lost = _storedThrough is not null && _empty.Count > _mayBeEmpty[shard.Value];
        _mayBeEmpty[shard.Value] = Math.Max(0, _mayBeEmpty[shard.Value] - _empty.Count);
        if (!lost) return; // they leave with the others
        foreach (int trace in _empty) await ReleaseAsync(batch, trace, 1, cancel);
        throw Lost(shard);
    }

    private async ValueTask ReleaseAsync(ClaimBatch batch, int first, int count, CancellationToken cancel)
    {
        if (count == 0) return;
        _commands.Clear();
        WriteRelease(batch, batch.Traces.Slice(first, count));
        await _link.ExecuteAsync(_commands, cancel);
        _link.ThrowIfError(_commands.Reply(0), "ending a claim");
        ThrowIfNotHolding(batch.Shard, _commands.Reply(0).Integer);
    }

    private void WriteRelease(ClaimBatch batch, ReadOnlySpan<ClaimedTrace> traces)
    {
        int staying = 0;
        foreach (ref readonly ClaimedTrace trace in traces)
            if (NextDeadlineOf(trace) != SegmentRules.Never) staying++;
        BeginScript(_commands, RedisScripts.Release, batch.Shard, arguments: 3 + traces.Length + staying);
        _commands.Add(TokenOf(batch.Shard));
        _commands.Add(_secondsToLive);
        _commands.Add(staying);
        Span<byte> name = stackalloc byte[RedisKeys.LongestTraceName];
        foreach (ref readonly ClaimedTrace trace in traces)
        {
            if (NextDeadlineOf(trace) == SegmentRules.Never) continue;
            _commands.Add(NextDeadlineOf(trace));
            _commands.Add(name[..RedisKeys.WriteTraceName(trace.Key, name)]);
        }
        foreach (ref readonly ClaimedTrace trace in traces)
        {
            if (NextDeadlineOf(trace) == SegmentRules.Never) _commands.Add(name[..RedisKeys.WriteTraceName(trace.Key, name)]);
        }
    }

    /// <summary>Of what stays of it, or of what has come to it meanwhile.</summary>
    private static long NextDeadlineOf(in ClaimedTrace trace) => Math.Min(trace.NextDeadlineMs, trace.Token);

    private void BeginScript(RespBatch commands, RespScript script, ShardId shard, int arguments)
    {
        ShardKeys keys = _shards[shard.Value];
        commands.Begin(script, keys: 3, arguments, keys.Slot);
        commands.Add(keys.Due);
        commands.Add(keys.Inflight);
        commands.Add(keys.Epoch);
    }

    private void WriteGetEpoch(RespBatch commands, ShardId shard)
    {
        commands.Begin(2, _shards[shard.Value].Slot);
        commands.Add("GET"u8);
        commands.Add(_shards[shard.Value].Epoch);
    }

    private ReadOnlySpan<byte> TokenOf(ShardId shard) => _tokens[shard.Value] is { } token ? token : throw Lapsed(shard);

    private void ThrowIfNotHolding(ShardId shard, in RespReply epoch)
    {
        _link.ThrowIfError(epoch, "reading the epoch of a shard");
        if (epoch.IsNull || epoch.Bytes.SequenceEqual(Nobody)) throw Lost(shard);
        if (!epoch.Bytes.SequenceEqual(TokenOf(shard))) throw Lapsed(shard);
    }

    private void ThrowIfNotHolding(ShardId shard, long answer)
    {
        if (answer == RedisScripts.Lost) throw Lost(shard);
        if (answer == RedisScripts.Lapsed) throw Lapsed(shard);
    }

    private void ThrowIfFenced()
    {
        if (_fenced) throw new ClaimLapsedException("This client of the buffer was fenced: its worker was replaced.");
    }

    private static ClaimLapsedException Lapsed(ShardId shard) =>
        new($"This client does not hold shard {shard}: it has not taken it over, or another client has done so since. If it is another instance of Sheaf, one of them has to go.");

    private static ClaimLapsedException TermIsOver(ShardId shard) =>
        new($"This client may not append to shard {shard} any more: another instance of Sheaf was given it. What was read of it and not stored, that one reads.");

    private BufferLostException Lost(ShardId shard) =>
        new($"{_options.Address}: what was buffered for shard {shard} is gone, or a part of it: the server came back without its data, or keys have expired or were deleted");
}

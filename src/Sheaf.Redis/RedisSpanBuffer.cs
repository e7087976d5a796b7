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
    private const int MeasurePage = 500;

    /// <summary>The epoch of a shard that nobody has taken over since it began. A claimer who finds it in the place of his token has lost what was there. The scripts know it too.</summary>
    private static ReadOnlySpan<byte> Nobody => "nobody"u8;

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
    private readonly RecordPayloads _payloads;
    private readonly List<int> _empty = [];
    private readonly RedisMemory _memory;
    private RecordPlace[] _places = [];
    private byte[] _arena = [];
    private byte[] _name = new byte[1024];
    private volatile bool _fenced;

    /// <summary>Where the payloads of a record lie that were read last.</summary>
    private struct RecordPlace
    {
        public bool IsWanted;
        public bool IsPlain;
        public RespReply Value;
        public int Start;
    }

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
        _payloads = new RecordPayloads(options.CompressionLevel);
        _memory = new RedisMemory(_link, options);
    }

    /// <summary>Takes from this client the right to take over, claim and remove. Does not wait.</summary>
    public void Fence() => _fenced = true;

    public async ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel)
    {
        ShardAppender appender = _appenders[batch.Shard.Value] ??= new ShardAppender(batch.Shard, _options, _keys);
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
        for (int i = 0; i < commands.Count; i++) _link.ThrowIfError(commands.Reply(i), "arming traces");
        foreach (RespReply done in commands.Reply(commands.Count - 1).Children) _link.ThrowIfError(done, "arming traces");
        if (appender.FoundEpoch) return;

        appender.WriteEpoch();
        await _link.ExecuteAsync(commands, cancel);
        _link.ThrowIfError(commands.Reply(0), "beginning an epoch");
        throw Lost(batch.Shard);
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
        WriteReads(shard, names);
        await _link.ExecuteAsync(_reading, cancel);
        int index = 0;
        _empty.Clear();
        foreach (RespReply name in names.Children)
        {
            RespReply records = _reading.Reply(index);
            _link.ThrowIfError(records, "reading what is known of a trace");
            if (records.Count == 0) _empty.Add(index);
            AddTrace(into, ReadTraceName(name), records, storedThrough);
            index++;
        }
        if (_empty.Count > 0) await ReleaseEmptyAsync(shard, into, cancel);
    }

    public async ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel)
    {
        ThrowIfFenced();
        _reading.Clear();
        WriteGetEpoch(_reading, batch.Shard);
        MarkWanted(batch, spans.Span);
        WritePayloadReads(batch);
        await _link.ExecuteAsync(_reading, cancel);
        ThrowIfNotHolding(batch.Shard, _reading.Reply(0));
        TakePayloads(batch);
    }

    public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span)
    {
        ref readonly BufferedSpan buffered = ref batch.Spans[span];
        ref readonly RecordPlace place = ref _places[(int)(buffered.PayloadRef >> 32)];
        int start = place.Start + (int)(uint)buffered.PayloadRef;
        return (place.IsPlain ? place.Value.Bytes : _arena).Slice(start, buffered.PayloadLength);
    }

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
        WriteRemovals(batch, first, count);
        if (_commands.Count > 0) await _link.ExecuteAsync(_commands, cancel);
        for (int i = 0; i < _commands.Count; i++) _link.ThrowIfError(_commands.Reply(i), "removing records");
        _faults?.Invoke(FaultPoint.AfterRecordsRemoved);
        await ReleaseAsync(batch, first, count, cancel);
    }

    /// <inheritdoc/>
    /// <remarks>Looks at every trace of the shard. Deliveries that are stored twice count once, and what lies behind the stored mark does not count.</remarks>
    public async ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel)
    {
        long storedThrough = _storedThrough is null ? long.MaxValue : _storedThrough(shard);
        var seen = new HashSet<TraceKey>();
        var claim = new ClaimBatch();
        long spans = 0, bytes = 0, earliest = SegmentRules.Never;
        foreach (byte[] key in (byte[][])[_shards[shard.Value].Due, _shards[shard.Value].Inflight])
        {
            bool isDue = key == _shards[shard.Value].Due;
            for (long at = 0; ; at += MeasurePage)
            {
                _commands.Clear();
                _commands.Begin(5, _shards[shard.Value].Slot);
                _commands.Add("ZRANGE"u8);
                _commands.Add(key);
                _commands.Add(at);
                _commands.Add(at + MeasurePage - 1);
                _commands.Add("WITHSCORES"u8);
                await _link.ExecuteAsync(_commands, cancel);
                RespReply page = _commands.Reply(0);
                _link.ThrowIfError(page, "reading which traces there are");
                if (page.Count == 0) break;

                claim.Reset(shard);
                _reading.Clear();
                var names = new List<TraceKey>();
                foreach ((RespReply name, long deadline) in Scored(page))
                {
                    if (isDue) earliest = Math.Min(earliest, deadline);
                    TraceKey trace = ReadTraceName(name);
                    if (!seen.Add(trace)) continue;
                    names.Add(trace);
                    WriteRead(shard, trace);
                }
                if (names.Count == 0) continue;
                await _link.ExecuteAsync(_reading, cancel);
                for (int i = 0; i < names.Count; i++)
                {
                    _link.ThrowIfError(_reading.Reply(i), "reading what is known of a trace");
                    AddTrace(claim, names[i], _reading.Reply(i), storedThrough);
                    if (claim.SpansOf(claim.Traces[i]).IsEmpty) seen.Remove(names[i]);
                    (int ofTrace, long bytesOfTrace) = Deliveries(claim.SpansOf(claim.Traces[i]));
                    spans += ofTrace;
                    bytes += bytesOfTrace;
                }
            }
        }
        return new BufferDepth(spans, seen.Count, bytes, earliest);
    }

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

    /// <summary>The members of a sorted set with their scores; RESP 3 pairs them, RESP 2 does not.</summary>
    internal static IEnumerable<(RespReply Member, long Score)> Scored(RespReply page)
    {
        if (page.Count == 0) yield break;
        RespReply child = page.First();
        bool arePairs = child.Count == 2;
        for (int left = page.Count; left > 0;)
        {
            RespReply member = arePairs ? child.First() : child;
            RespReply score = member.Next();
            yield return (member, (long)score.Number);
            left -= arePairs ? 1 : 2;
            if (left > 0) child = (arePairs ? child : score).Next();
        }
    }

    private static (int Spans, long Bytes) Deliveries(ReadOnlySpan<BufferedSpan> spans)
    {
        int count = 0;
        long bytes = 0, last = long.MinValue;
        foreach (ref readonly BufferedSpan span in spans)
        {
            if (span.SourceOffset == last) continue;
            last = span.SourceOffset;
            count++;
            bytes += span.PayloadLength;
        }
        return (count, bytes);
    }

    private static TraceKey ReadTraceName(in RespReply name) => RedisKeys.TryReadTraceName(name.Bytes, out TraceKey trace)
        ? trace
        : throw new InvalidDataException($"{name} among the traces of a shard is none: something else writes to Sheaf's keys");

    private void WriteReads(ShardId shard, RespReply names)
    {
        foreach (RespReply name in names.Children) WriteRead(shard, ReadTraceName(name));
    }

    private void WriteRead(ShardId shard, in TraceKey trace)
    {
        Span<byte> key = stackalloc byte[_keys.LongestTraceKey];
        key = key[.._keys.WriteTraceKey(shard, trace, key)];
        _reading.Begin(2, _keys.SlotOf(key));
        _reading.Add("HKEYS"u8);
        _reading.Add(key);
    }

    /// <summary>
    /// Adds a trace with what counts of it. Its token is the earliest deadline of what does not: that is being stored just now, and may have been armed already for this claim to take
    /// away.
    /// </summary>
    private void AddTrace(ClaimBatch into, in TraceKey trace, in RespReply records, long storedThrough)
    {
        into.AddTrace(trace, token: SegmentRules.Never);
        foreach (RespReply name in records.Children)
        {
            RecordName.Reader reader = RecordName.Read(name.Bytes);
            BufferedSpan span = default;
            int record = -1;
            while (reader.TryRead(ref span, out int start))
            {
                // A record is of one batch, and that is stored as a whole or not.
                if (span.SourceOffset > storedThrough)
                {
                    ref ClaimedTrace claimed = ref into.Traces[^1];
                    claimed.Token = Math.Min(claimed.Token, _options.Rules.EarliestDeadline(span.StreamTimeMs, span.IsSegmentRoot));
                    continue;
                }
                if (record < 0) record = into.AddRecord(name.Bytes);
                span.PayloadRef = ((long)record << 32) | (uint)start;
                into.AddSpan() = span;
            }
        }
        into.SortSpans();
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

    private void MarkWanted(ClaimBatch batch, ReadOnlySpan<int> spans)
    {
        int records = batch.Records.Length;
        if (_places.Length < records) _places = new RecordPlace[Math.Max(records, 2 * _places.Length)];
        _places.AsSpan(0, records).Clear();
        foreach (int span in spans) _places[(int)(batch.Spans[span].PayloadRef >> 32)].IsWanted = true;
    }

    private void WritePayloadReads(ClaimBatch batch)
    {
        Span<byte> key = stackalloc byte[_keys.LongestTraceKey];
        ReadOnlySpan<ClaimedRecord> records = batch.Records;
        for (int first = 0, end; first < records.Length; first = end)
        {
            int wanted = 0;
            for (end = first; end < records.Length && records[end].Trace == records[first].Trace; end++)
                if (_places[end].IsWanted) wanted++;
            if (wanted == 0) continue;
            ReadOnlySpan<byte> trace = key[.._keys.WriteTraceKey(batch.Shard, batch.Traces[records[first].Trace].Key, key)];
            _reading.Begin(2 + wanted, _keys.SlotOf(trace));
            _reading.Add("HMGET"u8);
            _reading.Add(trace);
            for (int record = first; record < end; record++)
                if (_places[record].IsWanted) _reading.Add(batch.NameOf(records[record]));
        }
    }

    private void TakePayloads(ClaimBatch batch)
    {
        ReadOnlySpan<ClaimedRecord> records = batch.Records;
        long compressed = 0;
        int command = 0;
        int trace = -1;
        RespReply value = default;
        for (int record = 0; record < records.Length; record++)
        {
            ref RecordPlace place = ref _places[record];
            if (!place.IsWanted) continue;
            if (records[record].Trace != trace)
            {
                trace = records[record].Trace;
                RespReply values = _reading.Reply(++command);
                _link.ThrowIfError(values, "reading payloads");
                value = values.First();
            }
            else
            {
                value = value.Next();
            }
            if (value.IsNull) throw Lost(batch.Shard); // it was there at the claim, and only its claimer takes it away
            place.Value = value;
            place.IsPlain = RecordPayloads.TryGetPlain(value.Bytes, out place.Start);
            if (place.IsPlain) continue;
            place.Start = checked((int)compressed);
            compressed += RecordPayloads.LengthOf(value.Bytes);
        }
        if (compressed == 0) return;
        if (_arena.Length < compressed) _arena = GC.AllocateUninitializedArray<byte>((int)Math.Min(Array.MaxLength, Math.Max(compressed, 2L * _arena.Length)));
        for (int record = 0; record < records.Length; record++)
        {
            ref readonly RecordPlace place = ref _places[record];
            if (!place.IsWanted || place.IsPlain) continue;
            ReadOnlySpan<byte> bytes = place.Value.Bytes;
            _payloads.Decompress(bytes, _arena.AsSpan(place.Start, RecordPayloads.LengthOf(bytes)));
        }
    }

    private void WriteRemovals(ClaimBatch batch, int firstTrace, int traceCount)
    {
        Span<byte> key = stackalloc byte[_keys.LongestTraceKey];
        int[] left = CountLeft(batch, firstTrace, traceCount);
        ReadOnlySpan<ClaimedRecord> records = batch.Records;
        for (int first = 0, end; first < records.Length; first = end)
        {
            int trace = records[first].Trace;
            int gone = 0;
            for (end = first; end < records.Length && records[end].Trace == trace; end++)
                if (left[end] == 0) gone++;
            if (trace < firstTrace || trace >= firstTrace + traceCount) continue;
            ReadOnlySpan<byte> traceKey = key[.._keys.WriteTraceKey(batch.Shard, batch.Traces[trace].Key, key)];
            int slot = _keys.SlotOf(traceKey);
            if (gone > 0)
            {
                _commands.Begin(2 + gone, slot);
                _commands.Add("HDEL"u8);
                _commands.Add(traceKey);
                for (int record = first; record < end; record++)
                    if (left[record] == 0) _commands.Add(batch.NameOf(records[record]));
            }
            for (int record = first; record < end; record++)
            {
                if (left[record] <= 0) continue;
                _commands.Begin(6, slot);
                _commands.Add("EVALSHA"u8);
                _commands.Add(RedisScripts.Rename.Sha);
                _commands.Add(1);
                _commands.Add(traceKey);
                _commands.Add(batch.NameOf(records[record]));
                _commands.Add(NameOfRest(batch, record));
            }
        }
    }

    private const int Untouched = -1;

    /// <summary>By record: how many of its spans stay; <see cref="Untouched"/> where all do.</summary>
    private static int[] CountLeft(ClaimBatch batch, int firstTrace, int traceCount)
    {
        int[] left = new int[batch.Records.Length];
        Array.Fill(left, Untouched);
        for (int trace = firstTrace; trace < firstTrace + traceCount; trace++)
        {
            ClaimedTrace claimed = batch.Traces[trace];
            ReadOnlySpan<BufferedSpan> spans = batch.SpansOf(claimed);
            ReadOnlySpan<bool> removed = batch.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
            if (!removed.Contains(true)) continue;
            for (int i = 0; i < spans.Length; i++)
            {
                if (removed[i]) left[(int)(spans[i].PayloadRef >> 32)] = 0;
            }
            if (!removed.Contains(false)) continue;
            for (int i = 0; i < spans.Length; i++)
            {
                ref int count = ref left[(int)(spans[i].PayloadRef >> 32)];
                if (!removed[i] && count != Untouched) count++;
            }
        }
        return left;
    }

    /// <summary>The name of a record without the spans that are removed.</summary>
    private ReadOnlySpan<byte> NameOfRest(ClaimBatch batch, int record)
    {
        ClaimedTrace claimed = batch.Traces[batch.Records[record].Trace];
        ReadOnlySpan<BufferedSpan> spans = batch.SpansOf(claimed);
        ReadOnlySpan<bool> removed = batch.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
        int count = 0;
        for (int i = 0; i < spans.Length; i++)
            if (!removed[i] && spans[i].PayloadRef >> 32 == record) count++;
        int most = RecordName.MaxLength(count);
        if (_name.Length < most) _name = new byte[Math.Max(most, 2 * _name.Length)];
        RecordName.Writer name = RecordName.Write(_name, count, withGaps: true);
        int end = 0;
        for (int i = 0; i < spans.Length; i++)
        {
            if (removed[i] || spans[i].PayloadRef >> 32 != record) continue;
            int start = (int)(uint)spans[i].PayloadRef;
            name.Add(spans[i], start - end);
            end = start + spans[i].PayloadLength;
        }
        return _name.AsSpan(0, name.Length);
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
        commands.Begin(6 + arguments, keys.Slot);
        commands.Add("EVALSHA"u8);
        commands.Add(script.Sha);
        commands.Add(3);
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

    private BufferLostException Lost(ShardId shard) =>
        new($"{_options.Address}: what was buffered for shard {shard} is gone, or a part of it: the server came back without its data, or keys have expired or were deleted");
}

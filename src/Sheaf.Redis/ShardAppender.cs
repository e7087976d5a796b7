using System.Runtime.InteropServices;
using Sheaf.Buffering;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>
/// Turns the batches of one shard into commands: a record for each trace of the batch, then the traces' deadlines together with how far the input is stored. Owner: whoever
/// appends to the shard, one step after the other; used again for the next batch.
/// </summary>
internal sealed class ShardAppender(ShardId shard, RedisBufferOptions options, RedisKeys keys) : IDisposable
{
    private const int None = -1;

    private readonly ShardKeys _shardKeys = keys.Of(shard);
    private readonly RecordPayloads _payloads = new(options.CompressionLevel);
    private readonly TraceSizes _sizes = new(options.Rules.MaxSegmentBytes);
    private readonly Dictionary<TraceKey, int> _byTrace = [];
    private readonly List<Group> _groups = [];
    private readonly long _secondsToLive = (long)options.TimeToLive.TotalSeconds;
    private int[] _next = new int[256];
    private byte[] _name = new byte[1024];

    /// <summary>The spans of one trace in the batch: what becomes one record.</summary>
    private struct Group
    {
        public int First;
        public int Last;
        public int Count;
        public int PayloadBytes;
        public long DeadlineMs;
    }

    public RespBatch Commands { get; } = new();

    public ShardKeys Keys => _shardKeys;

    /// <summary>Groups the batch by trace and writes the commands that store the records.</summary>
    public void WriteRecords(SpanBatch batch)
    {
        Commands.Clear();
        GroupByTrace(batch);
        Span<byte> key = stackalloc byte[keys.LongestTraceKey];
        foreach (ref readonly Group group in CollectionsMarshal.AsSpan(_groups))
        {
            ReadOnlySpan<byte> trace = key[..keys.WriteTraceKey(shard, batch.Spans[group.First].Trace, key)];
            int slot = keys.SlotOf(trace);
            Commands.Begin(4, slot);
            Commands.Add("HSET"u8);
            Commands.Add(trace);
            Commands.Add(NameOf(batch, group));
            _payloads.Write(batch, group.First, _next, group.PayloadBytes, Commands);
            Commands.Begin(3, slot);
            Commands.Add("EXPIRE"u8);
            Commands.Add(trace);
            Commands.Add(_secondsToLive);
        }
    }

    /// <summary>
    /// The number of this appender's term; 0 where it has begun none, since nobody else can have the shard (a file's). Set by whoever begins it.
    /// </summary>
    public long Term { get; set; }

    /// <summary>When the server last said that the term goes on, as a timestamp.</summary>
    public long ConfirmedAt { get; set; }

    /// <summary>Writes the script that begins a term.</summary>
    public void WriteBeginTerm(long nowMs)
    {
        Commands.Clear();
        Commands.Begin(RedisScripts.BeginTerm, keys: 3, arguments: 2, _shardKeys.Slot);
        Commands.Add(_shardKeys.Stored);
        Commands.Add(_shardKeys.Epoch);
        Commands.Add(_shardKeys.Term);
        Commands.Add(_secondsToLive);
        Commands.Add(nowMs);
    }

    /// <summary>Writes the question whose term it is.</summary>
    public void WriteGetTerm()
    {
        Commands.Clear();
        Begin(2, "GET"u8);
        Commands.Add(_shardKeys.Term);
    }

    /// <summary>Writes the script that arms the traces of the batch and notes how far the input is stored, all or nothing.</summary>
    public void WriteArm(SpanBatch batch)
    {
        Commands.Clear();
        Commands.Begin(RedisScripts.Arm, keys: 4, arguments: 3 + (2 * _groups.Count), _shardKeys.Slot);
        Commands.Add(_shardKeys.Due);
        Commands.Add(_shardKeys.Stored);
        Commands.Add(_shardKeys.Epoch);
        Commands.Add(_shardKeys.Term);
        Commands.Add(_secondsToLive);
        Commands.Add(Term);
        Commands.Add(System.Text.Encoding.UTF8.GetBytes(new StoredMark(batch.Through, options.Shards, options.Source).ToString()));
        Span<byte> name = stackalloc byte[RedisKeys.LongestTraceName];
        foreach (ref readonly Group group in CollectionsMarshal.AsSpan(_groups))
        {
            Commands.Add(group.DeadlineMs);
            Commands.Add(name[..RedisKeys.WriteTraceName(batch.Spans[group.First].Trace, name)]);
        }
    }

    /// <summary>Writes the command that makes an epoch for the shard where it has none.</summary>
    public void WriteEpoch()
    {
        Commands.Clear();
        RedisSpanBuffer.WriteEpoch(Commands, _shardKeys, _secondsToLive);
    }

    public void Dispose() => _payloads.Dispose();

    private void Begin(int words, ReadOnlySpan<byte> name)
    {
        Commands.Begin(words, _shardKeys.Slot);
        Commands.Add(name);
    }

    private void GroupByTrace(SpanBatch batch)
    {
        _byTrace.Clear();
        _groups.Clear();
        if (_next.Length < batch.Count) _next = new int[Math.Max(batch.Count, 2 * _next.Length)];
        ReadOnlySpan<TraceSpan> spans = batch.Spans;
        for (int i = 0; i < spans.Length; i++)
        {
            ref readonly TraceSpan span = ref spans[i];
            _next[i] = None;
            ref int index = ref CollectionsMarshal.GetValueRefOrAddDefault(_byTrace, span.Trace, out bool exists);
            if (!exists)
            {
                index = _groups.Count;
                _groups.Add(new Group { First = i, Last = None, DeadlineMs = SegmentRules.Never });
            }
            ref Group group = ref CollectionsMarshal.AsSpan(_groups)[index];
            if (group.Last != None) _next[group.Last] = i;
            group.Last = i;
            group.Count++;
            group.PayloadBytes = checked(group.PayloadBytes + span.PayloadLength);
            long arrivedMs = span.StreamTimeMs - span.AheadMs;
            long deadline = options.Rules.EarliestDeadline(arrivedMs, span.IsSegmentRoot);
            // Grown too large: to be looked at once the clock is at this span.
            if (_sizes.Add(span.Trace, span.PayloadLength)) deadline = Math.Min(deadline, arrivedMs - 1);
            group.DeadlineMs = Math.Min(group.DeadlineMs, deadline);
        }
    }

    private ReadOnlySpan<byte> NameOf(SpanBatch batch, in Group group)
    {
        int most = RecordName.MaxLength(group.Count);
        if (_name.Length < most) _name = new byte[Math.Max(most, 2 * _name.Length)];
        RecordName.Writer name = RecordName.Write(_name, group.Count);
        for (int i = group.First; i != None; i = _next[i]) name.Add(batch.Spans[i]);
        return _name.AsSpan(0, name.Length);
    }
}

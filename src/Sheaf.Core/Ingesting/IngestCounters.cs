using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>What the ingest side has counted, per shard. One writer per shard at a time; any reader, who may see a block half counted.</summary>
public sealed class IngestCounters(int shards)
{
    private readonly long[] _received = new long[shards];
    private readonly long[] _receivedBytes = new long[shards];
    private readonly long[] _segmentRoots = new long[shards];
    private readonly long[] _deadLetters = new long[shards];
    private readonly long[] _dropped = new long[shards];
    private readonly long[] _losses = new long[shards];
    private readonly long[] _farAhead = new long[shards];
    private readonly long[] _deadLettersByKind = new long[Enum.GetValues<SpanFaultKind>().Length];

    /// <summary>Traces whose spans come in several partitions.</summary>
    public TraceScatter Scatter { get; } = new(shards);

    /// <summary>Messages read, good or bad.</summary>
    public long Received(ShardId shard) => Volatile.Read(ref _received[shard.Value]);

    /// <summary>Bytes of the messages read.</summary>
    public long ReceivedBytes(ShardId shard) => Volatile.Read(ref _receivedBytes[shard.Value]);

    /// <summary>Segment roots among the spans stored.</summary>
    public long SegmentRoots(ShardId shard) => Volatile.Read(ref _segmentRoots[shard.Value]);

    /// <summary>Messages that went to the dead letters.</summary>
    public long DeadLetters(ShardId shard) => Volatile.Read(ref _deadLetters[shard.Value]);

    /// <summary>The same over all shards, by why they could not be used.</summary>
    public long DeadLetters(SpanFaultKind kind) => Volatile.Read(ref _deadLettersByKind[(int)kind]);

    /// <summary>Spans dropped by a configured rule.</summary>
    public long Dropped(ShardId shard) => Volatile.Read(ref _dropped[shard.Value]);

    /// <summary>How often the buffer was found to have lost what it held.</summary>
    public long Losses(ShardId shard) => Volatile.Read(ref _losses[shard.Value]);

    /// <summary>Messages whose timestamps are far ahead of those of most others.</summary>
    public long FarAhead(ShardId shard) => Volatile.Read(ref _farAhead[shard.Value]);

    internal void CountFarAhead(ShardId shard, long messages) => Add(_farAhead, shard, messages);

    public void CountLoss(ShardId shard) => Add(_losses, shard, 1);

    internal void CountStored(ShardId shard, long spans, long bytes, long segmentRoots)
    {
        Add(_received, shard, spans);
        Add(_receivedBytes, shard, bytes);
        Add(_segmentRoots, shard, segmentRoots);
    }

    internal void CountDeadLetter(ShardId shard, SpanFaultKind kind, long bytes)
    {
        Interlocked.Increment(ref _deadLettersByKind[(int)kind]); // shards share it
        Add(_received, shard, 1);
        Add(_receivedBytes, shard, bytes);
        Add(_deadLetters, shard, 1);
    }

    internal void CountDropped(ShardId shard, long spans, long bytes)
    {
        Add(_received, shard, spans);
        Add(_receivedBytes, shard, bytes);
        Add(_dropped, shard, spans);
    }

    private static void Add(long[] cells, ShardId shard, long amount) => Volatile.Write(ref cells[shard.Value], cells[shard.Value] + amount);
}

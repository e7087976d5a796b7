using System.Globalization;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// The in-process buffer: the shards with all that they hold, and the byte limit over them. It hands out clients: one to the ingest
/// pipeline, one to each flusher worker. It outlives its clients; a client that is dropped takes nothing with it. Any thread.
/// </summary>
/// <remarks>Durable by replay only: what is buffered when the process ends has to be read from the source again.</remarks>
public sealed class MemoryBuffer
{
    private readonly MemoryShard[] _shards;

    /// <param name="shardCount">Shards 0 to this, exclusive. At least 1.</param>
    /// <param name="maxBytes">What counts as full (<c>max-buffer-bytes</c>), over all shards. At least 1.</param>
    public MemoryBuffer(SegmentRules rules, int shardCount, long maxBytes)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentOutOfRangeException.ThrowIfLessThan(shardCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        MaxBytes = maxBytes;
        _shards = new MemoryShard[shardCount];
        for (int s = 0; s < shardCount; s++) _shards[s] = new MemoryShard(new ShardId(s), rules);
    }

    public int ShardCount => _shards.Length;

    /// <summary>Bytes in use at which the buffer is full.</summary>
    public long MaxBytes { get; }

    /// <summary>Bytes in use: slots of payloads, records of spans and traces.</summary>
    public long UsedBytes
    {
        get
        {
            long sum = 0;
            foreach (MemoryShard shard in _shards) sum += shard.UsedBytes;
            return sum;
        }
    }

    /// <summary>Bytes taken from the system, those that wait to be used again included. Only meaningful while no client is at work.</summary>
    public long AllocatedBytes
    {
        get
        {
            long sum = 0;
            foreach (MemoryShard shard in _shards) sum += shard.AllocatedBytes;
            return sum;
        }
    }

    /// <summary>Share of <see cref="MaxBytes"/> in use: 1 or more is full.</summary>
    public double Load => (double)UsedBytes / MaxBytes;

    /// <summary>What is buffered for a shard now.</summary>
    public BufferDepth Measure(ShardId shard) => Shard(shard).Measure();

    /// <summary>The lowest source offset that is buffered for a shard; null where nothing is. For every second, not for every batch.</summary>
    public long? LowestOffset(ShardId shard) => Shard(shard).LowestOffset();

    /// <summary>Forgets what is buffered for a shard: somebody else reads it again. After its appender and its claimer have let go of it.</summary>
    public void Drop(ShardId shard) => Shard(shard).Drop();

    /// <summary>A client. It claims nothing before it has taken a shard over.</summary>
    public MemorySpanBuffer OpenClient() => new MemorySpanBuffer(this);

    internal MemoryShard Shard(ShardId shard)
    {
        if ((uint)shard.Value >= (uint)_shards.Length)
            throw new ArgumentOutOfRangeException(nameof(shard), shard, string.Create(CultureInfo.InvariantCulture, $"The buffer has shards 0 to {_shards.Length - 1}."));
        return _shards[shard.Value];
    }
}

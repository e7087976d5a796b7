using System.Globalization;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// The in-process buffer: the shards with all that they hold, and the byte limit over them. It hands out clients: one to the ingest
/// pipeline, one to each flusher worker. It outlives its clients; a client that is dropped takes nothing with it. Any thread.
/// </summary>
/// <remarks>Durable by replay only: what is buffered when the process ends has to be read from the source again (<see cref="TakeProgress"/>).</remarks>
public sealed class MemoryBuffer
{
    private readonly MemoryShard?[] _shards; // made when they are first needed: a worker has few of a topic's many
    private readonly SegmentRules _rules;
    private readonly bool _keepsProgress;

    /// <param name="shardCount">Shards 0 to this, exclusive. At least 1.</param>
    /// <param name="maxBytes">What counts as full (<c>max-buffer-bytes</c>), over all shards. At least 1.</param>
    /// <param name="keepsProgress">Whether it is to be told what must be read again after an end (<see cref="TakeProgress"/>); each shard is begun first then.</param>
    public MemoryBuffer(SegmentRules rules, int shardCount, long maxBytes, bool keepsProgress = false)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentOutOfRangeException.ThrowIfLessThan(shardCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        MaxBytes = maxBytes;
        _rules = rules;
        _keepsProgress = keepsProgress;
        _shards = new MemoryShard?[shardCount];
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
            foreach (MemoryShard? shard in _shards) sum += shard?.UsedBytes ?? 0;
            return sum;
        }
    }

    /// <summary>Bytes taken from the system, those that wait to be used again included. Only meaningful while no client is at work.</summary>
    public long AllocatedBytes
    {
        get
        {
            long sum = 0;
            foreach (MemoryShard? shard in _shards) sum += shard?.AllocatedBytes ?? 0;
            return sum;
        }
    }

    /// <summary>Share of <see cref="MaxBytes"/> in use: 1 or more is full.</summary>
    public double Load => (double)UsedBytes / MaxBytes;

    /// <summary>What is buffered for a shard now.</summary>
    public BufferDepth Measure(ShardId shard) => Shard(shard).Measure();

    /// <summary>The shard's input is read from behind here on, but for these offsets: what came with them has left already. Before its first append of a life.</summary>
    public void Begin(ShardId shard, StoredPosition stored, SettledOffsets settled) => Shard(shard).Begin(stored, settled);

    /// <summary>How far a shard is.</summary>
    /// <param name="into">Its earlier content is gone.</param>
    /// <param name="claim">Null, or a claim of this shard: the answer is how far the shard is once what is marked as removed in its <paramref name="traces"/> has left.</param>
    public void TakeProgress(ShardId shard, ProgressSnapshot into, ClaimBatch? claim = null, Range traces = default) => Shard(shard).TakeProgress(claim, traces, into);

    /// <summary>
    /// The snapshot is kept where the next process finds it, and what it was taken with has happened: the next snapshot tells what has changed since. One that is older than the shard's
    /// present life changes nothing.
    /// </summary>
    public void AcknowledgeProgress(ProgressSnapshot snapshot) => Shard(snapshot.Shard).AcknowledgeProgress(snapshot);

    /// <summary>Nothing of a shard's progress is kept elsewhere any more: the next snapshot has all of it.</summary>
    public void ForgetAcknowledged(ShardId shard) => Shard(shard).ForgetAcknowledged();

    /// <summary>How many spans of these source offsets wait.</summary>
    /// <param name="after">Exclusive.</param>
    /// <param name="through">Inclusive.</param>
    public long CountWaiting(ShardId shard, long after, long through) => Shard(shard).CountWaiting(after, through);

    /// <summary>Whether the span with this source offset waits.</summary>
    public bool IsWaiting(ShardId shard, long offset) => Shard(shard).CountWaiting(offset - 1, offset) > 0;

    /// <summary>Forgets what is buffered for a shard: somebody else reads it again. After its appender and its claimer have let go of it.</summary>
    public void Drop(ShardId shard) => Shard(shard).Drop();

    /// <summary>A client. It claims nothing before it has taken a shard over.</summary>
    public MemorySpanBuffer OpenClient() => new MemorySpanBuffer(this);

    internal MemoryShard Shard(ShardId shard)
    {
        if ((uint)shard.Value >= (uint)_shards.Length)
            throw new ArgumentOutOfRangeException(nameof(shard), shard, string.Create(CultureInfo.InvariantCulture, $"The buffer has shards 0 to {_shards.Length - 1}."));
        ref MemoryShard? place = ref _shards[shard.Value];
        if (Volatile.Read(ref place) is { } known) return known;
        var made = new MemoryShard(shard, _rules, _keepsProgress);
        return Interlocked.CompareExchange(ref place, made, null) ?? made;
    }
}

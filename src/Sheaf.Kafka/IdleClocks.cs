using Sheaf.Ingesting;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>
/// Tells the owner of the shards how long each has been idle: since when everything of its partition is read, as far as its own broker has confirmed it. No partition's time hangs on another's
/// messages, on another's broker, or on the way that blocks take. Owner: the polling thread.
/// </summary>
internal sealed class IdleClocks(KafkaSourceOptions options, IShardOwner owner, EndProbe probe, TimeProvider time)
{
    private readonly SortedDictionary<int, Partition> _partitions = [];
    private long _lastTold;

    private sealed class Partition(long assignment, long readThrough)
    {
        public long Assignment { get; } = assignment;

        /// <summary>The last offset that was read of it, or was read before it came.</summary>
        public long ReadThrough { get; set; } = readThrough;

        /// <summary>Since when everything of it is read; 0 while there is more, or there is no telling.</summary>
        public long EndSince { get; set; }

        /// <summary>Where it ended then.</summary>
        public long EndOffset { get; set; }

        /// <summary>When its broker last said that it still ends there.</summary>
        public long EndedAt { get; set; }
    }

    /// <summary>A partition has come, and is read from here on.</summary>
    public void Begin(StartPlace start) => _partitions[start.Partition] = new Partition(start.Assignment, start.Offset - 1);

    /// <summary>A partition has gone.</summary>
    public void Forget(int partition) => _partitions.Remove(partition);

    /// <summary>Messages of a partition were read, up to this offset.</summary>
    public void Read(int partition, long through)
    {
        if (_partitions.TryGetValue(partition, out Partition? read)) (read.ReadThrough, read.EndSince) = (through, 0);
    }

    /// <summary>A partition was read to its end, which was there.</summary>
    public void Ended(PartitionOffset end)
    {
        if (!_partitions.TryGetValue(end.Partition, out Partition? partition)) return;
        long now = time.GetTimestamp();
        (partition.EndSince, partition.EndedAt, partition.EndOffset) = (now, now, end.Offset);
    }

    /// <summary>Whether everything of a partition that is here is read.</summary>
    public bool IsAtEnd(int partition) => _partitions.TryGetValue(partition, out Partition? known) && known.EndSince != 0;

    /// <summary>How many messages of the partitions that are here were not read yet.</summary>
    /// <param name="endOf">The offset behind a partition's last message, as far as it is known.</param>
    public long CountUnread(Func<int, long?> endOf)
    {
        long unread = 0;
        foreach ((int number, Partition partition) in _partitions)
        {
            // What is behind the last message of one that is read to its end is no message: the marks of transactions.
            if (partition.EndSince == 0 && endOf(number) is { } end) unread += Math.Max(0, end - partition.ReadThrough - 1);
        }
        return unread;
    }

    /// <summary>Tells the owner, where it is time to.</summary>
    public void Tell()
    {
        long now = time.GetTimestamp();
        if (time.GetElapsedTime(_lastTold, now) < options.IdleInterval) return;
        _lastTold = now;
        // A broker that does not answer may hold what the segments here wait for: their clock stands with its last word.
        while (probe.TryTakeAnswer(out EndAnswer answer))
        {
            foreach (PartitionOffset end in answer.Ends)
            {
                if (_partitions.TryGetValue(end.Partition, out Partition? asked) && asked.EndOffset == end.Offset && asked.EndSince != 0 && asked.EndSince <= answer.AskedAt)
                    asked.EndedAt = answer.AskedAt;
            }
        }
        probe.Ask([.. _partitions.Where(p => p.Value.EndSince != 0 && time.GetElapsedTime(p.Value.EndedAt, now) >= options.EndInterval).Select(p => p.Key)]);
        long nowMs = (time.GetUtcNow() - options.ClockSlack).ToUnixTimeMilliseconds();
        foreach ((int number, Partition partition) in _partitions)
        {
            if (partition.EndSince == 0) continue;
            long idle = (long)(time.GetElapsedTime(partition.EndSince, partition.EndedAt) - options.ClockSlack).TotalMilliseconds;
            if (idle > 0) owner.BeIdle(new ShardId(number), partition.Assignment, partition.ReadThrough, idle, nowMs);
        }
    }
}

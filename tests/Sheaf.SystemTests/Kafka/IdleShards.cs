using Sheaf.Buffering;
using Sheaf.Ingesting;
using Sheaf.Spans;

namespace Sheaf.SystemTests.Kafka;

/// <summary>An owner of shards that stores nothing, and keeps only how long each has been idle.</summary>
internal sealed class IdleShards(int shards) : IShardOwner
{
    private readonly long[] _idleMs = new long[shards];
    private readonly long[] _readThrough = new long[shards];

    public long IdleMs(int shard) => Volatile.Read(ref _idleMs[shard]);

    /// <summary>The offset of the last message that was read of a shard when it was idle.</summary>
    public long ReadThrough(int shard) => Volatile.Read(ref _readThrough[shard]);

    public ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel) => default;

    public void MissWhatWasRead(ShardId shard, long offset) { }

    public ValueTask BeginAsync(ShardId shard, long assignment, StoredPosition stored, SettledOffsets settled, CancellationToken cancel) => default;

    public void BeIdle(ShardId shard, long assignment, long readThrough, long idleMs, long nowMs)
    {
        Volatile.Write(ref _readThrough[shard.Value], readThrough);
        Volatile.Write(ref _idleMs[shard.Value], idleMs);
    }

    public long ReadOnFrom(ShardId shard) => 0;

    public ValueTask ReleaseAsync(ShardId shard, CancellationToken cancel) => default;

    public void Forget(ShardId shard, bool wasLost) { }
}

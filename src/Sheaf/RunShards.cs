using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>Takes shards in and lets them go as the group says: between the source, which hears of it, and the pipeline, the workers and the buffer, who have to follow.</summary>
/// <param name="keepsProgress">Whether a buffer that does not outlive the process can be replayed exactly.</param>
internal sealed partial class RunShards(IngestPipeline pipeline, RunBuffer buffer, IngestCounters counters, bool keepsProgress, string source, ILogger logger) : IShardOwner
{
    private readonly BufferDepth[] _before = new BufferDepth[buffer.ShardCount];
    private bool _hasWarned;

    public ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel) => buffer.TakeAsync(shard, cancel);

    public void MissWhatWasRead(ShardId shard, long offset)
    {
        // The memory engine commits what it has produced, and has nothing to lose. At offset 0 nothing was read.
        if (!buffer.OutlivesTheProcess || offset <= 0) return;
        counters.CountLoss(shard);
        Log.NothingIsStored(logger, shard, source, offset);
    }

    public async ValueTask BeginAsync(ShardId shard, long assignment, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        if (!buffer.OutlivesTheProcess && !keepsProgress && !_hasWarned)
        {
            _hasWarned = true;
            Log.ReplayMayBePartial(logger);
        }
        await buffer.BeginAsync(shard, stored, settled, cancel);
        await pipeline.AssignAsync(shard, assignment, stored, settled, cancel);
        Log.Assigned(logger, shard, source, stored.Offset + 1, settled.CountFrom(stored.Offset + 1));
    }

    public void BeIdle(ShardId shard, long assignment, long readThrough, long idleMs, long nowMs) => pipeline.BeIdle(shard, assignment, readThrough, idleMs, nowMs);

    public long ReadOnFrom(ShardId shard) => buffer.ReadOnFrom(shard);

    public async ValueTask ReleaseAsync(ShardId shard, CancellationToken cancel)
    {
        await pipeline.ReleaseAsync(shard, cancel);
        _before[shard.Value] = buffer.Depth(shard);
    }

    public void Forget(ShardId shard, bool wasLost)
    {
        long spans = _before[shard.Value].Spans;
        buffer.HandOver(shard);
        if (wasLost) Log.Lost(logger, shard, source, spans);
        else Log.Released(logger, shard, source, spans);
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.PartitionAssigned, LogLevel.Information, "Partition {Shard} of {Source} is this instance's, from offset {Offset} on; {Settled} messages behind it have left already")]
        public static partial void Assigned(ILogger logger, ShardId shard, string source, long offset, long settled);

        [LoggerMessage(EventIds.PartitionReleased, LogLevel.Information, "Partition {Shard} of {Source} is handed over; {Spans} spans waited in it")]
        public static partial void Released(ILogger logger, ShardId shard, string source, long spans);

        [LoggerMessage(EventIds.PartitionLost, LogLevel.Warning, "Partition {Shard} of {Source} is not this instance's any more: the group has not heard from it in time (session.timeout.ms), or has gone on without it. Nothing is lost: whoever gets the partition next, which may be this instance, goes on at what was committed, with the {Spans} spans that waited; what was produced and not committed comes out again")]
        public static partial void Lost(ILogger logger, ShardId shard, string source, long spans);

        [LoggerMessage(EventIds.BufferEmptyAtCommit, LogLevel.Error, "The group has read partition {Shard} of {Source} up to offset {Offset}, and Redis knows nothing of it: it has lost its memory, or its keys have expired (--redis-ttl). What waited there is lost; the run goes on behind that offset. To have it again, set the group's offset back to before what waited (kafka-consumer-groups --reset-offsets): what had left comes out again. Where another buffer was used until now, nothing is lost")]
        public static partial void NothingIsStored(ILogger logger, ShardId shard, string source, long offset);

        [LoggerMessage(EventIds.ReplayMayBePartial, LogLevel.Warning, "With --buffer memory and --progress-topic none, whoever takes a partition over reads again from the oldest span that waited: segments that had left by then come out again, some of them in part and under another flush_id. A Redis buffer (--buffer redis://…) repeats nothing at a handover, and only whole segments after a crash")]
        public static partial void ReplayMayBePartial(ILogger logger);
    }
}

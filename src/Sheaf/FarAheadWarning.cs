using Microsoft.Extensions.Logging;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>Says, at most once a minute, that a shard has messages with timestamps far ahead of those of the others. Any thread.</summary>
internal sealed partial class FarAheadWarning(string source, IngestCounters counters, ILogger logger, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private long? _lastTold;

    /// <param name="aheadMs">How far the furthest of them is ahead.</param>
    public void Tell(ShardId shard, long aheadMs)
    {
        lock (_lock)
        {
            if (_lastTold is { } last && time.GetElapsedTime(last) < Pause) return;
            _lastTold = time.GetTimestamp();
        }
        Log.MessagesFarAhead(logger, shard, source, counters.FarAhead(shard), Math.Round(aheadMs / 1000.0, 1));
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.MessagesFarAhead, LogLevel.Warning,
            "Shard {Shard} of {Source}: {Messages} messages until now are stamped far ahead of most others, up to {AheadSeconds} s: the clock of their producer is wrong. " +
            "Nothing is lost and no other trace waits for them; their own traces may come out in several segments. Set that producer's clock right. In Kafka, brokers " +
            "can stamp the messages instead (property of the topic: message.timestamp.type=LogAppendTime)")]
        public static partial void MessagesFarAhead(ILogger logger, ShardId shard, string source, long messages, double aheadSeconds);
    }
}

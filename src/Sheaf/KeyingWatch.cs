using Microsoft.Extensions.Logging;
using Sheaf.Ingesting;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>Warns of an input topic that is not keyed by trace: at once, and again once an hour while it goes on. Owner: one caller.</summary>
internal sealed partial class KeyingWatch(TraceScatter scatter, string source, ILogger logger, TimeProvider time)
{
    private const int FewestTraces = 10;
    private const int SmallestShare = 10; // in percent of the traces that had more than one span

    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_silence = TimeSpan.FromHours(1);

    private long _windowBegan = time.GetTimestamp();
    private long _repeatedBefore;
    private long _scatteredBefore;
    private long? _toldAt;

    /// <summary>Looks at what was counted since the window began.</summary>
    public void Look()
    {
        long repeated = scatter.Repeated - _repeatedBefore, scattered = scatter.Scattered - _scatteredBefore;
        bool isScattered = scattered >= FewestTraces && scattered * 100 >= repeated * SmallestShare;
        if (isScattered && (_toldAt is not { } before || time.GetElapsedTime(before) >= s_silence))
        {
            _toldAt = time.GetTimestamp();
            Log.NotKeyed(logger, source, scattered * 100 / repeated);
        }
        else if (time.GetElapsedTime(_windowBegan) < s_window)
        {
            return;
        }
        (_windowBegan, _repeatedBefore, _scatteredBefore) = (time.GetTimestamp(), scatter.Repeated, scatter.Scattered);
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.TopicNotKeyedByTrace, LogLevel.Warning,
            "Topic {Source} is not keyed by trace: {Percent} % of the traces looked at have spans in several partitions, and each partition "
            + "makes a segment of its part. No span is lost, but segments are torn. Let the producers use the trace id as the message's key")]
        public static partial void NotKeyed(ILogger logger, string source, long percent);
    }
}

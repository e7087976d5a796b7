using Microsoft.Extensions.Logging;
using Sheaf.Commands;
using Sheaf.Segments;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>Each batch that the output has acknowledged, at level debug: by a worker, be it a thread or a process.</summary>
internal static partial class BatchLog
{
    public static void Produced(ILogger logger, SegmentBatch batch, TimeSpan waited)
    {
        if (!logger.IsEnabled(LogLevel.Debug)) return;
        long spans = 0;
        foreach (ref readonly SegmentMessage message in batch.Messages) spans += message.SpanCount;
        Produced(logger, batch.Messages.Length, spans, ByteText.Of(batch.Length), Math.Round(waited.TotalMilliseconds, 1));
    }

    [LoggerMessage(EventIds.BatchProduced, LogLevel.Debug, "The output has acknowledged {Messages} messages with {Spans} spans ({Bytes}) after {Ms} ms")]
    private static partial void Produced(ILogger logger, int messages, long spans, string bytes, double ms);
}

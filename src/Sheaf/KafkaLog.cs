using Microsoft.Extensions.Logging;
using Sheaf.Kafka;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>What librdkafka and our clients of it tell, as log events.</summary>
internal static partial class KafkaLog
{
    /// <summary>Takes lines from any thread.</summary>
    public static Action<KafkaLogLine> To(ILogger logger) => line =>
    {
        LogLevel level = IsOfTheOtherKind(line) ? LogLevel.Debug : LevelOf(line.Level);
        if (logger.IsEnabled(level)) Client(logger, level, line.Facility, line.Text);
    };

    // --kafka-config is for consumers and producers alike; each says of the other's properties that it ignores them.
    private static bool IsOfTheOtherKind(KafkaLogLine line) => line.Facility == "CONFWARN" && line.Text.Contains("will be ignored by this", StringComparison.Ordinal);

    // It calls every refused connection an error; it tries again, and what cannot be mended ends the run by itself.
    private static LogLevel LevelOf(int syslog) => syslog switch
    {
        <= 2 => LogLevel.Error,
        <= 4 => LogLevel.Warning,
        <= 6 => LogLevel.Information,
        _ => LogLevel.Debug,
    };

    [LoggerMessage(EventId = EventIds.KafkaClient, Message = "{Facility}: {Text}")]
    private static partial void Client(ILogger logger, LogLevel level, string facility, string text);
}

using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf.Kafka;

/// <summary>What this folder's classes log.</summary>
internal static partial class KafkaLog
{
    [LoggerMessage(EventIds.KafkaClient, LogLevel.Debug, "librdkafka: {Facility}: {Text}")]
    public static partial void Library(ILogger logger, string facility, string text);

    [LoggerMessage(EventIds.KafkaClientError, LogLevel.Warning, "Kafka: {Error}")]
    public static partial void ClientError(ILogger logger, string error);

    [LoggerMessage(EventIds.KafkaAway, LogLevel.Warning,
        "{Place}: {Cause}, since {Since}. {Waiting}; nothing is lost, and it goes on by itself once that is over. {WayOut}")]
    public static partial void Away(ILogger logger, string place, string cause, string since, string waiting, string wayOut);

    [LoggerMessage(EventIds.KafkaBack, LogLevel.Warning, "{Place}: available again after {Seconds} s")]
    public static partial void Back(ILogger logger, string place, double seconds);

    [LoggerMessage(EventIds.PartitionsNotPaused, LogLevel.Warning, "Kafka: partitions could not be paused or resumed: {Error}. It is tried again")]
    public static partial void NotPaused(ILogger logger, string error);

    [LoggerMessage(EventIds.OffsetsNotCommitted, LogLevel.Warning,
        "How far the input is read was not committed: {Reason}. The next commit makes up for it; after a crash before that, more is repeated")]
    public static partial void NotCommitted(ILogger logger, string reason);

    [LoggerMessage(EventIds.HandoverNotCommitted, LogLevel.Warning,
        "How far partitions are that another instance gets was not committed: {Reason}. Nothing is lost; their next owner repeats work")]
    public static partial void HandoverNotCommitted(ILogger logger, string reason);

    [LoggerMessage(EventIds.StartOffsetAwaited, LogLevel.Debug, "The brokers do not tell yet where partition {Partition} is to be read on: {Error}")]
    public static partial void StartAwaited(ILogger logger, int partition, string error);

    [LoggerMessage(EventIds.TopicMadeAnew, LogLevel.Warning,
        "Partition {Partition}: topic {Topic} was deleted and made anew since the group has committed offset {Offset} there, as its id says. "
        + "The new topic is read from its beginning")]
    public static partial void TopicMadeAnew(ILogger logger, int partition, string topic, long offset);

    [LoggerMessage(EventIds.PartitionIsNew, LogLevel.Information,
        "Partition {Partition} of topic {Topic} is new: there were {Partitions} when the group began. It is read from its beginning")]
    public static partial void PartitionIsNew(ILogger logger, int partition, string topic, int partitions);

    [LoggerMessage(EventIds.BufferAwaited, LogLevel.Warning, "Partitions that were assigned wait for the buffer: {Reason}. They begin when it answers")]
    public static partial void BufferAwaited(ILogger logger, string reason);

    [LoggerMessage(EventIds.GroupHasMembers, LogLevel.Warning, "Group {Group} still has members: waiting until they have left")]
    public static partial void HasMembers(ILogger logger, string group);

    [LoggerMessage(EventIds.ProgressTopicMade, LogLevel.Information, "Topic {Topic} was created, with {Partitions} partitions: it holds how far the memory buffer is")]
    public static partial void ProgressTopicMade(ILogger logger, string topic, int partitions);

    [LoggerMessage(EventIds.ProgressMissing, LogLevel.Warning,
        "Partition {Partition}: topic {Topic} does not hold what the group's offset {Offset} was committed with ({Mark}). "
        + "Segments that had left come out again, some in part; no span is lost")]
    public static partial void ProgressMissing(ILogger logger, int partition, string topic, long offset, string mark);

    [LoggerMessage(EventIds.OutputLimitUnknown, LogLevel.Warning, "{What}")]
    public static partial void LimitUnknown(ILogger logger, string what);

    [LoggerMessage(EventIds.DeadLetterCut, LogLevel.Warning,
        "Topic {Topic} takes messages of at most {Limit} bytes: of the {Bytes} bytes of message {Offset} of partition {Partition} of {Source} "
        + "the first {Kept} are in its dead letter. Raise max.message.bytes of the topic; the message is whole where it came from")]
    public static partial void DeadLetterCut(ILogger logger, string topic, int limit, int bytes, long offset, string partition, string source, int kept);
}

namespace Sheaf.Kafka;

/// <summary>The names of a dead letter's headers. Frozen: whoever reads the topic knows them.</summary>
public static class DeadLetterHeaders
{
    /// <summary><see cref="Spans.SpanFaultKind"/> by its name.</summary>
    public const string Reason = "reason";

    /// <summary>The field at fault, or <c>message</c>.</summary>
    public const string Field = "field";

    /// <summary>The fault in words.</summary>
    public const string Error = "error";

    /// <summary>The input: a topic, or a file.</summary>
    public const string SourceTopic = "source_topic";

    public const string SourcePartition = "source_partition";

    /// <summary>Of a file: the line.</summary>
    public const string SourceOffset = "source_offset";

    /// <summary>When it was written, UTC, as <c>2026-01-31T12:00:00.000Z</c>.</summary>
    public const string Time = "time";

    /// <summary>Only where the topic does not take the whole message: the bytes that the message had. The value is its beginning.</summary>
    public const string Truncated = "truncated";

    /// <summary>Not of a dead letter, but of a message that was put back into its topic: the place of its dead letter, <c>TOPIC:PARTITION:OFFSET</c> or <c>PATH:LINE</c>.</summary>
    public const string RedrivenFrom = "redriven_from";
}

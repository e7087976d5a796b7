namespace Sheaf.Spans;

/// <summary>The names that faults and fields have outside of the process: in dead letters, logs and metrics. Frozen.</summary>
public static class SpanFieldNames
{
    /// <summary>The field's key in JSON; <c>message</c> for the message as a whole.</summary>
    public static string Name(this SpanField field) => field switch
    {
        SpanField.None => "message",
        SpanField.TraceId => "trace_id",
        SpanField.SpanId => "span_id",
        SpanField.ProjectId => "project_id",
        SpanField.OrganizationId => "organization_id",
        SpanField.StartTimestamp => "start_timestamp",
        SpanField.EndTimestamp => "end_timestamp",
        SpanField.Received => "received",
        SpanField.RetentionDays => "retention_days",
        SpanField.Status => "status",
        SpanField.ParentSpanId => "parent_span_id",
        SpanField.IsSegment => "is_segment",
        SpanField.Name => "name",
        SpanField.Attributes => "attributes",
        SpanField.SegmentId => "sentry.segment.id",
        SpanField.DownsampledRetentionDays => "downsampled_retention_days",
        SpanField.EventId => "event_id",
        SpanField.KeyId => "key_id",
        SpanField.Kind => "kind",
        SpanField.Links => "links",
        SpanField.Meta => "_meta",
    };

    /// <summary>The fault in snake case.</summary>
    public static string Name(this SpanFaultKind kind) => kind switch
    {
        SpanFaultKind.None => "none",
        SpanFaultKind.Empty => "empty",
        SpanFaultKind.InvalidJson => "invalid_json",
        SpanFaultKind.Truncated => "truncated",
        SpanFaultKind.InvalidUtf8 => "invalid_utf8",
        SpanFaultKind.NotAnObject => "not_an_object",
        SpanFaultKind.TooDeep => "too_deep",
        SpanFaultKind.TooLarge => "too_large",
        SpanFaultKind.TooLargeForOutput => "too_large_for_output",
        SpanFaultKind.TooLargeForBuffer => "too_large_for_buffer",
        SpanFaultKind.Missing => "missing",
        SpanFaultKind.Null => "null",
        SpanFaultKind.WrongType => "wrong_type",
        SpanFaultKind.WrongLength => "wrong_length",
        SpanFaultKind.NotHex => "not_hex",
        SpanFaultKind.OutOfRange => "out_of_range",
        SpanFaultKind.LoneSurrogate => "lone_surrogate",
        SpanFaultKind.NumberTooLarge => "number_too_large",
    };

    /// <summary>The field that a key of the message names, or <see cref="SpanField.None"/> for any other key.</summary>
    internal static SpanField Find(ReadOnlySpan<byte> key) => key.Length switch
    {
        4 when key.SequenceEqual("name"u8) => SpanField.Name,
        4 when key.SequenceEqual("kind"u8) => SpanField.Kind,
        5 when key.SequenceEqual("links"u8) => SpanField.Links,
        5 when key.SequenceEqual("_meta"u8) => SpanField.Meta,
        6 when key.SequenceEqual("status"u8) => SpanField.Status,
        6 when key.SequenceEqual("key_id"u8) => SpanField.KeyId,
        7 when key.SequenceEqual("span_id"u8) => SpanField.SpanId,
        8 when key.SequenceEqual("trace_id"u8) => SpanField.TraceId,
        8 when key.SequenceEqual("received"u8) => SpanField.Received,
        8 when key.SequenceEqual("event_id"u8) => SpanField.EventId,
        10 when key.SequenceEqual("project_id"u8) => SpanField.ProjectId,
        10 when key.SequenceEqual("is_segment"u8) => SpanField.IsSegment,
        10 when key.SequenceEqual("attributes"u8) => SpanField.Attributes,
        13 when key.SequenceEqual("end_timestamp"u8) => SpanField.EndTimestamp,
        14 when key.SequenceEqual("parent_span_id"u8) => SpanField.ParentSpanId,
        14 when key.SequenceEqual("retention_days"u8) => SpanField.RetentionDays,
        15 when key.SequenceEqual("start_timestamp"u8) => SpanField.StartTimestamp,
        15 when key.SequenceEqual("organization_id"u8) => SpanField.OrganizationId,
        26 when key.SequenceEqual("downsampled_retention_days"u8) => SpanField.DownsampledRetentionDays,
        _ => SpanField.None,
    };
}

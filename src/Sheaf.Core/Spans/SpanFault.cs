namespace Sheaf.Spans;

/// <summary>Why a message is not a usable span: the reason of a dead letter. Names are frozen: they leave the process as text.</summary>
public enum SpanFaultKind : byte
{
    /// <summary>No fault.</summary>
    None,

    /// <summary>No bytes, or white space only.</summary>
    Empty,

    /// <summary>Not valid JSON (RFC 8259).</summary>
    InvalidJson,

    /// <summary>The message ends inside a value.</summary>
    Truncated,

    /// <summary>A byte sequence that is not UTF-8.</summary>
    InvalidUtf8,

    /// <summary>JSON, but not an object.</summary>
    NotAnObject,

    /// <summary>Objects and arrays nested deeper than <see cref="JsonSpanParser.MaxDepth"/>.</summary>
    TooDeep,

    /// <summary>More bytes than a message may have.</summary>
    TooLarge,

    /// <summary>A span that would be larger than the output takes, alone in its segment's message.</summary>
    TooLargeForOutput,

    /// <summary>A span that would be larger than the server takes that the buffer is kept on.</summary>
    TooLargeForBuffer,

    /// <summary>A required field is absent.</summary>
    Missing,

    /// <summary>A required field is null.</summary>
    Null,

    /// <summary>A field has a value of another JSON type.</summary>
    WrongType,

    /// <summary>An id with too few or too many hex digits.</summary>
    WrongLength,

    /// <summary>An id with a character that is no hex digit.</summary>
    NotHex,

    /// <summary>A number outside of what the field may be.</summary>
    OutOfRange,

    /// <summary>
    /// Half a surrogate pair written as an escape (<c>\ud83d</c> alone). It stands for no character: strict readers refuse
    /// the whole message.
    /// </summary>
    LoneSurrogate,

    /// <summary>A number beyond the largest 64-bit float, which strict readers refuse, in whatever field.</summary>
    NumberTooLarge,
}

/// <summary>The fields that the input rules name (ARCHITECTURE.md, "Input rules").</summary>
public enum SpanField : byte
{
    /// <summary>The message as a whole.</summary>
    None,
    TraceId,
    SpanId,
    ProjectId,
    OrganizationId,
    StartTimestamp,
    EndTimestamp,
    Received,
    RetentionDays,
    Status,
    ParentSpanId,
    IsSegment,
    Name,
    Attributes,

    /// <summary><c>attributes["sentry.segment.id"].value</c>.</summary>
    SegmentId,
    DownsampledRetentionDays,
    EventId,
    KeyId,
    Kind,
    Links,
    Meta,
}

/// <summary>A refusal of the parser, as a value: what, which field, where.</summary>
/// <param name="Position">
/// Byte offset in the message where the fault was seen; the start of the value where a field is named, and the message's
/// closing brace where that field is missing. Within a value: the start of what is wrong in it. Of a message that is too
/// large: how many bytes are allowed.
/// </param>
public readonly record struct SpanFault(SpanFaultKind Kind, SpanField Field, int Position)
{
    /// <summary>
    /// The fault in words, one line, with the value cut to about 60 characters: <c>trace_id: 31 hex digits, needs 32 (value "ab…" at byte 57)</c>.
    /// Control characters and what is not UTF-8 are escaped, so that it can go to a terminal.
    /// </summary>
    /// <param name="message">The bytes that were parsed.</param>
    public string Describe(ReadOnlySpan<byte> message) => SpanFaultText.Describe(this, message);
}

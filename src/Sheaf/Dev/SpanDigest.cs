using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// What verifying needs of a span, read with the platform's JSON reader and nothing of the product's own parser: where it belongs, the two
/// members that may be edited, and a hash of all others, token by token as they are written (names, order, escapes and digits of numbers
/// count; white space between tokens does not).
/// </summary>
internal struct SpanDigest
{
    public TraceKey Trace;
    public SpanId SpanId;

    /// <summary>Rule 1 of the segments: itself for a root; else the segment id attribute; else the parent.</summary>
    public SpanId EffectiveParent;

    /// <summary>Of everything but <c>is_segment</c> and <c>attributes["sentry.segment.id"]</c>.</summary>
    public ulong ContentHash;

    /// <summary>Of the value of <c>attributes["sentry.segment.id"]</c>; 0 where it has none.</summary>
    public uint SegmentAttributeHash;

    /// <summary>The attribute's value, where it is <c>{"type":"string","value":ID}</c>.</summary>
    public SpanId? SegmentAttribute;

    /// <summary><c>is_segment</c>; null where it is absent or null.</summary>
    public bool? IsSegment;

    /// <summary>No parent, or marked as a segment.</summary>
    public bool IsRoot;

    /// <summary>It has project, trace and span id.</summary>
    public bool HasKey;

    /// <summary>It has all that the input rules ask for.</summary>
    public bool Usable;
}

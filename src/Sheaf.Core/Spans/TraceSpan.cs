namespace Sheaf.Spans;

/// <summary>
/// One span as the parser found it: the fields that decide where it belongs, and where its payload lies. The payload itself
/// is never re-serialised. A mutable struct with public fields on purpose: the parser fills it in place, once per span, without copies.
/// </summary>
public struct TraceSpan
{
    /// <summary>Project and trace.</summary>
    public TraceKey Trace;

    public SpanId SpanId;

    /// <summary>
    /// ARCHITECTURE.md, rule 1: itself for a segment root; else <c>attributes["sentry.segment.id"].value</c> when that is a span id; else
    /// <c>parent_span_id</c>.
    /// </summary>
    public SpanId EffectiveParent;

    /// <summary>A span without a parent, or one marked <c>is_segment</c>.</summary>
    public bool IsSegmentRoot;

    /// <summary>Where the two edits of rule 5 go.</summary>
    public PayloadEdits Edits;

    public long OrganizationId;

    /// <summary><c>received</c>, in milliseconds since 1970, fractions cut off.</summary>
    public long ReceivedMs;

    /// <summary>XxHash3 of the payload bytes: tells copies of a span from other spans with its id (rule 7).</summary>
    public ulong PayloadHash;

    /// <summary>Position of the message in its shard's input, never decreasing: a Kafka offset, a file's line number.</summary>
    public long SourceOffset;

    /// <summary>
    /// The span's stream time, in milliseconds: the shard's clock at this span, or its own timestamp where that is so far ahead that the clock does not follow it. Set by the ingest pipeline.
    /// </summary>
    public long StreamTimeMs;

    /// <summary>
    /// How much of its stream time no time has elapsed for in the shard: what the shard's clock has leapt over until now, and what this span is ahead of it. Set by the ingest pipeline.
    /// </summary>
    public long LeaptMs;

    /// <summary>How far its stream time is ahead of the shard's clock. Set by the ingest pipeline.</summary>
    public long AheadMs;

    /// <summary>Where the payload lies in the block it was read from.</summary>
    public int PayloadStart;

    /// <summary>Length of the payload in bytes.</summary>
    public int PayloadLength;
}

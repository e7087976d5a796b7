using Sheaf.Spans;

namespace Sheaf.Buffering;

/// <summary>
/// A buffered span without its payload: all that assembling needs. Input order within a trace is the order in which a buffer hands
/// them out. A mutable struct with public fields on purpose, as <see cref="TraceSpan"/>.
/// </summary>
public struct BufferedSpan
{
    public SpanId SpanId;

    /// <inheritdoc cref="TraceSpan.EffectiveParent"/>
    public SpanId EffectiveParent;

    /// <summary>Position in the shard's input; two buffered spans with one position are one delivery (rule 7).</summary>
    public long SourceOffset;

    /// <inheritdoc cref="TraceSpan.StreamTimeMs"/>
    public long StreamTimeMs;

    /// <inheritdoc cref="TraceSpan.LeaptMs"/>
    public long LeaptMs;

    /// <inheritdoc cref="TraceSpan.PayloadHash"/>
    public ulong PayloadHash;

    /// <summary>The engine's own reference to the payload.</summary>
    public long PayloadRef;

    /// <summary>Length of the payload in bytes.</summary>
    public int PayloadLength;

    public PayloadEdits Edits;

    /// <inheritdoc cref="TraceSpan.IsSegmentRoot"/>
    public bool IsSegmentRoot;
}

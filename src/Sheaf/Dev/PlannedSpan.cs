using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// A span that is to be written when its time comes: everything that its bytes depend on, so that a copy is written the same. Times are
/// microseconds since the start of the load. A mutable struct with public fields on purpose: plans are made in place, once per span.
/// </summary>
public struct PlannedSpan
{
    public TraceId Trace;
    public SpanId SpanId;

    /// <summary>Default where the span has no parent.</summary>
    public SpanId ParentId;

    /// <summary>The root of its segment, which may be missing.</summary>
    public SpanId SegmentId;
    public long StartUs;
    public long EndUs;

    /// <summary>What the payload says.</summary>
    public long ReceivedUs;

    /// <summary>Its place in the file: <see cref="ReceivedUs"/>, later for a copy.</summary>
    public long ArrivalUs;
    public int ProjectId;

    /// <summary>False for the root of the whole trace.</summary>
    public readonly bool HasParent => ParentId != default;
}

using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>A closed segment that is not produced yet.</summary>
/// <param name="SegmentId">Id of its root, or of the missing parent at which its chain of parents leaves the buffered spans.</param>
/// <param name="HasRoot">A span of the segment has the segment's id.</param>
/// <param name="DeadlineMs">Stream time at which it closed: its deadline, or for <see cref="FlushReason.MaxBytes"/> the time of the span that was too much.</param>
/// <param name="FirstMember">Index of its first member in <see cref="AssembledTrace.Members"/>.</param>
/// <param name="MemberCount">Spans of the segment, copies not counted. At least 1.</param>
/// <param name="MissingParents">Members whose effective parent is not a span of the segment.</param>
public readonly record struct AssembledSegment(
    SpanId SegmentId, bool HasRoot, FlushReason Reason, long DeadlineMs, int FirstMember, int MemberCount, int MissingParents);

/// <summary>
/// What assembling one trace gave: the segments that have closed, and when to look again. Filled by <see cref="SegmentAssembler"/>; used
/// again for the next trace. Owner: one flusher worker.
/// </summary>
public sealed class AssembledTrace
{
    private readonly List<AssembledSegment> _segments = [];
    private readonly List<int> _members = [];
    private readonly List<int> _duplicates = [];
    private readonly List<int> _redelivered = [];

    /// <summary>In order of closing; at one time by segment id.</summary>
    public ReadOnlySpan<AssembledSegment> Segments => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_segments);

    /// <summary>Indexes into the assembled spans, segment by segment, each in input order.</summary>
    public ReadOnlySpan<int> Members => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_members);

    /// <summary>Indexes of spans that are copies of others (rule 7: the same id and payload): to be removed and counted, never produced.</summary>
    public ReadOnlySpan<int> Duplicates => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_duplicates);

    /// <summary>
    /// Indexes of spans that are one delivery with another (rule 7: the same source position), as when a batch was cut differently the second time that it was read: to be removed,
    /// and not counted, since they came in once.
    /// </summary>
    public ReadOnlySpan<int> Redelivered => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_redelivered);

    /// <summary>Earliest deadline of what stays open, in ms of stream time; <see cref="SegmentRules.Never"/> where nothing stays.</summary>
    public long NextDeadlineMs { get; internal set; }

    /// <summary>The members of one segment, as indexes into the assembled spans.</summary>
    public ReadOnlySpan<int> MembersOf(in AssembledSegment segment) => Members.Slice(segment.FirstMember, segment.MemberCount);

    internal void Reset()
    {
        _segments.Clear();
        _members.Clear();
        _duplicates.Clear();
        _redelivered.Clear();
        NextDeadlineMs = SegmentRules.Never;
    }

    internal void AddSegment(in AssembledSegment segment) => _segments.Add(segment);

    /// <summary>Room for this many members, to be filled in place.</summary>
    internal Span<int> AddMembers(int count)
    {
        int first = _members.Count;
        System.Runtime.InteropServices.CollectionsMarshal.SetCount(_members, first + count);
        return System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_members)[first..];
    }

    internal void AddDuplicate(int span) => _duplicates.Add(span);

    internal void AddRedelivered(int span) => _redelivered.Add(span);
}

using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>
/// The rules of ARCHITECTURE.md, "What a segment is, exactly", said as plainly as possible and as slowly as need be: at every step the segment
/// of every open span is found anew by walking up its parents. What the assembler does fast has to give the same.
/// </summary>
public sealed class SegmentModel
{
    private readonly SegmentRules _rules;
    private readonly BufferedSpan[] _spans;
    private readonly List<int> _open = [];
    private readonly List<ClosedSegment> _closed = [];

    private SegmentModel(SegmentRules rules, BufferedSpan[] spans) => (_rules, _spans) = (rules, spans);

    /// <summary>As <see cref="SegmentAssembler.Assemble"/>.</summary>
    public static AssemblyOutcome Assemble(SegmentRules rules, BufferedSpan[] spans, long clockMs, FlushReason? closeAll) =>
        new SegmentModel(rules, spans).Run(clockMs, closeAll);

    private AssemblyOutcome Run(long clockMs, FlushReason? closeAll)
    {
        List<int> duplicates = [];
        for (int i = 0; i < _spans.Length; i++)
        {
            CloseDue(_spans[i].StreamTimeMs);
            if (IsDuplicate(i))
            {
                duplicates.Add(i);
                continue;
            }
            _open.Add(i);
            OpenSegment grown = OpenSegments().Single(segment => segment.Spans.Contains(i));
            if (grown.Spans.Sum(s => (long)_spans[s].PayloadLength) > _rules.MaxSegmentBytes)
                Close(grown, FlushReason.MaxBytes, _spans[i].StreamTimeMs);
        }
        CloseDue(clockMs);
        if (closeAll is { } reason)
        {
            foreach (OpenSegment segment in OpenSegments()) Close(segment, reason, segment.DeadlineMs);
        }
        long next = OpenSegments().Select(segment => segment.DeadlineMs).DefaultIfEmpty(SegmentRules.Never).Min();
        ClosedSegment[] closed = [.. _closed.OrderBy(s => s.DeadlineMs).ThenBy(s => s.SegmentId).ThenBy(s => s.Members[0])];
        return new AssemblyOutcome(closed, [.. duplicates], next);
    }

    // Rule 7: the same source position as any span before, or the same span as one that is open.
    private bool IsDuplicate(int span) =>
        _spans.Take(span).Any(other => other.SourceOffset == _spans[span].SourceOffset)
        || _open.Exists(open => _spans[open].SpanId == _spans[span].SpanId
            && _spans[open].PayloadHash == _spans[span].PayloadHash
            && _spans[open].PayloadLength == _spans[span].PayloadLength);

    // Rule 4: a span that comes exactly at the deadline still belongs.
    private void CloseDue(long timeMs)
    {
        foreach (OpenSegment segment in OpenSegments())
        {
            if (segment.DeadlineMs < timeMs) Close(segment, segment.Reason, segment.DeadlineMs);
        }
    }

    private void Close(OpenSegment segment, FlushReason reason, long deadlineMs)
    {
        int[] members = [.. segment.Spans];
        bool hasRoot = members.Any(i => _spans[i].SpanId == segment.Id);
        int missing = members.Count(i => !members.Any(j => _spans[j].SpanId == EffectiveParent(i)));
        _closed.Add(new ClosedSegment(segment.Id, hasRoot, reason, deadlineMs, missing, members));
        _open.RemoveAll(members.Contains);
    }

    private List<OpenSegment> OpenSegments()
    {
        List<OpenSegment> segments = [];
        foreach (var group in _open.GroupBy(SegmentOf))
        {
            int[] spans = [.. group];
            bool rootBuffered = Array.Exists(spans, i => _spans[i].IsSegmentRoot && _spans[i].SpanId == group.Key.Id);
            long first = spans.Min(i => _spans[i].StreamTimeMs);
            long newest = spans.Max(i => _spans[i].StreamTimeMs);
            long deadline = _rules.Deadline(first, newest, rootBuffered, out FlushReason reason);
            segments.Add(new OpenSegment(group.Key.Id, deadline, reason, spans));
        }
        return segments;
    }

    // Rule 2. A root whose id is taken has a segment of its own, told apart by the span.
    private (SpanId Id, int Namesake) SegmentOf(int span)
    {
        const int FirstOfItsId = -1;
        if (_spans[span].IsSegmentRoot)
            return (_spans[span].SpanId, FirstOpen(_spans[span].SpanId) == span ? FirstOfItsId : span);

        List<SpanId> path = [];
        SpanId id = EffectiveParent(span);
        while (true)
        {
            if (path.IndexOf(id) is >= 0 and int start) return (path.Skip(start).Min(), FirstOfItsId);
            path.Add(id);
            if (FirstOpen(id) is not { } next || _spans[next].IsSegmentRoot) return (id, FirstOfItsId);
            id = EffectiveParent(next);
        }
    }

    private int? FirstOpen(SpanId id) => _open.Where(i => _spans[i].SpanId == id).Select(i => (int?)i).FirstOrDefault();

    // Rule 1; the rest of it is the parser's.
    private SpanId EffectiveParent(int span) => _spans[span].IsSegmentRoot ? _spans[span].SpanId : _spans[span].EffectiveParent;

    private sealed record OpenSegment(SpanId Id, long DeadlineMs, FlushReason Reason, int[] Spans);
}

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
    private readonly int?[] _parents;
    private readonly List<int> _open = [];
    private readonly List<ClosedSegment> _closed = [];

    private SegmentModel(SegmentRules rules, BufferedSpan[] spans) =>
        (_rules, _spans, _parents) = (rules, spans, new int?[spans.Length]);

    /// <summary>As <see cref="SegmentAssembler.Assemble"/>.</summary>
    public static AssemblyOutcome Assemble(SegmentRules rules, BufferedSpan[] spans, long clockMs, FlushReason? closeAll, long leaptMs = 0) =>
        new SegmentModel(rules, spans).Run(clockMs, leaptMs, closeAll);

    private AssemblyOutcome Run(long clockMs, long leaptMs, FlushReason? closeAll)
    {
        List<int> duplicates = [];
        for (int i = 0; i < _spans.Length; i++)
        {
            CloseDue(_spans[i].StreamTimeMs, ElapsedMs(i));
            if (IsDuplicate(i))
            {
                duplicates.Add(i);
                continue;
            }
            Join(i);
            OpenSegment grown = OpenSegments().Single(segment => segment.Spans.Contains(i));
            if (grown.Spans.Sum(s => (long)_spans[s].PayloadLength) > _rules.MaxSegmentBytes)
                Close(grown, FlushReason.MaxBytes, _spans[i].StreamTimeMs);
        }
        CloseDue(clockMs, clockMs - leaptMs);
        if (closeAll is { } reason)
        {
            foreach (OpenSegment segment in OpenSegments()) Close(segment, reason, segment.DeadlineMs);
        }
        long next = OpenSegments().Select(segment => Math.Min(segment.DeadlineMs, segment.ElapsedDeadlineMs + leaptMs)).DefaultIfEmpty(SegmentRules.Never).Min();
        ClosedSegment[] closed = [.. _closed.OrderBy(s => s.DeadlineMs).ThenBy(s => s.SegmentId).ThenBy(s => s.Members[0])];
        return new AssemblyOutcome(closed, [.. duplicates], next);
    }

    // Rule 7: the same source position as any span before, or the same span as one that is open.
    private bool IsDuplicate(int span) =>
        _spans.Take(span).Any(other => other.SourceOffset == _spans[span].SourceOffset)
        || _open.Exists(open => _spans[open].SpanId == _spans[span].SpanId
            && _spans[open].PayloadHash == _spans[span].PayloadHash
            && _spans[open].PayloadLength == _spans[span].PayloadLength);

    // The time that had elapsed in the shard when the span came.
    private long ElapsedMs(int span) => _spans[span].StreamTimeMs - _spans[span].LeaptMs;

    // Rule 4: a span that comes exactly at the deadline still belongs.
    private void CloseDue(long timeMs, long elapsedMs)
    {
        foreach (OpenSegment segment in OpenSegments())
        {
            if (segment.DeadlineMs < timeMs || segment.ElapsedDeadlineMs < elapsedMs) Close(segment, segment.Reason, segment.DeadlineMs);
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
            bool rootBuffered = Array.Exists(spans, i => _spans[i].IsSegmentRoot && _spans[i].SpanId == group.Key);
            long first = spans.Min(i => _spans[i].StreamTimeMs);
            long newest = spans.Max(i => _spans[i].StreamTimeMs);
            long deadline = _rules.Deadline(first, newest, rootBuffered, out FlushReason reason);
            long elapsedDeadline = _rules.Deadline(spans.Min(ElapsedMs), spans.Max(ElapsedMs), rootBuffered, out _);
            segments.Add(new OpenSegment(group.Key, deadline, elapsedDeadline, reason, spans));
        }
        return segments;
    }

    // Rule 2: a hop goes to the open span that has the id when the hopping span comes, a root before others, else the
    // first; where there is none, to the first one that comes later.
    private void Join(int span)
    {
        if (!_spans[span].IsSegmentRoot)
        {
            IEnumerable<int> holders = _open.Where(i => _spans[i].SpanId == _spans[span].EffectiveParent);
            _parents[span] = holders.OrderBy(i => !_spans[i].IsSegmentRoot).Select(i => (int?)i).FirstOrDefault();
        }
        _open.Add(span);
        foreach (int waiting in _open)
        {
            if (_spans[waiting].EffectiveParent == _spans[span].SpanId) _parents[waiting] ??= span;
        }
    }

    // Rule 2: one id, one segment.
    private SpanId SegmentOf(int span)
    {
        List<int> path = [];
        while (true)
        {
            if (path.IndexOf(span) is >= 0 and int start) return path.Skip(start).Min(i => _spans[i].SpanId);
            path.Add(span);
            if (_spans[span].IsSegmentRoot) return _spans[span].SpanId;
            if (_parents[span] is not { } parent) return _spans[span].EffectiveParent;
            span = parent;
        }
    }

    // Rule 1; the rest of it is the parser's.
    private SpanId EffectiveParent(int span) => _spans[span].IsSegmentRoot ? _spans[span].SpanId : _spans[span].EffectiveParent;

    private sealed record OpenSegment(SpanId Id, long DeadlineMs, long ElapsedDeadlineMs, FlushReason Reason, int[] Spans);
}

using Sheaf.Buffering;
using Sheaf.Segments;

namespace Sheaf.TestKit;

/// <summary>
/// Assembles one trace piece by piece, as a flusher worker does: what has closed and what is a copy leaves the buffer, what stays open is
/// assembled again together with what has arrived. Deliveries that have left are not buffered again; that is the ingesting side's part.
/// </summary>
public sealed class IncrementalAssembly(SegmentRules rules)
{
    private readonly SegmentAssembler _assembler = new(rules);
    private readonly List<BufferedSpan> _buffered = [];
    private readonly HashSet<long> _done = [];

    /// <summary>Everything closed so far, as <see cref="ClosedSegment.Describe"/> says it.</summary>
    public List<string> Segments { get; } = [];

    /// <summary>The closed segments' spans, segment by segment in the order of <see cref="Segments"/>.</summary>
    public List<(ClosedSegment Segment, BufferedSpan[] Spans)> Closed { get; } = [];

    public int Duplicates { get; private set; }

    public long NextDeadlineMs { get; private set; } = SegmentRules.Never;

    public void Append(BufferedSpan span)
    {
        if (_done.Contains(span.SourceOffset)) Duplicates++;
        else _buffered.Add(span);
    }

    /// <summary>One flush.</summary>
    public void Flush(long clockMs, FlushReason? closeAll = null, long leaptMs = 0)
    {
        BufferedSpan[] spans = [.. _buffered];
        AssemblyOutcome outcome = AssemblyOutcome.By(_assembler, spans, clockMs, closeAll, leaptMs);
        foreach (ClosedSegment segment in outcome.Segments)
        {
            Segments.Add(segment.Describe(spans));
            Closed.Add((segment, [.. segment.Members.Select(i => spans[i])]));
        }
        Duplicates += outcome.Duplicates.Length;
        NextDeadlineMs = outcome.NextDeadlineMs;

        bool[] removed = new bool[spans.Length];
        foreach (int i in outcome.Segments.SelectMany(s => s.Members).Concat(outcome.Duplicates))
        {
            if (removed[i]) throw new InvalidOperationException($"span {i} left twice");
            removed[i] = true;
            _done.Add(spans[i].SourceOffset);
        }
        _buffered.Clear();
        _buffered.AddRange(spans.Where((_, i) => !removed[i]));
    }
}

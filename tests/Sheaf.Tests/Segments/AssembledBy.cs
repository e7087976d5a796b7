using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;

namespace Sheaf.Tests.Segments;

/// <summary>The assembler's result in the words of the tests: ids and times as small numbers, times in seconds.</summary>
internal sealed class AssembledBy
{
    private const double LongAfter = 1_000_000;

    private readonly BufferedSpan[] _spans;

    private AssembledBy(BufferedSpan[] spans, AssemblyOutcome outcome)
    {
        _spans = spans;
        Duplicates = outcome.Duplicates;
        Segments = outcome.Segments;
        NextDeadline = outcome.NextDeadlineMs == SegmentRules.Never ? null : outcome.NextDeadlineMs / 1000.0;
    }

    public ClosedSegment[] Segments { get; }

    public int[] Duplicates { get; }

    /// <summary>Null for none.</summary>
    public double? NextDeadline { get; }

    /// <summary>Each segment as <c>id[members]@closed reason</c>; the members by span id.</summary>
    public string[] Lines =>
        [.. Segments.Select(s => string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{s.SegmentId.Value}[{string.Join(' ', s.Members.Select(i => _spans[i].SpanId.Value))}]@{s.DeadlineMs / 1000.0} {s.Reason}"))];

    /// <summary>Assembles with the rules' defaults (60 s, 10 s, 600 s, 10 MiB), long after everything was due, unless told otherwise.</summary>
    public static AssembledBy The(BufferedTrace trace, double clock = LongAfter, SegmentRules? rules = null, FlushReason? closeAll = null)
    {
        BufferedSpan[] spans = trace.Spans;
        SegmentAssembler assembler = new(rules ?? new SegmentRules());
        return new AssembledBy(spans, AssemblyOutcome.By(assembler, spans, (long)(clock * 1000), closeAll));
    }
}

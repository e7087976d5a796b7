using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>A closed segment as a value of its own.</summary>
/// <param name="Members">Indexes into the assembled spans.</param>
public sealed record ClosedSegment(SpanId SegmentId, bool HasRoot, FlushReason Reason, long DeadlineMs, int MissingParents, int[] Members)
{
    /// <summary>All of it in one line, with the members' source offsets, so that segments can be compared across runs and read by people.</summary>
    public string Describe(BufferedSpan[] spans)
    {
        string members = string.Join(' ', Members.Select(i => spans[i].SourceOffset.ToString(CultureInfo.InvariantCulture)));
        return $"{SegmentId.Value:x} {(HasRoot ? "root" : "no root")} {Reason} at {DeadlineMs}, {MissingParents} missing: {members}";
    }
}

/// <summary>What assembling gave, as a value of its own.</summary>
public sealed record AssemblyOutcome(ClosedSegment[] Segments, int[] Duplicates, long NextDeadlineMs)
{
    /// <summary>Runs the assembler and copies what it gave.</summary>
    public static AssemblyOutcome By(SegmentAssembler assembler, BufferedSpan[] spans, long clockMs, FlushReason? closeAll, long leaptMs = 0)
    {
        AssembledTrace result = new();
        assembler.Assemble(spans, clockMs, leaptMs, closeAll, result);
        List<ClosedSegment> segments = [];
        foreach (ref readonly AssembledSegment s in result.Segments)
        {
            int[] members = result.MembersOf(in s).ToArray();
            segments.Add(new ClosedSegment(s.SegmentId, s.HasRoot, s.Reason, s.DeadlineMs, s.MissingParents, members));
        }
        return new AssemblyOutcome([.. segments], [.. result.Duplicates.ToArray().Concat(result.Redelivered.ToArray()).Order()], result.NextDeadlineMs);
    }

    /// <summary>All of it as text.</summary>
    public string Describe(BufferedSpan[] spans) =>
        string.Join('\n', Segments.Select(s => s.Describe(spans)))
        + $"\nduplicates: {string.Join(' ', Duplicates)}\nnext: {NextDeadlineMs}";
}

using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>Traces of a size and shape at which anything quadratic would not end.</summary>
public sealed class HugeTraces
{
    private const int Count = 120_000; // divisible by 2 and 3

    private static readonly SegmentRules Rules = new(MaxSegmentAgeMs: 0, MaxSegmentBytes: long.MaxValue);

    private static AssemblyOutcome Assemble(Func<int, BufferedSpan> span)
    {
        BufferedSpan[] spans = new BufferedSpan[Count];
        for (int i = 0; i < Count; i++)
        {
            spans[i] = span(i);
            spans[i].SourceOffset = i;
            spans[i].PayloadLength = 1;
        }
        return AssemblyOutcome.By(new SegmentAssembler(Rules), spans, long.MaxValue, null);
    }

    private static BufferedSpan Span(long id, long parent, long at = 0, long payload = 0) =>
        new() { SpanId = new SpanId((ulong)id), EffectiveParent = new SpanId((ulong)parent), StreamTimeMs = at, PayloadHash = (ulong)payload };

    [Fact]
    public void A_chain_from_the_top_down()
    {
        ClosedSegment segment = Assert.Single(Assemble(i => Span(i + 1, i)).Segments);
        Assert.Equal((new SpanId(0), Count, 1), (segment.SegmentId, segment.Members.Length, segment.MissingParents));
    }

    [Fact]
    public void A_chain_from_the_bottom_up()
    {
        ClosedSegment segment = Assert.Single(Assemble(i => Span(Count - i, Count - i - 1)).Segments);
        Assert.Equal((new SpanId(0), Count, 1), (segment.SegmentId, segment.Members.Length, segment.MissingParents));
    }

    [Fact]
    public void A_chain_of_which_every_other_span_comes_later() // joins two parts at every step of the second half
    {
        ClosedSegment segment = Assert.Single(Assemble(i => i < Count / 2 ? Span((2 * i) + 1, 2 * i) : Span(2 * (i - (Count / 2) + 1), (2 * (i - (Count / 2))) + 1)).Segments);
        Assert.Equal((new SpanId(0), Count, 1), (segment.SegmentId, segment.Members.Length, segment.MissingParents));
    }

    [Fact]
    public void A_loop_of_all_spans()
    {
        ClosedSegment segment = Assert.Single(Assemble(i => Span(i + 1, ((i + 1) % Count) + 1)).Segments);
        Assert.Equal((new SpanId(1), Count, 0), (segment.SegmentId, segment.Members.Length, segment.MissingParents));
    }

    [Fact]
    public void Very_many_segments_that_are_open_together_and_close_one_by_one()
    {
        const int Segments = 10_000; // each span pushes the deadline of one of them; the next closing is always near
        AssemblyOutcome outcome = Assemble(i => Span(1_000_000 + i, i % Segments, at: 2L * i));
        Assert.Equal(Count, outcome.Segments.Sum(s => s.Members.Length));
        Assert.Equal(Segments, outcome.Segments.Length);
    }

    [Fact]
    public void Segments_that_close_all_along()
    {
        AssemblyOutcome outcome = Assemble(i => Span(1_000_000 + i, i / 3, at: 100L * i));
        Assert.Equal(Count / 3, outcome.Segments.Length);
        Assert.All(outcome.Segments, s => Assert.Equal(3, s.Members.Length));
    }

    [Fact]
    public void Very_many_spans_with_one_id()
    {
        AssemblyOutcome outcome = Assemble(i => Span(1, 2, payload: i));
        Assert.Equal(Count, Assert.Single(outcome.Segments).Members.Length);
    }

    [Fact]
    public void Very_many_spans_with_one_id_of_which_the_first_close_all_along()
    {
        AssemblyOutcome outcome = Assemble(i => Span(1, 1_000_000 + i, at: 100L * i, payload: i));
        Assert.Equal(Count, outcome.Segments.Length);
    }

    [Fact]
    public void Very_many_roots_with_one_id()
    {
        AssemblyOutcome outcome = Assemble(i => Span(1, 1, payload: i) with { IsSegmentRoot = true });
        Assert.Equal(Count, Assert.Single(outcome.Segments).Members.Length);
    }

    [Fact]
    public void A_chain_whose_every_id_a_root_takes_over()
    {
        const int Length = Count / 2;
        AssemblyOutcome outcome = Assemble(i => i < Length
            ? Span(i + 1, i, payload: i)
            : Span(i - Length + 1, 0, payload: i) with { IsSegmentRoot = true });
        Assert.Equal(1 + Length, outcome.Segments.Length);
    }

    [Fact]
    public void A_whole_trace_delivered_twice()
    {
        BufferedSpan[] once = new BufferedSpan[Count / 2];
        for (int i = 0; i < once.Length; i++) once[i] = Span(i + 1, 0, payload: i) with { SourceOffset = i };
        AssemblyOutcome outcome = AssemblyOutcome.By(new SegmentAssembler(Rules), [.. once, .. once], long.MaxValue, null);
        Assert.Equal(once.Length, Assert.Single(outcome.Segments).Members.Length);
        Assert.Equal(Enumerable.Range(once.Length, once.Length), outcome.Duplicates);
    }
}

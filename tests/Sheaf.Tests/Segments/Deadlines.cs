using Sheaf.Segments;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>ARCHITECTURE.md, rules 3 and 4: when a segment closes, and what is open after it.</summary>
public sealed class Deadlines
{
    [Fact]
    public void A_span_exactly_at_the_deadline_still_belongs() =>
        Assert.Equal(["1[1 2]@20 RootTimeout"], AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 10)).Lines);

    [Fact]
    public void A_span_after_the_deadline_starts_a_segment_of_its_own()
    {
        AssembledBy result = AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 10.001));
        Assert.Equal(["1[1]@10 RootTimeout", "1[2]@70.001 IdleTimeout"], result.Lines);
        Assert.True(result.Segments[0].HasRoot);
        Assert.False(result.Segments[1].HasRoot);
        Assert.Equal(1, result.Segments[1].MissingParents);
    }

    [Fact]
    public void A_root_after_the_deadline_of_its_orphans_has_a_segment_of_its_own() =>
        Assert.Equal(
            ["1[2]@60 IdleTimeout", "1[1 3]@72 RootTimeout"],
            AssembledBy.The(new BufferedTrace().Child(2, of: 1, at: 0).Root(1, at: 61).Child(3, of: 1, at: 62)).Lines);

    [Fact]
    public void A_closed_parent_no_longer_leads_to_the_root_above_it() =>
        Assert.Equal(
            ["1[1 2]@10 RootTimeout", "2[3]@71 IdleTimeout"],
            AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(3, of: 2, at: 11)).Lines);

    [Fact]
    public void A_segment_stays_open_at_its_deadline_and_closes_past_it()
    {
        BufferedTrace trace = new BufferedTrace().Root(1, at: 0);
        AssembledBy at = AssembledBy.The(trace, clock: 10);
        Assert.Empty(at.Segments);
        Assert.Equal(10, at.NextDeadline);
        AssembledBy past = AssembledBy.The(trace, clock: 10.001);
        Assert.Single(past.Segments);
        Assert.Null(past.NextDeadline);
    }

    [Fact]
    public void A_new_span_pushes_the_deadline_on() =>
        Assert.Equal(29, AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 9).Child(3, of: 2, at: 19), clock: 19).NextDeadline);

    [Fact]
    public void A_root_brings_the_deadline_forward() =>
        Assert.Equal(11, AssembledBy.The(new BufferedTrace().Child(2, of: 1, at: 0).Root(1, at: 1), clock: 1).NextDeadline);

    [Fact]
    public void The_next_deadline_is_the_earliest_of_what_stays_open() =>
        Assert.Equal(15, AssembledBy.The(new BufferedTrace().Child(3, of: 2, at: 0).Root(1, at: 5).Root(9, at: 6), clock: 6).NextDeadline);

    [Fact]
    public void Max_age_counts_from_the_first_span()
    {
        SegmentRules rules = new(MaxSegmentAgeMs: 25_000);
        BufferedTrace trace = new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 9).Child(3, of: 1, at: 18).Child(4, of: 1, at: 25).Child(5, of: 1, at: 26);
        Assert.Equal(["1[1 2 3 4]@25 MaxAge", "1[5]@51 MaxAge"], AssembledBy.The(trace, rules: rules).Lines);
    }

    [Fact]
    public void Max_age_counts_from_the_oldest_span_of_joined_parts()
    {
        SegmentRules rules = new(MaxSegmentAgeMs: 65_000);
        BufferedTrace trace = new BufferedTrace().Child(4, of: 3, at: 0).Root(1, at: 52).Child(3, of: 1, at: 58);
        Assert.Equal(["1[4 1 3]@65 MaxAge"], AssembledBy.The(trace, rules: rules).Lines);
    }

    [Fact]
    public void Max_age_zero_is_no_limit()
    {
        BufferedTrace trace = new BufferedTrace().Root(1, at: 0);
        for (ulong i = 1; i <= 200; i++) trace.Child(100 + i, of: 1, at: 10 * i);
        AssembledBy result = AssembledBy.The(trace, rules: new SegmentRules(MaxSegmentAgeMs: 0));
        Assert.Equal(2010_000, Assert.Single(result.Segments).DeadlineMs);
    }

    [Fact]
    public void Segments_come_in_order_of_closing_then_of_id() =>
        Assert.Equal(
            ["3[3]@10 RootTimeout", "8[8]@10 RootTimeout", "2[2]@12 RootTimeout", "1[9]@60 IdleTimeout"],
            AssembledBy.The(new BufferedTrace().Child(9, of: 1, at: 0).Root(8, at: 0).Root(3, at: 0).Root(2, at: 2)).Lines);

    [Theory]
    [InlineData(FlushReason.Shutdown)]
    [InlineData(FlushReason.BufferFull)]
    public void Closing_all_names_its_reason_and_keeps_the_deadlines(FlushReason reason)
    {
        BufferedTrace trace = new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 11).Child(4, of: 3, at: 12);
        AssembledBy result = AssembledBy.The(trace, clock: 12, closeAll: reason);
        Assert.Equal(["1[1]@10 RootTimeout", $"1[2]@71 {reason}", $"3[4]@72 {reason}"], result.Lines);
        Assert.Null(result.NextDeadline);
    }
}

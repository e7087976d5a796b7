using Sheaf.Segments;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>ARCHITECTURE.md, rule 6: no segment grows without bound.</summary>
public sealed class SizeCut
{
    private static readonly SegmentRules Rules = new(MaxSegmentBytes: 300);

    private static string[] Lines(BufferedTrace trace) => AssembledBy.The(trace, rules: Rules).Lines;

    [Fact]
    public void A_segment_of_exactly_the_limit_waits_for_its_deadline() =>
        Assert.Equal(["1[1 2 3]@10 RootTimeout"], Lines(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(3, of: 1, at: 0)));

    [Fact]
    public void The_span_that_is_too_much_closes_the_segment_and_belongs_to_it() =>
        Assert.Equal(
            ["1[1 2 3 4]@3 MaxBytes", "1[5]@64 IdleTimeout"],
            Lines(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 1).Child(3, of: 1, at: 2).Child(4, of: 1, at: 3).Child(5, of: 1, at: 4)));

    [Fact]
    public void Joined_parts_are_counted_together() =>
        Assert.Equal(
            ["1[3 1 4 2]@1 MaxBytes"],
            Lines(new BufferedTrace().Child(3, of: 2, at: 0).Root(1, at: 0).Child(4, of: 3, at: 0).Child(2, of: 1, at: 1)));

    [Fact]
    public void Copies_are_not_counted()
    {
        BufferedTrace trace = new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(3, of: 1, at: 0).Copy(of: 1, at: 0).Redelivery(of: 2, at: 0);
        Assert.Equal(["1[1 2 3]@10 RootTimeout"], Lines(trace));
    }

    [Fact]
    public void A_single_span_over_the_limit_leaves_at_once() =>
        Assert.Equal(["1[1]@0 MaxBytes", "1[2]@60 IdleTimeout"], Lines(new BufferedTrace().Root(1, at: 0, bytes: 301).Child(2, of: 1, at: 0)));

    [Fact]
    public void Other_segments_of_the_trace_are_left_alone() =>
        Assert.Equal(["1[1]@0 MaxBytes", "2[2]@10 RootTimeout"], Lines(new BufferedTrace().Root(2, at: 0).Root(1, at: 0, bytes: 301)));
}

using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>ARCHITECTURE.md, rules 1 and 2: which segment a span belongs to.</summary>
public sealed class Belonging
{
    private static string[] Lines(BufferedTrace trace) => AssembledBy.The(trace).Lines;

    [Fact]
    public void No_spans_give_no_segments()
    {
        AssembledBy nothing = AssembledBy.The(new BufferedTrace());
        Assert.Empty(nothing.Segments);
        Assert.Empty(nothing.Duplicates);
        Assert.Null(nothing.NextDeadline);
    }

    [Fact]
    public void A_span_belongs_to_the_root_above_it() =>
        Assert.Equal(["1[1 2 3]@10 RootTimeout"], Lines(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(3, of: 2, at: 0)));

    [Fact]
    public void The_order_of_arrival_does_not_matter_but_members_keep_it() =>
        Assert.Equal(["1[3 2 1]@10 RootTimeout"], Lines(new BufferedTrace().Child(3, of: 2, at: 0).Child(2, of: 1, at: 0).Root(1, at: 0)));

    [Fact]
    public void A_root_below_another_span_is_a_segment_of_its_own() =>
        Assert.Equal(
            ["1[1 2]@10 RootTimeout", "3[3 4]@10 RootTimeout"],
            Lines(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Root(3, at: 0).Child(4, of: 3, at: 0)));

    [Fact]
    public void A_missing_parent_gives_the_segment_its_id()
    {
        AssembledBy result = AssembledBy.The(new BufferedTrace().Child(2, of: 1, at: 0).Child(3, of: 2, at: 0).Child(4, of: 1, at: 0));
        Assert.Equal(["1[2 3 4]@60 IdleTimeout"], result.Lines);
        Assert.False(result.Segments[0].HasRoot);
        Assert.Equal(2, result.Segments[0].MissingParents);
    }

    [Fact]
    public void A_segment_with_its_root_has_no_missing_parents()
    {
        AssembledBy result = AssembledBy.The(new BufferedTrace().Child(3, of: 2, at: 0).Root(1, at: 0).Child(2, of: 1, at: 0));
        Assert.True(result.Segments[0].HasRoot);
        Assert.Equal(0, result.Segments[0].MissingParents);
    }

    [Fact]
    public void An_explicit_segment_id_stands_for_the_parent() => // the parser makes it the effective parent
        Assert.Equal(["9[2 3]@60 IdleTimeout"], Lines(new BufferedTrace().Child(2, of: 9, at: 0).Child(3, of: 9, at: 0)));

    [Fact]
    public void Orphans_join_when_their_root_comes() =>
        Assert.Equal(["1[2 3 1]@15 RootTimeout"], Lines(new BufferedTrace().Child(2, of: 1, at: 0).Child(3, of: 1, at: 0).Root(1, at: 5)));

    [Fact]
    public void A_span_between_two_parts_of_a_segment_joins_them() =>
        Assert.Equal(["1[4 1 2 3]@13 RootTimeout"], Lines(new BufferedTrace().Child(4, of: 3, at: 0).Root(1, at: 1).Child(2, of: 1, at: 2).Child(3, of: 2, at: 3)));

    [Fact]
    public void A_span_that_is_its_own_parent_is_a_segment_without_a_root()
    {
        AssembledBy result = AssembledBy.The(new BufferedTrace().Child(7, of: 7, at: 0).Child(8, of: 7, at: 0));
        Assert.Equal(["7[7 8]@60 IdleTimeout"], result.Lines);
        Assert.True(result.Segments[0].HasRoot); // a span of the segment has its id
        Assert.Equal(0, result.Segments[0].MissingParents);
    }

    [Fact]
    public void A_span_that_is_its_own_parent_takes_those_that_waited_for_it() =>
        Assert.Equal(["7[8 7]@60 IdleTimeout"], Lines(new BufferedTrace().Child(8, of: 7, at: 0).Child(7, of: 7, at: 0)));

    [Fact]
    public void A_loop_of_two_has_the_smaller_id() =>
        Assert.Equal(["4[9 4]@60 IdleTimeout"], Lines(new BufferedTrace().Child(9, of: 4, at: 0).Child(4, of: 9, at: 0)));

    [Fact]
    public void A_loop_closed_by_a_later_span_has_the_smallest_id_in_the_loop_not_below_it() =>
        Assert.Equal(
            ["5[8 1 6 5]@63 IdleTimeout"], // 1 hangs below the loop 8 > 6 > 5 > 8
            Lines(new BufferedTrace().Child(8, of: 6, at: 0).Child(1, of: 8, at: 1).Child(6, of: 5, at: 2).Child(5, of: 8, at: 3)));

    [Fact]
    public void A_root_in_a_loop_of_parents_ends_it() => // a root's own parent does not count
        Assert.Equal(["9[3 9 5]@10 RootTimeout"], Lines(new BufferedTrace().Child(3, of: 5, at: 0).Root(9, at: 0).Child(5, of: 9, at: 0)));

    [Fact]
    public void A_tree_may_hang_on_a_loop() =>
        Assert.Equal(["4[20 9 4 21]@60 IdleTimeout"], Lines(new BufferedTrace().Child(20, of: 9, at: 0).Child(9, of: 4, at: 0).Child(4, of: 9, at: 0).Child(21, of: 20, at: 0)));
}

using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>ARCHITECTURE.md, rules 2 and 7: copies of a span are one span; the same id with another payload is another.</summary>
public sealed class CopiesAndNamesakes
{
    [Fact]
    public void A_copy_of_an_open_span_is_a_duplicate_and_pushes_no_deadline()
    {
        AssembledBy result = AssembledBy.The(new BufferedTrace().Root(1, at: 0).Copy(of: 0, at: 9));
        Assert.Equal(["1[1]@10 RootTimeout"], result.Lines);
        Assert.Equal([1], result.Duplicates);
    }

    [Fact]
    public void A_copy_that_comes_after_the_span_has_closed_is_a_span() =>
        Assert.Equal(["1[1]@10 RootTimeout", "1[1]@21 RootTimeout"], AssembledBy.The(new BufferedTrace().Root(1, at: 0).Copy(of: 0, at: 11)).Lines);

    [Fact]
    public void The_same_delivery_is_a_duplicate_even_after_the_span_has_closed()
    {
        AssembledBy result = AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 11).Redelivery(of: 0, at: 12).Redelivery(of: 1, at: 12));
        Assert.Equal(["1[1]@10 RootTimeout", "1[2]@71 IdleTimeout"], result.Lines);
        Assert.Equal([2, 3], result.Duplicates);
    }

    [Fact]
    public void A_delivery_is_the_same_whatever_came_between()
    {
        BufferedTrace trace = new BufferedTrace()
            .Child(1, of: 9, at: 0, offset: 2).Child(2, of: 9, at: 0, offset: 4)
            .Child(3, of: 9, at: 0, offset: 1).Child(2, of: 9, at: 0, offset: 4).Child(4, of: 9, at: 0, offset: 3).Child(3, of: 9, at: 0, offset: 1);
        AssembledBy result = AssembledBy.The(trace);
        Assert.Equal(["9[1 2 3 4]@60 IdleTimeout"], result.Lines);
        Assert.Equal([3, 5], result.Duplicates);
    }

    [Fact]
    public void Another_payload_is_another_span() =>
        Assert.Equal(["1[1 2 2]@10 RootTimeout"], AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(2, of: 1, at: 0)).Lines);

    [Fact]
    public void Another_length_is_another_span_whatever_the_hash() =>
        Assert.Equal(
            ["1[1 2 2]@10 RootTimeout"],
            AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0, payload: 5, bytes: 10).Child(2, of: 1, at: 0, payload: 5, bytes: 11)).Lines);

    [Fact]
    public void A_copy_of_a_namesake_is_a_duplicate()
    {
        AssembledBy result = AssembledBy.The(
            new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(2, of: 1, at: 0).Child(2, of: 1, at: 0).Copy(of: 2, at: 0).Copy(of: 3, at: 0));
        Assert.Equal(["1[1 2 2 2]@10 RootTimeout"], result.Lines);
        Assert.Equal([4, 5], result.Duplicates);
    }

    [Fact]
    public void Each_namesake_follows_its_own_parent_and_children_follow_the_first() =>
        Assert.Equal(
            ["1[1 2 4]@10 RootTimeout", "3[3 2]@10 RootTimeout"],
            AssembledBy.The(new BufferedTrace().Root(1, at: 0).Root(3, at: 0).Child(2, of: 1, at: 0).Child(2, of: 3, at: 0).Child(4, of: 2, at: 0)).Lines);

    [Fact]
    public void A_later_namesake_takes_over_when_the_first_has_closed() =>
        Assert.Equal(
            ["1[1 2]@10 RootTimeout", "3[3 2 4]@22 RootTimeout"],
            AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Root(3, at: 9).Child(2, of: 3, at: 9).Child(4, of: 2, at: 12)).Lines);

    [Fact]
    public void Roots_with_one_id_are_one_segment() =>
        Assert.Equal(
            ["1[1 2 1 3]@13 RootTimeout"],
            AssembledBy.The(new BufferedTrace()
                .Root(1, at: 0).Child(2, of: 1, at: 1).Root(1, at: 2).Child(3, of: 1, at: 3)).Lines);

    [Fact]
    public void Roots_with_one_id_take_those_that_waited_for_them() =>
        Assert.Equal(
            ["1[3 2 1 1]@12 RootTimeout"],
            AssembledBy.The(new BufferedTrace()
                .Child(3, of: 2, at: 0).Child(2, of: 1, at: 0).Root(1, at: 1).Root(1, at: 2)).Lines);

    [Fact]
    public void A_root_whose_id_was_a_closed_segments_begins_another() =>
        Assert.Equal(
            ["1[1]@10 RootTimeout", "1[1 2]@22 RootTimeout"],
            AssembledBy.The(new BufferedTrace().Root(1, at: 0).Root(1, at: 11).Child(2, of: 1, at: 12)).Lines);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_a_root_and_another_span_with_one_id_children_follow_the_root_and_each_is_where_it_belongs(bool rootFirst)
    {
        BufferedTrace trace = rootFirst
            ? new BufferedTrace().Root(1, at: 0).Child(1, of: 5, at: 0)
            : new BufferedTrace().Child(1, of: 5, at: 0).Root(1, at: 0);
        Assert.Equal(["1[1 2]@10 RootTimeout", "5[1]@60 IdleTimeout"], AssembledBy.The(trace.Child(2, of: 1, at: 0)).Lines);
    }

    [Fact]
    public void A_root_that_comes_later_takes_nothing_out_of_the_segment_of_its_namesake() =>
        Assert.Equal(
            ["1[1 3]@12 RootTimeout", "5[1 2 4]@62 IdleTimeout"],
            AssembledBy.The(new BufferedTrace()
                .Child(1, of: 5, at: 0).Child(2, of: 1, at: 0).Root(1, at: 1)
                .Child(3, of: 1, at: 2).Child(4, of: 2, at: 2)).Lines);

    [Fact]
    public void The_namesake_of_a_root_has_the_id_again_when_the_root_has_closed() =>
        Assert.Equal(
            ["1[1]@11 RootTimeout", "6[1]@61 IdleTimeout", "5[1 2]@80 IdleTimeout"], // the first of two
            AssembledBy.The(new BufferedTrace()
                .Child(1, of: 5, at: 0).Root(1, at: 1).Child(1, of: 6, at: 1).Child(2, of: 1, at: 20)).Lines);

    [Fact]
    public void A_copy_of_a_span_whose_id_a_root_has_taken_over_is_a_duplicate()
    {
        AssembledBy result = AssembledBy.The(
            new BufferedTrace().Child(1, of: 5, at: 0).Root(1, at: 1).Copy(of: 0, at: 2).Copy(of: 1, at: 2));
        Assert.Equal(["1[1]@11 RootTimeout", "5[1]@60 IdleTimeout"], result.Lines);
        Assert.Equal([2, 3], result.Duplicates);
    }

    [Fact]
    public void A_root_with_the_id_of_a_loop_is_in_one_segment_with_it() =>
        Assert.Equal(
            ["4[4 9 4]@11 RootTimeout"],
            AssembledBy.The(new BufferedTrace().Child(4, of: 9, at: 0).Child(9, of: 4, at: 0).Root(4, at: 1)).Lines);

    [Fact]
    public void A_root_with_another_id_of_a_loop_is_a_segment_of_its_own() =>
        Assert.Equal(
            ["9[9 20]@12 RootTimeout", "4[4 9]@60 IdleTimeout"],
            AssembledBy.The(new BufferedTrace()
                .Child(4, of: 9, at: 0).Child(9, of: 4, at: 0).Root(9, at: 1).Child(20, of: 9, at: 2)).Lines);

    [Fact]
    public void A_loop_through_a_span_whose_id_a_root_has_taken_over_is_in_one_segment_with_the_root() =>
        Assert.Equal(
            ["1[1 3 1 2]@12 RootTimeout"],
            AssembledBy.The(new BufferedTrace()
                .Child(1, of: 2, at: 0).Child(3, of: 1, at: 0).Root(1, at: 1).Child(2, of: 3, at: 2)).Lines);

    [Fact]
    public void A_namesake_that_took_over_can_be_part_of_a_loop() => // 2 goes through 3 once the first 2 has closed; then 3 comes, below 2
        Assert.Equal(
            ["1[1 2]@10 RootTimeout", "2[2 3]@72 IdleTimeout"],
            AssembledBy.The(new BufferedTrace().Root(1, at: 0).Child(2, of: 1, at: 0).Child(2, of: 3, at: 5).Child(3, of: 2, at: 12)).Lines);
}

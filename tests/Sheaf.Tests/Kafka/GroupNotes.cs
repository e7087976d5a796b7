using Sheaf.Kafka;
using Sheaf.Kafka.Progress;

namespace Sheaf.Tests.Kafka;

/// <summary>What is committed with an offset says of which topic it is, and with how many partitions the group began.</summary>
public class GroupNotes
{
    [Theory]
    [InlineData("dGhlIGlkIG9mIGEgdG9w", 4)]
    [InlineData(null, 1)]
    public void A_note_is_read_as_it_was_written_alone_or_behind_a_mark(string? topic, int partitions)
    {
        var note = new GroupNote(topic, partitions);
        var mark = new ProgressMark(1_700_000_000_000, 7);
        Assert.Equal(note, GroupNote.Parse(note.ToString()));
        Assert.Equal(note, GroupNote.Parse($"{mark} {note}"));
        Assert.Equal(mark, ProgressMark.Parse($"{mark} {note}"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("sheaf-progress 1 2")]
    [InlineData("somebody else's")]
    [InlineData("partitions=0")]
    [InlineData("partitions=-1")]
    [InlineData("topic=a partitions=many")]
    public void What_another_program_or_an_older_version_has_committed_has_no_note(string metadata) => Assert.Null(GroupNote.Parse(metadata));

    [Fact]
    public void A_group_without_offsets_begins_with_the_partitions_that_there_are() => Assert.Equal(6, Of(6));

    [Fact]
    public void A_group_goes_on_with_the_number_that_it_began_with() =>
        Assert.Equal(4, Of(6, new(0, 5, "partitions=4"), new(3, 5, "partitions=4"), new(4, 5, "partitions=6"), new(5, PartitionOffset.None)));

    [Fact]
    public void Offsets_of_another_program_count_up_to_the_last_of_them() =>
        Assert.Equal(4, Of(6, new(0, 5), new(3, 5), new(4, PartitionOffset.None), new(5, PartitionOffset.None)));

    [Fact]
    public void What_the_group_has_read_of_a_topic_that_was_deleted_does_not_count() => Assert.Equal(6, Of(6, new PartitionOffset(0, 5, "topic=old partitions=2")));

    private static int Of(int partitions, params PartitionOffset[] committed) => GroupNote.Of(committed, "now", partitions).Partitions;
}

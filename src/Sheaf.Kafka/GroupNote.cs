using System.Globalization;

namespace Sheaf.Kafka;

/// <summary>
/// What is committed with each offset of the input, to know later what the offset means: of which topic it is, since another one may have the same
/// name by then, and how many partitions the topic had when the group began to read it: those that it gained later are read from their beginning.
/// </summary>
/// <param name="TopicId">Null where the brokers do not tell.</param>
internal readonly record struct GroupNote(string? TopicId, int Partitions)
{
    private const string TopicWord = "topic=", PartitionsWord = "partitions=";

    /// <summary>Whether an offset with this note is of another topic than the one with this id.</summary>
    public bool IsOfAnother(string? topicId) => TopicId is not null && topicId is not null && TopicId != topicId;

    public override string ToString() => TopicId is null
        ? string.Create(CultureInfo.InvariantCulture, $"{PartitionsWord}{Partitions}")
        : string.Create(CultureInfo.InvariantCulture, $"{TopicWord}{TopicId} {PartitionsWord}{Partitions}");

    /// <summary>Reads what was committed with an offset. Null: another program has committed it, an older version, or a person.</summary>
    public static GroupNote? Parse(string metadata)
    {
        string? topic = null;
        int partitions = 0;
        foreach (string word in metadata.Split(' '))
        {
            if (word.StartsWith(TopicWord, StringComparison.Ordinal)) topic = word[TopicWord.Length..];
            else if (word.StartsWith(PartitionsWord, StringComparison.Ordinal))
                _ = int.TryParse(word.AsSpan(PartitionsWord.Length), NumberStyles.None, CultureInfo.InvariantCulture, out partitions);
        }
        return partitions > 0 ? new GroupNote(topic, partitions) : null;
    }

    /// <summary>The note of a group that goes on with what it has committed, or begins where there is nothing.</summary>
    /// <param name="committed">Its committed offsets in the topic.</param>
    /// <param name="topicId">Of the topic as it is now.</param>
    /// <param name="partitions">How many the topic has now.</param>
    public static GroupNote Of(ReadOnlySpan<PartitionOffset> committed, string? topicId, int partitions)
    {
        int? began = null;
        int behindLast = 0;
        foreach (PartitionOffset offset in committed)
        {
            if (offset.Offset < 0) continue;
            if (Parse(offset.Metadata) is not { } note) behindLast = Math.Max(behindLast, offset.Partition + 1);
            else if (!note.IsOfAnother(topicId)) began = Math.Min(began ?? int.MaxValue, note.Partitions);
        }
        return new GroupNote(topicId, began ?? (behindLast > 0 ? behindLast : partitions));
    }
}

using System.Collections.Immutable;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>What a rebalance asks of the consumer's owner.</summary>
public enum RebalanceKind
{
    /// <summary>Partitions come. Answer: <see cref="KafkaConsumer.Assign"/>.</summary>
    Assigned,

    /// <summary>Partitions go to somebody else, who waits for them. Finish, commit, then answer: <see cref="KafkaConsumer.Unassign"/>.</summary>
    Revoked,

    /// <summary>
    /// The partitions are somebody else's already (the group went on without this consumer): as after a crash, nothing may be committed any more.
    /// Answer: <see cref="KafkaConsumer.Unassign"/>.
    /// </summary>
    Lost,
}

/// <summary>A change of the consumer's partitions. Immutable. The consumer gets no messages until it is answered.</summary>
/// <param name="Partitions">Those that come or go; all of them in the eager protocol, the changes in the cooperative one. May be empty.</param>
/// <param name="IsCooperative">Partitions that are not named stay as they are.</param>
public sealed record KafkaRebalance(RebalanceKind Kind, string Topic, ImmutableArray<int> Partitions, bool IsCooperative)
{
    internal static unsafe KafkaRebalance From(RebalanceKind kind, bool cooperative, TopicPartitionList* list)
    {
        ReadOnlySpan<TopicPartition> elements = list->AsSpan();
        ImmutableArray<int>.Builder partitions = ImmutableArray.CreateBuilder<int>(elements.Length);
        foreach (TopicPartition element in elements) partitions.Add(element.Partition);
        return new KafkaRebalance(kind, elements.IsEmpty ? "" : NativeText.Read(elements[0].Topic)!, partitions.MoveToImmutable(), cooperative);
    }
}

/// <summary>A position in a partition: the offset of the next message to read, or one of librdkafka's logical offsets.</summary>
/// <param name="Metadata">What is committed with the offset, to whoever commits it; empty for nothing.</param>
public readonly record struct PartitionOffset(int Partition, long Offset, string Metadata = "")
{
    /// <summary>The first message that is there.</summary>
    public const long Beginning = -2;

    /// <summary>Behind the last message.</summary>
    public const long End = -1;

    /// <summary>The group's committed offset; where there is none, as <c>auto.offset.reset</c> says.</summary>
    public const long Committed = -1000;

    /// <summary>Nothing is known, or nothing is committed.</summary>
    public const long None = -1001;
}

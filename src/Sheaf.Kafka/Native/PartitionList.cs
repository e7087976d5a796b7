using System.Text;

namespace Sheaf.Kafka.Native;

/// <summary>A list of partitions of one topic for a call. One owner, who disposes it.</summary>
internal readonly unsafe ref struct PartitionList
{
    private PartitionList(TopicPartitionList* list) => Pointer = list;

    public TopicPartitionList* Pointer { get; }

    public ReadOnlySpan<TopicPartition> Elements => Pointer->AsSpan();

    /// <param name="topic">Its name, zero-ended.</param>
    public static PartitionList Of(ReadOnlySpan<byte> topic, ReadOnlySpan<PartitionOffset> offsets)
    {
        TopicPartitionList* list = LibRdKafka.rd_kafka_topic_partition_list_new(offsets.Length);
        fixed (byte* name = topic)
        {
            foreach (PartitionOffset offset in offsets)
            {
                TopicPartition* element = LibRdKafka.rd_kafka_topic_partition_list_add(list, name, offset.Partition);
                element->Offset = offset.Offset;
                if (offset.Metadata.Length > 0) SetMetadata(element, offset.Metadata);
            }
        }
        return new PartitionList(list);
    }

    /// <param name="topic">Its name, zero-ended.</param>
    public static PartitionList Of(ReadOnlySpan<byte> topic, ReadOnlySpan<int> partitions)
    {
        TopicPartitionList* list = LibRdKafka.rd_kafka_topic_partition_list_new(partitions.Length);
        fixed (byte* name = topic)
        {
            foreach (int partition in partitions) LibRdKafka.rd_kafka_topic_partition_list_add(list, name, partition);
        }
        return new PartitionList(list);
    }

    /// <summary>The first error that a call left in an element; none where all went well.</summary>
    public KafkaError FirstError()
    {
        foreach (ref readonly TopicPartition element in Elements)
            if (element.Error != ErrorCodes.None) return new KafkaError(element.Error);
        return default;
    }

    private static void SetMetadata(TopicPartition* element, string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        element->Metadata = (byte*)LibRdKafka.rd_kafka_mem_malloc(0, (nuint)length); // freed with the list
        element->MetadataLength = (nuint)Encoding.UTF8.GetBytes(text, new Span<byte>(element->Metadata, length));
    }

    public void Dispose() => LibRdKafka.rd_kafka_topic_partition_list_destroy(Pointer);
}

using System.Runtime.InteropServices;
using System.Text;

namespace Sheaf.Kafka.Native;

/// <summary><c>rd_kafka_message_t</c>. Fields are librdkafka's; read in place, never written.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeMessage
{
    public int Error;
    public nint Topic;
    public int Partition;

    /// <summary>The value; the error's text where <see cref="Error"/> is set. Null for a message without a value.</summary>
    public byte* Payload;
    public nuint Length;
    public byte* Key;
    public nuint KeyLength;
    public long Offset;

    /// <summary>In a delivery report: what the message was produced with (<see cref="ProduceArgument.OpaqueTag"/>).</summary>
    public nint Opaque;

    public readonly ReadOnlySpan<byte> Value => new(Payload, (int)Length);
}

/// <summary><c>rd_kafka_topic_partition_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TopicPartition
{
    public byte* Topic;
    public int Partition;
    public long Offset;
    public byte* Metadata;
    public nuint MetadataLength;
    public nint Opaque;
    public int Error;
    public nint Private;
}

/// <summary><c>rd_kafka_topic_partition_list_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TopicPartitionList
{
    public int Count;
    public int Capacity;
    public TopicPartition* Elements;

    public readonly ReadOnlySpan<TopicPartition> AsSpan() => new(Elements, Count);
}

/// <summary><c>rd_kafka_metadata_t</c>, as far as we read it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Metadata
{
    public int BrokerCount;
    public nint Brokers;
    public int TopicCount;
    public MetadataTopic* Topics;
}

/// <summary><c>rd_kafka_metadata_topic_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MetadataTopic
{
    public byte* Topic;
    public int PartitionCount;
    public MetadataPartition* Partitions;
    public int Error;
}

/// <summary><c>rd_kafka_metadata_partition_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MetadataPartition
{
    public int Id;
    public int Error;
    public int Leader;
    public int ReplicaCount;
    public int* Replicas;
    public int InSyncCount;
    public int* InSync;
}

/// <summary><c>rd_kafka_vu_t</c>: one argument of <see cref="LibRdKafka.rd_kafka_produceva"/>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct ProduceArgument
{
    public const int TopicTag = 2;
    public const int PartitionTag = 3;
    public const int ValueTag = 4;
    public const int KeyTag = 5;
    public const int OpaqueTag = 6;
    public const int TimestampTag = 8;
    public const int HeadersTag = 10;

    [FieldOffset(0)] public int Tag;
    [FieldOffset(8)] public nint Pointer;
    [FieldOffset(8)] public int Int32;
    [FieldOffset(8)] public long Int64;
    [FieldOffset(16)] public nuint Size;
}

/// <summary>Texts that librdkafka hands out.</summary>
internal static unsafe class NativeText
{
    /// <summary>What librdkafka asks for an error's text.</summary>
    public const int ErrorSize = 512;

    /// <summary>A zero-ended UTF-8 text; null where there is none.</summary>
    public static string? Read(byte* text) =>
        text == null ? null : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    /// <summary>Zero-ended UTF-8, for calls that are given the same name over and over.</summary>
    public static byte[] ToZeroEnded(string text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }
}

using System.Runtime.InteropServices;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;

namespace Sheaf.TestKit.Kafka;

/// <summary>Functions of librdkafka that only tests need: the mock cluster, and deleting topics.</summary>
internal static unsafe partial class TestFunctions
{
    private const string Name = LibRdKafka.Name;

    private static readonly Lazy<bool> Resolved = new(() =>
    {
        KafkaLibrary.ResolveFor(typeof(TestFunctions).Assembly);
        return true;
    });

    /// <summary>Before the first call.</summary>
    public static void EnsureLoaded() => _ = Resolved.Value;

    [LibraryImport(Name)]
    public static partial nint rd_kafka_mock_cluster_new(ClientHandle client, int brokers);

    [LibraryImport(Name)]
    public static partial void rd_kafka_mock_cluster_destroy(nint cluster);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_mock_cluster_bootstraps(nint cluster);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rd_kafka_mock_topic_create(nint cluster, string topic, int partitions, int replicas);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial void rd_kafka_mock_topic_set_error(nint cluster, string topic, int error);

    [LibraryImport(Name)]
    public static partial void rd_kafka_mock_push_request_errors_array(nint cluster, short apiKey, nuint count, int* errors);

    [LibraryImport(Name)]
    public static partial int rd_kafka_mock_broker_set_down(nint cluster, int broker);

    [LibraryImport(Name)]
    public static partial int rd_kafka_mock_broker_set_up(nint cluster, int broker);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint rd_kafka_DeleteTopic_new(string topic);

    [LibraryImport(Name)]
    public static partial void rd_kafka_DeleteTopic_destroy(nint topic);

    [LibraryImport(Name)]
    public static partial void rd_kafka_DeleteTopics(ClientHandle client, nint* topics, nuint count, nint options, nint queue);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint rd_kafka_NewPartitions_new(string topic, nuint total, byte* error, nuint errorSize);

    [LibraryImport(Name)]
    public static partial void rd_kafka_NewPartitions_destroy(nint partitions);

    [LibraryImport(Name)]
    public static partial void rd_kafka_CreatePartitions(ClientHandle client, nint* partitions, nuint count, nint options, nint queue);
}

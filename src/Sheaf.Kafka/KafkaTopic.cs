using System.Globalization;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>What the brokers tell about a topic.</summary>
/// <param name="MaxMessageBytes">Its <c>max.message.bytes</c>; null where the client may not read it, or the brokers cannot tell.</param>
public sealed record KafkaTopic(string Name, int Partitions, int? MaxMessageBytes)
{
    /// <summary>What stands for the leader of a partition that has none.</summary>
    internal const int NoLeader = -1;

    // In slices, so that a cancellation is seen: librdkafka's own waits cannot be interrupted.
    private const int SliceMs = 500;

    // A topic that was created a moment ago is not known to every broker yet.
    private static readonly TimeSpan Propagation = TimeSpan.FromSeconds(3);

    // A question that brokers may leave open: they have answered another one just before.
    private static readonly TimeSpan PropertyPatience = TimeSpan.FromSeconds(3);

    /// <summary>Asks the brokers. Blocks; waits for brokers that are away, up to the time-out.</summary>
    /// <param name="error">Why it cannot be told: no such topic, no right, no broker.</param>
    /// <returns>Null where there is an error.</returns>
    internal static KafkaTopic? Find(ClientHandle client, ClientEvents events, string name, TimeSpan timeout, TimeProvider time, out KafkaError error, CancellationToken cancel) =>
        CountPartitions(client, events, name, timeout, time, out error, cancel) is { } partitions
            ? new KafkaTopic(name, partitions, int.TryParse(ReadProperty(client, name, "max.message.bytes", timeout, time, cancel), NumberStyles.None, CultureInfo.InvariantCulture, out int bytes) ? bytes : null)
            : null;

    /// <summary>As <see cref="Find"/>, without the topic's limits.</summary>
    /// <param name="events">The client's: brokers that refuse it are not asked again, as brokers that are away are.</param>
    /// <param name="mayBeMissing">Whether a topic that is not there is told at once; otherwise it may have been made a moment ago.</param>
    /// <param name="wasMade">It certainly was: many partitions take their time to be known.</param>
    internal static int? CountPartitions(
        ClientHandle client, ClientEvents events, string name, TimeSpan timeout, TimeProvider time, out KafkaError error, CancellationToken cancel, bool mayBeMissing = false,
        bool wasMade = false)
    {
        long start = time.GetTimestamp();
        nint topic = client.Topic(name);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            error = CountPartitions(client, topic, out int partitions);
            _ = LibRdKafka.rd_kafka_poll(client, 0); // what the client has to say meanwhile
            if (error.IsNone) return partitions;
            if (events.TakeRefusal() is { IsNone: false } refusal)
            {
                error = refusal; // the question itself has only timed out
                if (refusal.Kind != KafkaErrorKind.UnknownTopic) return null; // that may come from before the topic was made
            }
            TimeSpan patience = error.Kind switch
            {
                KafkaErrorKind.Retriable => timeout,
                KafkaErrorKind.UnknownTopic when wasMade => timeout,
                KafkaErrorKind.UnknownTopic when !mayBeMissing => Propagation < timeout ? Propagation : timeout,
                _ => TimeSpan.Zero,
            };
            if (time.GetElapsedTime(start) >= patience) return null;
            cancel.WaitHandle.WaitOne(50);
        }
    }

    /// <summary>Whether the brokers know the topic now. Waits half a second for them.</summary>
    internal static KafkaError Ask(ClientHandle client, nint topic) => CountPartitions(client, topic, out _);

    /// <summary>The brokers that lead its partitions, by partition; <see cref="NoLeader"/> where there is none now. Waits half a second for an answer.</summary>
    internal static KafkaError AskLeaders(ClientHandle client, nint topic, out int[] leaders)
    {
        int[] found = [];
        KafkaError error = Describe(client, topic, (in MetadataTopic described) =>
        {
            found = new int[described.PartitionCount];
            Array.Fill(found, NoLeader);
            for (int i = 0; i < found.Length; i++)
            {
                MetadataPartition partition = PartitionAt(described, i);
                if (partition.Id < found.Length) found[partition.Id] = partition.Leader;
            }
        });
        leaders = found;
        return error;
    }

    /// <summary>How the topic's partitions are, as the brokers say now. Waits half a second for an answer.</summary>
    internal static KafkaError AskHealth(ClientHandle client, string name, out TopicHealth health)
    {
        nint topic = LibRdKafka.rd_kafka_topic_new(client, name, 0);
        TopicHealth found = default;
        KafkaError error = Describe(client, topic, (in MetadataTopic described) =>
        {
            found = new TopicHealth(described.PartitionCount, 0, null);
            for (int i = 0; i < described.PartitionCount; i++)
            {
                MetadataPartition partition = PartitionAt(described, i);
                found = found with
                {
                    WithoutLeader = found.WithoutLeader + (partition.Leader < 0 ? 1 : 0),
                    FewestInSync = Math.Min(found.FewestInSync ?? int.MaxValue, partition.InSyncCount),
                };
            }
        });
        LibRdKafka.rd_kafka_topic_destroy(topic);
        health = found;
        return error;
    }

    private static KafkaError CountPartitions(ClientHandle client, nint topic, out int partitions)
    {
        int count = 0;
        KafkaError error = Describe(client, topic, (in MetadataTopic described) => count = described.PartitionCount);
        partitions = count;
        return error;
    }

    private delegate void Reading(in MetadataTopic topic);

    private static unsafe MetadataPartition PartitionAt(in MetadataTopic topic, int index) => topic.Partitions[index];

    private static unsafe KafkaError Describe(ClientHandle client, nint topic, Reading read)
    {
        Metadata* metadata;
        var error = new KafkaError(LibRdKafka.rd_kafka_metadata(client, 0, topic, &metadata, SliceMs));
        if (!error.IsNone) return error;
        error = metadata->TopicCount > 0 ? new KafkaError(metadata->Topics[0].Error) : error;
        if (error.IsNone && (metadata->TopicCount == 0 || metadata->Topics[0].PartitionCount == 0)) error = new KafkaError(ErrorCodes.UnknownTopicOrPartition);
        if (error.IsNone) read(metadata->Topics[0]);
        LibRdKafka.rd_kafka_metadata_destroy(metadata);
        return error;
    }

    /// <summary>A property of the topic; null where the client may not read it, or the brokers do not tell within <see cref="PropertyPatience"/>. Blocks.</summary>
    internal static unsafe string? ReadProperty(ClientHandle client, string topic, string property, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        const int TopicType = 2; // RD_KAFKA_RESOURCE_TOPIC
        nint queue = LibRdKafka.rd_kafka_queue_new(client);
        nint resource = LibRdKafka.rd_kafka_ConfigResource_new(TopicType, topic);
        try
        {
            LibRdKafka.rd_kafka_DescribeConfigs(client, &resource, 1, 0, queue);
            long start = time.GetTimestamp();
            while (time.GetElapsedTime(start) < (timeout < PropertyPatience ? timeout : PropertyPatience))
            {
                cancel.ThrowIfCancellationRequested();
                nint answer = LibRdKafka.rd_kafka_queue_poll(queue, SliceMs);
                if (answer == 0) continue;
                string? found = PropertyOf(LibRdKafka.rd_kafka_event_DescribeConfigs_result(answer), property);
                LibRdKafka.rd_kafka_event_destroy(answer);
                return found;
            }
            return null;
        }
        finally
        {
            LibRdKafka.rd_kafka_ConfigResource_destroy(resource);
            LibRdKafka.rd_kafka_queue_destroy(queue);
        }
    }

    /// <summary>The id of the topic that has this name now; null where the brokers have none or do not tell within <see cref="PropertyPatience"/>. Blocks.</summary>
    internal static unsafe string? ReadId(ClientHandle client, string topic, TimeProvider time, CancellationToken cancel)
    {
        bool held = false;
        client.DangerousAddRef(ref held); // or the client could be destroyed while the queue is still to be given back
        nint queue = LibRdKafka.rd_kafka_queue_new(client);
        fixed (byte* name = NativeText.ToZeroEnded(topic))
        {
            byte* only = name;
            nint names = LibRdKafka.rd_kafka_TopicCollection_of_topic_names(&only, 1);
            try
            {
                LibRdKafka.rd_kafka_DescribeTopics(client, names, 0, queue);
                long start = time.GetTimestamp();
                while (time.GetElapsedTime(start) < PropertyPatience)
                {
                    cancel.ThrowIfCancellationRequested();
                    nint answer = LibRdKafka.rd_kafka_queue_poll(queue, SliceMs);
                    if (answer == 0) continue;
                    string? found = IdOf(LibRdKafka.rd_kafka_event_DescribeTopics_result(answer));
                    LibRdKafka.rd_kafka_event_destroy(answer);
                    return found;
                }
                return null;
            }
            finally
            {
                LibRdKafka.rd_kafka_TopicCollection_destroy(names);
                LibRdKafka.rd_kafka_queue_destroy(queue);
                client.DangerousRelease();
            }
        }
    }

    private static unsafe string? IdOf(nint result)
    {
        if (result == 0) return null;
        nuint count;
        nint* topics = LibRdKafka.rd_kafka_DescribeTopics_result_topics(result, &count);
        if (count == 0 || LibRdKafka.rd_kafka_error_code(LibRdKafka.rd_kafka_TopicDescription_error(*topics)) != ErrorCodes.None) return null;
        nint id = LibRdKafka.rd_kafka_TopicDescription_topic_id(*topics);
        if (id == 0 || (LibRdKafka.rd_kafka_Uuid_most_significant_bits(id) == 0 && LibRdKafka.rd_kafka_Uuid_least_significant_bits(id) == 0)) return null;
        return NativeText.Read(LibRdKafka.rd_kafka_Uuid_base64str(id));
    }

    private static unsafe string? PropertyOf(nint result, string property)
    {
        if (result == 0) return null;
        nuint resources, entries;
        nint* resource = LibRdKafka.rd_kafka_DescribeConfigs_result_resources(result, &resources);
        if (resources == 0 || LibRdKafka.rd_kafka_ConfigResource_error(*resource) != ErrorCodes.None) return null;
        nint* entry = LibRdKafka.rd_kafka_ConfigResource_configs(*resource, &entries);
        for (nuint i = 0; i < entries; i++)
        {
            if (NativeText.Read(LibRdKafka.rd_kafka_ConfigEntry_name(entry[i])) == property) return NativeText.Read(LibRdKafka.rd_kafka_ConfigEntry_value(entry[i]));
        }
        return null;
    }
}

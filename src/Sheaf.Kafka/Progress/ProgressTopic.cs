using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka.Progress;

/// <summary>The topic that holds progress: found, or made, and checked.</summary>
internal static class ProgressTopic
{
    private const int AdminMs = 500; // in slices, so that a cancellation is seen

    private const int CreateTopicsOperation = 1; // RD_KAFKA_ADMIN_OP_CREATETOPICS

    // Small segments, so that compaction, which leaves the newest one alone, keeps up.
    private static readonly (string Name, string Value)[] Properties =
        [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("segment.ms", "3600000"), ("min.cleanable.dirty.ratio", "0.1")];

    /// <summary>How many partitions it has; it is made where it is missing. Blocks; waits for brokers that are away.</summary>
    /// <param name="partitions">For a topic that is made.</param>
    /// <exception cref="ConfigurationException">It cannot be made, may not be read, or would lose what it holds.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public static int Open(KafkaProgressOptions options, int partitions, ILogger log, TimeProvider time, CancellationToken cancel)
    {
        var events = new ClientEvents(log);
        using ClientHandle client = ClientHandle.Create(ClientType.Consumer, options.Input.ToConfig(), events);
        if (Find(client, events, options, time, cancel) is { } there) return there;
        Create(client, options, partitions, onlyTry: false, time, cancel);
        if (log is not null) KafkaLog.ProgressTopicMade(log, options.Topic, partitions);
        int? made = KafkaTopic.CountPartitions(client, events, options.Topic, options.StartTimeout, time, out KafkaError error, cancel, wasMade: true);
        return made ?? throw Failure(options, error, events);
    }

    /// <summary>As <see cref="Open"/>, and makes nothing: null where it is missing and could be made.</summary>
    public static int? Find(KafkaProgressOptions options, int partitions, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        var events = new ClientEvents(log);
        using ClientHandle client = ClientHandle.Create(ClientType.Consumer, options.Input.ToConfig(), events);
        int? found = Find(client, events, options, time, cancel);
        if (found is null) Create(client, options, partitions, onlyTry: true, time, cancel);
        return found;
    }

    private static int? Find(ClientHandle client, ClientEvents events, KafkaProgressOptions options, TimeProvider time, CancellationToken cancel)
    {
        int? found = KafkaTopic.CountPartitions(client, events, options.Topic, options.StartTimeout, time, out KafkaError error, cancel, mayBeMissing: true);
        if (found is null) return error.Kind == KafkaErrorKind.UnknownTopic ? null : throw Failure(options, error, events);
        string? policy = KafkaTopic.ReadProperty(client, options.Topic, "cleanup.policy", options.StartTimeout, time, cancel);
        if (policy is not (null or "compact"))
        {
            throw new ConfigurationException($"--progress-topic {options.Topic}: its cleanup.policy is '{policy}', so the brokers would delete what is still needed. Mend it: kafka-configs.sh "
                + $"--bootstrap-server {options.Input.Address.Brokers} --alter --topic {options.Topic} --add-config cleanup.policy=compact; or name another topic, which is made when it is missing");
        }
        return found;
    }

    private static SheafException Failure(KafkaProgressOptions options, KafkaError error, ClientEvents events)
    {
        string message = $"--progress-topic {options.Topic}: {error.Text}. {error.WayOut(options.Topic)}";
        if (error.Kind != KafkaErrorKind.Retriable) return new ConfigurationException(message);
        return new SourceException(events.LastError.IsNone ? message : $"{message}. Last: {events.LastError.Text}");
    }

    /// <param name="onlyTry">The brokers say whether they would make it, and make nothing.</param>
    /// <exception cref="ConfigurationException">They do not.</exception>
    private static void Create(ClientHandle client, KafkaProgressOptions options, int partitions, bool onlyTry, TimeProvider time, CancellationToken cancel)
    {
        KafkaError error = AskToCreate(client, options, partitions, onlyTry, time, cancel);
        if (!error.IsNone && error.Code != ErrorCodes.TopicExists) throw new ConfigurationException(HowToCreate(options, partitions, error));
    }

    private static unsafe KafkaError AskToCreate(
        ClientHandle client, KafkaProgressOptions options, int partitions, bool onlyTry, TimeProvider time, CancellationToken cancel)
    {
        byte* text = stackalloc byte[NativeText.ErrorSize];
        nint topic = LibRdKafka.rd_kafka_NewTopic_new(options.Topic, partitions, -1, text, NativeText.ErrorSize);
        if (topic == 0) return new KafkaError(ErrorCodes.InvalidTopic, NativeText.Read(text) ?? "");
        nint queue = LibRdKafka.rd_kafka_queue_new(client);
        nint how = LibRdKafka.rd_kafka_AdminOptions_new(client, CreateTopicsOperation);
        try
        {
            if (onlyTry) _ = LibRdKafka.rd_kafka_AdminOptions_set_validate_only(how, 1, text, NativeText.ErrorSize);
            foreach ((string name, string value) in Properties) _ = LibRdKafka.rd_kafka_NewTopic_set_config(topic, name, value);
            LibRdKafka.rd_kafka_CreateTopics(client, &topic, 1, how, queue);
            long start = time.GetTimestamp();
            while (time.GetElapsedTime(start) < options.StartTimeout)
            {
                cancel.ThrowIfCancellationRequested();
                nint answer = LibRdKafka.rd_kafka_queue_poll(queue, AdminMs);
                if (answer == 0) continue;
                KafkaError error = ResultOf(answer);
                LibRdKafka.rd_kafka_event_destroy(answer);
                return error;
            }
            return new KafkaError(ErrorCodes.TimedOut);
        }
        finally
        {
            LibRdKafka.rd_kafka_AdminOptions_destroy(how);
            LibRdKafka.rd_kafka_queue_destroy(queue);
            LibRdKafka.rd_kafka_NewTopic_destroy(topic);
        }
    }

    private static unsafe KafkaError ResultOf(nint answer)
    {
        var error = new KafkaError(LibRdKafka.rd_kafka_event_error(answer), NativeText.Read(LibRdKafka.rd_kafka_event_error_string(answer)) ?? "");
        if (!error.IsNone) return error;
        nuint count;
        nint* results = LibRdKafka.rd_kafka_CreateTopics_result_topics(LibRdKafka.rd_kafka_event_CreateTopics_result(answer), &count);
        return count == 0 ? default : new KafkaError(LibRdKafka.rd_kafka_topic_result_error(*results), NativeText.Read(LibRdKafka.rd_kafka_topic_result_error_string(*results)) ?? "");
    }

    private static string HowToCreate(KafkaProgressOptions options, int partitions, KafkaError error) =>
        $"--progress-topic {options.Topic}: it does not exist and cannot be made: {error.Text}. Make it: kafka-topics.sh --bootstrap-server {options.Input.Address.Brokers} --create --topic {options.Topic} "
        + string.Create(CultureInfo.InvariantCulture, $"--partitions {partitions} {string.Join(' ', Properties.Select(p => $"--config {p.Name}={p.Value}"))}")
        + "; or do without it, and let segments come out again in part after a crash: --progress-topic none";
}

using System.Globalization;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka.Progress;

/// <summary>The topic that holds progress: found, or made, and checked.</summary>
internal static class ProgressTopic
{
    private const int AdminMs = 500; // in slices, so that a cancellation is seen

    // Small segments, so that compaction, which leaves the newest one alone, keeps up.
    private static readonly (string Name, string Value)[] Properties =
        [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("segment.ms", "3600000"), ("min.cleanable.dirty.ratio", "0.1")];

    /// <summary>How many partitions it has. Blocks; waits for brokers that are away.</summary>
    /// <param name="partitions">For a topic that is made.</param>
    /// <exception cref="ConfigurationException">It cannot be made, may not be read, or would lose what it holds.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public static int Open(KafkaProgressOptions options, int partitions, Action<KafkaLogLine>? log, TimeProvider time, CancellationToken cancel)
    {
        var events = new ClientEvents(log);
        using ClientHandle client = ClientHandle.Create(ClientType.Consumer, options.Input.ToConfig(), events);
        int? found = KafkaTopic.CountPartitions(client, events, options.Topic, options.StartTimeout, time, out KafkaError error, cancel, mayBeMissing: true);
        if (found is null && error.Kind == KafkaErrorKind.UnknownTopic)
        {
            error = Create(client, options, partitions, time, cancel);
            if (!error.IsNone && error.Code != ErrorCodes.TopicExists) throw new ConfigurationException(HowToCreate(options, partitions, error));
            log?.Invoke(new KafkaLogLine(5, "PROGRESS", string.Create(CultureInfo.InvariantCulture, $"topic {options.Topic} is made, with {partitions} partitions: it holds how far the memory buffer is")));
            found = KafkaTopic.CountPartitions(client, events, options.Topic, options.StartTimeout, time, out error, cancel);
        }
        if (found is null)
        {
            string message = $"--progress-topic {options.Topic}: {error.Text}. {error.WayOut(options.Topic)}";
            if (error.Kind != KafkaErrorKind.Retriable) throw new ConfigurationException(message);
            throw new SourceException(events.LastError.IsNone ? message : $"{message}. Last: {events.LastError.Text}");
        }
        string? policy = KafkaTopic.ReadProperty(client, options.Topic, "cleanup.policy", options.StartTimeout, time, cancel);
        if (policy is not (null or "compact"))
        {
            throw new ConfigurationException($"--progress-topic {options.Topic}: its cleanup.policy is '{policy}', so the brokers would delete what is still needed. Mend it: kafka-configs.sh "
                + $"--bootstrap-server {options.Input.Address.Brokers} --alter --topic {options.Topic} --add-config cleanup.policy=compact; or name another topic, which is made when it is missing");
        }
        return found.Value;
    }

    private static unsafe KafkaError Create(ClientHandle client, KafkaProgressOptions options, int partitions, TimeProvider time, CancellationToken cancel)
    {
        byte* text = stackalloc byte[NativeText.ErrorSize];
        nint topic = LibRdKafka.rd_kafka_NewTopic_new(options.Topic, partitions, -1, text, NativeText.ErrorSize);
        if (topic == 0) return new KafkaError(ErrorCodes.InvalidTopic, NativeText.Read(text) ?? "");
        nint queue = LibRdKafka.rd_kafka_queue_new(client);
        try
        {
            foreach ((string name, string value) in Properties) _ = LibRdKafka.rd_kafka_NewTopic_set_config(topic, name, value);
            LibRdKafka.rd_kafka_CreateTopics(client, &topic, 1, 0, queue);
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

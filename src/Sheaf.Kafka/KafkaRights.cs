using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>What a client may do, by the brokers' numbers.</summary>
internal enum KafkaRight
{
    Read = 3,
    Write = 4,
    Describe = 8,
}

/// <summary>
/// What this client's user lacks on a topic or a group, as the brokers tell when they are asked to describe it: so a start says it, and not the first message. Stateless.
/// </summary>
/// <remarks>
/// Only an answer with the right to describe in it counts: who may not have that would have got no answer. Brokers older than 2.3, and some that are not Apache's, tell nothing.
/// </remarks>
internal static unsafe class KafkaRights
{
    private const int SliceMs = 500; // so that a cancellation is seen
    private const int DescribeGroups = 13, DescribeTopics = 19; // RD_KAFKA_ADMIN_OP_…

    // The brokers have answered another question just before.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>What to say where the user may not do this with the topic; null where that is allowed, or not told. Blocks.</summary>
    public static string? WhyNotTopic(ClientHandle client, KafkaAddress address, string topic, KafkaRight needed, TimeProvider time, CancellationToken cancel)
    {
        byte[] name = NativeText.ToZeroEnded(topic);
        using var question = new Question(client, DescribeTopics);
        fixed (byte* text = name)
        {
            byte* first = text;
            nint collection = LibRdKafka.rd_kafka_TopicCollection_of_topic_names(&first, 1);
            LibRdKafka.rd_kafka_DescribeTopics(client, collection, question.Options, question.Queue);
            LibRdKafka.rd_kafka_TopicCollection_destroy(collection);
            nint answer = question.Answer(time, cancel);
            if (answer == 0) return null;
            nuint count = 0, operations = 0;
            nint result = LibRdKafka.rd_kafka_event_DescribeTopics_result(answer);
            nint* topics = result == 0 ? null : LibRdKafka.rd_kafka_DescribeTopics_result_topics(result, &count);
            int* allowed = count == 0 ? null : LibRdKafka.rd_kafka_TopicDescription_authorized_operations(*topics, &operations);
            bool mayNot = Lacks(allowed, operations, needed);
            LibRdKafka.rd_kafka_event_destroy(answer);
            return mayNot ? $"this client's user may not {needed} topic {topic}. Give it the right: {HowTo(address, needed)} --topic {topic}" : null;
        }
    }

    /// <summary>What to say where the user may not read under the group's name; null where that is allowed, or not told. Blocks.</summary>
    public static string? WhyNotGroup(ClientHandle client, KafkaAddress address, TimeProvider time, CancellationToken cancel)
    {
        byte[] name = NativeText.ToZeroEnded(address.Group);
        using var question = new Question(client, DescribeGroups);
        fixed (byte* text = name)
        {
            byte* first = text;
            LibRdKafka.rd_kafka_DescribeConsumerGroups(client, &first, 1, question.Options, question.Queue);
            nint answer = question.Answer(time, cancel);
            if (answer == 0) return null;
            nuint count = 0, operations = 0;
            nint result = LibRdKafka.rd_kafka_event_DescribeConsumerGroups_result(answer);
            nint* groups = result == 0 ? null : LibRdKafka.rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
            bool mayNot = false;
            if (count > 0)
            {
                nint error = LibRdKafka.rd_kafka_ConsumerGroupDescription_error(*groups); // the description's own
                mayNot = (error != 0 && LibRdKafka.rd_kafka_error_code(error) == ErrorCodes.GroupAuthorization)
                    || Lacks(LibRdKafka.rd_kafka_ConsumerGroupDescription_authorized_operations(*groups, &operations), operations, KafkaRight.Read);
            }
            LibRdKafka.rd_kafka_event_destroy(answer);
            return mayNot ? $"this client's user may not {KafkaRight.Read} group {address.Group}. Give it the right: {HowTo(address, KafkaRight.Read)} --group {address.Group}" : null;
        }
    }

    private static bool Lacks(int* allowed, nuint count, KafkaRight needed)
    {
        var told = new ReadOnlySpan<int>(allowed, allowed == null ? 0 : (int)count);
        return told.Contains((int)KafkaRight.Describe) && !told.Contains((int)needed);
    }

    private static string HowTo(KafkaAddress address, KafkaRight needed) =>
        $"kafka-acls.sh --bootstrap-server {address.Brokers} --add --allow-principal User:NAME --operation {needed}";

    /// <summary>A question about rights, and where its answer comes.</summary>
    private readonly ref struct Question
    {
        public Question(ClientHandle client, int operation)
        {
            Queue = LibRdKafka.rd_kafka_queue_new(client);
            Options = LibRdKafka.rd_kafka_AdminOptions_new(client, operation);
            KafkaError.Take(LibRdKafka.rd_kafka_AdminOptions_set_include_authorized_operations(Options, 1));
        }

        public nint Queue { get; }

        public nint Options { get; }

        /// <summary>An event that belongs to the caller; 0 where none comes in time.</summary>
        public nint Answer(TimeProvider time, CancellationToken cancel)
        {
            long start = time.GetTimestamp();
            while (time.GetElapsedTime(start) < Patience)
            {
                cancel.ThrowIfCancellationRequested();
                nint answer = LibRdKafka.rd_kafka_queue_poll(Queue, SliceMs);
                if (answer != 0) return answer;
            }
            return 0;
        }

        public void Dispose()
        {
            LibRdKafka.rd_kafka_AdminOptions_destroy(Options);
            LibRdKafka.rd_kafka_queue_destroy(Queue);
        }
    }
}

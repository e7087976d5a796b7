using Sheaf.Kafka;
using Sheaf.Kafka.Native;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>A topic that the brokers do not know any more, for a while or for good. Always on the mock cluster: it can be told to say so.</summary>
public sealed class AbsentTopics
{
    /// <summary>Neither disposed nor finalized: there librdkafka (2.0 and 2.16) waits for ever, once a topic has gone that it read.</summary>
    private static readonly List<KafkaConsumer> s_left = [];

    private readonly TestClock _time = new();

    [Fact]
    public async Task A_topic_that_is_unknown_for_a_while_ends_nothing()
    {
        using var cluster = new MockCluster();
        using var batch = new KafkaMessageBatch(10);
        KafkaConsumer consumer = await ReadUntilItIsUnknownAsync(cluster, batch);
        _time.Advance(TimeSpan.FromSeconds(29));
        for (int i = 0; i < 20; i++) Poll(consumer, batch);
        cluster.SetTopicError("t", 0);
        _time.Advance(TimeSpan.FromSeconds(30));
        using var producer = new TestProducer(cluster.Brokers, "t");
        Assert.Equal("no error", (await producer.ProduceAsync(["a"u8.ToArray()])).ToString());
        int count = 0;
        await Eventually.TrueAsync(() => count > 0, "a message", () => count += Poll(consumer, batch));
    }

    [Fact]
    public async Task A_topic_that_stays_unknown_ends_the_reading_with_the_way_out()
    {
        using var cluster = new MockCluster();
        using var batch = new KafkaMessageBatch(10);
        KafkaConsumer consumer = await ReadUntilItIsUnknownAsync(cluster, batch);
        _time.Advance(TimeSpan.FromSeconds(30));
        SourceException? failure = null;
        await Eventually.TrueAsync(() => failure is not null, "the end", () =>
        {
            failure = Record.Exception(() => Poll(consumer, batch)) as SourceException;
            _time.Advance(TimeSpan.FromSeconds(1)); // until it asks again
        });
        Assert.Contains("Create topic t", failure!.Message, StringComparison.Ordinal);
    }

    private async Task<KafkaConsumer> ReadUntilItIsUnknownAsync(MockCluster cluster, KafkaMessageBatch batch)
    {
        cluster.CreateTopic("t");
        KafkaConsumer consumer = Open(cluster);
        await ReadToEndAsync(consumer, batch);
        cluster.SetTopicError("t", ErrorCodes.UnknownTopicOrPartition);
        await Eventually.TrueAsync(() => consumer.LastError.Kind == KafkaErrorKind.UnknownTopic, "the error", () => Poll(consumer, batch));
        return consumer;
    }

    private KafkaConsumer Open(MockCluster cluster)
    {
        KafkaConsumer consumer = KafkaConsumer.Read(OptionsOf(cluster), [new PartitionOffset(0, PartitionOffset.Beginning)]); // a member would have to join again, which takes long
        s_left.Add(consumer);
        return consumer;
    }

    private KafkaConsumerOptions OptionsOf(MockCluster cluster) => new()
    {
        Address = new KafkaAddress(cluster.Brokers, ["t"], "g", []),
        AutoOffsetReset = AutoOffsetReset.Earliest,
        StrictOffsetReset = false,
        Config = new KafkaConfig().Set("topic.metadata.refresh.interval.ms", "200").Set("topic.metadata.propagation.max.ms", "200").Set("fetch.wait.max.ms", "50"),
        Time = _time,
    };

    private static Task ReadToEndAsync(KafkaConsumer consumer, KafkaMessageBatch batch)
    {
        bool ended = false;
        return Eventually.TrueAsync(() => ended, "the end", () =>
        {
            Poll(consumer, batch);
            ended = batch.Ends.Length > 0;
        });
    }

    private static int Poll(KafkaConsumer consumer, KafkaMessageBatch batch)
    {
        consumer.Poll(batch, TimeSpan.FromMilliseconds(20));
        return batch.Count;
    }
}

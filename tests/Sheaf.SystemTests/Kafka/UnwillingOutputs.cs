using Sheaf.Kafka;
using Sheaf.Kafka.Native;
using Sheaf.Segments;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Outputs that do not take the segments, or not now.</summary>
public sealed class UnwillingOutputs(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task A_worker_that_waits_for_a_broker_can_be_cancelled_and_fenced()
    {
        using var cluster = new MockCluster();
        cluster.CreateTopic("t");
        KafkaOutput output = await OpenAsync(OutputTo(cluster));
        cluster.StopBroker();
        await using KafkaSegmentSink sink = output.CreateClient();
        using var cancel = new CancellationTokenSource();
        Task cancelled = sink.ProduceAsync(SegmentBatches.Numbered(0, 10, 1000), cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.WaitAsync(Eventually.Patience));

        Task fenced = sink.ProduceAsync(SegmentBatches.Numbered(0, 10, 1000), default).AsTask();
        sink.Fence();
        await Assert.ThrowsAsync<ClaimLapsedException>(() => fenced.WaitAsync(Eventually.Patience));
        await Assert.ThrowsAsync<ClaimLapsedException>(() => sink.ProduceAsync(SegmentBatches.Numbered(0, 1, 1), default).AsTask());
    }

    [Fact]
    public async Task A_full_queue_only_slows_down()
    {
        string topic = Broker.CreateTopic();
        KafkaOutputOptions options = OutputTo(topic);
        options.Config.Set("queue.buffering.max.messages", "10");
        KafkaOutput output = await KafkaOutput.OpenAsync(options, null, TimeProvider.System, default);
        await using KafkaSegmentSink sink = output.CreateClient();
        await sink.ProduceAsync(SegmentBatches.Numbered(0, 500, 100), default);
        Assert.Equal(500, (await TestMember.ReadToEndAsync(Broker.Brokers, topic)).Select(m => m.Text).Distinct().Count());
    }

    [RealBrokerFact("it has no limits")]
    public async Task A_topic_that_is_too_small_for_a_segment_is_refused_at_the_start()
    {
        string topic = Broker.CreateTopic(1, ("max.message.bytes", "50000"));
        string refusal = (await Assert.ThrowsAsync<ConfigurationException>(() => OpenAsync(OutputTo(topic)))).Message;
        foreach (string part in (string[])[topic, "50000", "100000", "max.message.bytes=101024", "to 48976"])
            Assert.Contains(part, refusal, StringComparison.Ordinal);
        KafkaOutput output = await KafkaOutput.OpenAsync(OutputTo(topic) with { MaxSegmentBytes = 48_976 }, null, TimeProvider.System, default);
        Assert.Equal(50_000, output.MaxMessageBytes);
        await using KafkaSegmentSink sink = output.CreateClient();
        // A single span that is too large goes alone, and is refused by the client itself.
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => sink.ProduceAsync(SegmentBatches.Numbered(0, 1, 60_000), default).AsTask());
        Assert.True(failure.IsFinal);
        Assert.Contains(topic, failure.Message, StringComparison.Ordinal);
        await sink.ProduceAsync(SegmentBatches.Numbered(0, 100, 40_000), default); // together much more than one message may have
    }

    [Fact]
    public async Task A_message_that_the_broker_finds_too_large_is_final()
    {
        using var cluster = new MockCluster();
        cluster.CreateTopic("t");
        KafkaOutput output = await OpenAsync(OutputTo(cluster));
        await using KafkaSegmentSink sink = output.CreateClient();
        await sink.ProduceAsync(SegmentBatches.Numbered(0, 1, 10), default);
        cluster.FailNext(MockCluster.Produce, ErrorCodes.MessageTooLarge);
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => sink.ProduceAsync(SegmentBatches.Numbered(0, 1, 10), default).AsTask());
        Assert.True(failure.IsFinal);
        Assert.Contains("MSG_SIZE_TOO_LARGE", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--max-segment-bytes", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_that_mend_by_themselves_are_retried()
    {
        using var cluster = new MockCluster();
        cluster.CreateTopic("t");
        KafkaOutput output = await OpenAsync(OutputTo(cluster));
        await using KafkaSegmentSink sink = output.CreateClient();
        cluster.FailNext(MockCluster.Produce, ErrorCodes.NotLeader, ErrorCodes.RequestTimedOut, ErrorCodes.NotEnoughReplicas);
        await sink.ProduceAsync(SegmentBatches.Numbered(0, 20, 10), default);
        Assert.Equal(20, (await TestMember.ReadToEndAsync(cluster.Brokers, "t")).Count);
    }

    [Fact]
    public async Task A_right_that_is_missing_is_named_and_may_be_given_later()
    {
        using var cluster = new MockCluster();
        cluster.CreateTopic("t");
        KafkaOutput output = await OpenAsync(OutputTo(cluster));
        await using KafkaSegmentSink sink = output.CreateClient();
        cluster.FailNext(MockCluster.Produce, ErrorCodes.TopicAuthorization);
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => sink.ProduceAsync(SegmentBatches.Numbered(0, 1, 10), default).AsTask());
        Assert.False(failure.IsFinal);
        Assert.Contains("TOPIC_AUTHORIZATION_FAILED", failure.Message, StringComparison.Ordinal);
    }

    [RealBrokerFact("it creates topics by itself")]
    public async Task A_topic_that_is_missing_is_named_with_the_way_out()
    {
        string refusal = (await Assert.ThrowsAsync<ConfigurationException>(() => OpenAsync(OutputTo("no-such-topic")))).Message;
        Assert.Contains("no-such-topic", refusal, StringComparison.Ordinal);
        Assert.Contains("Create topic", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Brokers_that_never_answer_are_named_with_the_reason()
    {
        KafkaOutputOptions options = OutputTo("t") with { Address = new KafkaAddress("127.0.0.1:1", ["t"], "", []), StartTimeout = TimeSpan.FromSeconds(2) };
        SinkException failure = await Assert.ThrowsAsync<SinkException>(() => OpenAsync(options));
        Assert.False(failure.IsFinal);
        Assert.Contains("127.0.0.1:1", failure.Message, StringComparison.Ordinal);
        Assert.Contains("refused", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>The mock cluster does not answer what a topic's limits are.</summary>
    private KafkaOutputOptions OutputTo(MockCluster cluster) =>
        OutputTo("t") with { Address = new KafkaAddress(cluster.Brokers, ["t"], "", []), StartTimeout = TimeSpan.FromSeconds(1) };

    private static Task<KafkaOutput> OpenAsync(KafkaOutputOptions options) => KafkaOutput.OpenAsync(options, null, TimeProvider.System, default).AsTask();
}

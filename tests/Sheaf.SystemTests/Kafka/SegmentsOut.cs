using System.Text;
using Sheaf.Kafka;
using Sheaf.Segments;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Segments as messages of a topic.</summary>
public sealed class SegmentsOut(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task Messages_arrive_byte_for_byte_with_one_header_that_has_the_segments_fields()
    {
        string topic = Broker.CreateTopic();
        SegmentBatch batch = SegmentBatches.Of("""{"a":1}""", "{\n  \"a\": 2\n}");
        long before = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        await ProduceAsync(OutputTo(topic), batch);

        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, topic);
        Assert.Equal(2, received.Count);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(batch.BodyOf(batch.Messages[i]).ToArray(), received[i].Value);
            Assert.Null(received[i].Key);
            Assert.InRange(received[i].TimestampMs, before - 1000, before + 60_000);
        }
        // Frozen: readers downstream know this header's name and form.
        string text = "project_id=7;trace_id=00000000000000010000000000000002;segment_id=00000000000000ab;flush_id="
            + batch.Messages[0].FlushId.ToString("x32") + ";flush_reason=root_timeout;has_root=true;span_count=1;"
            + "first_stored=1000;last_stored=1000;shard=3;lowest_offset=40;highest_offset=40;missing_parents=0";
        Assert.Equal([new("sheaf", text)], received[0].Headers);
        Assert.Equal("root_timeout", received[0].Fields()["flush_reason"]);
    }

    [Theory]
    [InlineData(KafkaKeyChoice.None, null)]
    [InlineData(KafkaKeyChoice.Trace, "00000000000000010000000000000002")]
    [InlineData(KafkaKeyChoice.Project, "7")]
    public async Task The_key_is_what_was_chosen(KafkaKeyChoice choice, string? key)
    {
        string topic = Broker.CreateTopic();
        await ProduceAsync(OutputTo(topic) with { Key = choice }, SegmentBatches.Numbered(0, 1, 10));
        ReceivedMessage received = Assert.Single(await TestMember.ReadToEndAsync(Broker.Brokers, topic));
        Assert.Equal(key, received.Key is null ? null : Encoding.UTF8.GetString(received.Key));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    [InlineData("snappy")]
    public async Task Compressed_messages_arrive_as_they_were(string compression)
    {
        string topic = Broker.CreateTopic();
        SegmentBatch batch = SegmentBatches.Numbered(0, 5, 5000);
        await ProduceAsync(OutputTo(topic) with { Compression = compression }, batch);
        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, topic);
        Assert.Equal(Bodies(batch), received.Select(m => m.Text));
    }

    [Fact]
    public async Task Of_several_topics_a_shard_has_its_own()
    {
        string[] topics = [Broker.CreateTopic(), Broker.CreateTopic()];
        SegmentBatch batch = SegmentBatches.Numbered(0, 4, 10); // of shard 3
        await ProduceAsync(OutputTo(topics), batch, batch);
        Assert.Empty(await TestMember.ReadToEndAsync(Broker.Brokers, topics[0]));
        Assert.Equal(8, (await TestMember.ReadToEndAsync(Broker.Brokers, topics[1])).Count);
    }

    [RealBrokerFact("it does not tell what a topic takes, and the clock of this test stands still")]
    public async Task Dead_letters_are_the_messages_as_they_came_with_reason_and_place()
    {
        string topic = Broker.CreateTopic();
        byte[] bad = Encoding.UTF8.GetBytes("""{"trace_id":7}""");
        Spans.SpanFault fault = new(Spans.SpanFaultKind.WrongType, Spans.SpanField.TraceId, 12);
        await using (KafkaDeadLetterSink sink = await KafkaDeadLetterSink.OpenAsync(OutputTo(topic), null, new TestClock(), default))
        {
            await sink.WriteAsync(
                [
                    new(fault, "ingest-spans", new Spans.ShardId(5), 1234, bad),
                    new(new(Spans.SpanFaultKind.Empty, Spans.SpanField.None, 0), "ingest-spans", new Spans.ShardId(5), 1235, default),
                ],
                default);
        }
        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, topic);
        Assert.Equal(bad, received[0].Value);
        Assert.Equal(
            [
                new("reason", "wrong_type"), new("field", "trace_id"), new("error", fault.Describe(bad)), new("source_topic", "ingest-spans"),
                new("source_partition", "5"), new("source_offset", "1234"), new("time", "2031-07-05T03:02:01.000Z"),
            ],
            received[0].Headers);
        Assert.Empty(received[1].Value);
    }

    private static async Task ProduceAsync(KafkaOutputOptions options, params SegmentBatch[] batches)
    {
        KafkaOutput output = await KafkaOutput.OpenAsync(options, null, TimeProvider.System, default);
        await using KafkaSegmentSink sink = output.CreateClient();
        foreach (SegmentBatch batch in batches) await sink.ProduceAsync(batch, default);
    }

    private static IEnumerable<string> Bodies(SegmentBatch batch)
    {
        foreach (SegmentMessage message in batch.Messages.ToArray()) yield return Encoding.UTF8.GetString(batch.BodyOf(message));
    }
}

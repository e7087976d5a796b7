using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;
using Sheaf.Spans;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Messages that cannot be used, on their way to their topic.</summary>
public sealed class DeadLetterRuns(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task A_flood_of_poison_messages_never_blocks_its_partition()
    {
        const int Poison = 5000;
        string letters = Broker.CreateTopic();
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2);
        string[] good = KafkaRun.Traces(0, 40);
        await run.ProduceAsync([.. good[..100], .. Enumerable.Range(0, Poison).Select(i => $"poison {i}"), .. good[100..]]);
        await run.LetTimePassAsync();
        SheafProcess instance = run.Start("--dead-letter", $"kafka:{letters}", "--dead-letter-max-ratio", "1", "--dead-letter-max-consecutive", "0");
        await run.ReadAsync(good.Length);
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Equal(Poison, ended.Count("dead_letters"));
        // In the order in which they came, each once.
        Assert.Equal(Enumerable.Range(0, Poison).Select(i => $"poison {i}"), (await TestMember.ReadToEndAsync(Broker.Brokers, letters)).Select(m => m.Text));
    }

    [Fact]
    public async Task A_partition_of_rubbish_ends_the_run_and_is_named()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2);
        // Good and bad in turn: a row only in their own partition. Spans of one trace share theirs; all that is no span has the other.
        int rubbish = await PartitionOfAsync(run, "x");
        string trace = await TraceOfPartitionAsync(run, 1 - rubbish);
        for (int i = 0; i < 12; i++) await run.ProduceAsync([KafkaRun.Span(1, trace, 10 + i), $"rubbish {i}"]);
        Ended ended = await run.Start("--dead-letter", $"kafka:{Broker.CreateTopic()}", "--dead-letter-max-ratio", "1", "--dead-letter-max-consecutive", "10").EndAsync();
        Assert.Equal(3, ended.ExitCode);
        Assert.Contains($"partition {rubbish} of {run.Input}: 11 messages in a row", ended.Error, StringComparison.Ordinal);
    }

    [RealBrokerTheory("it has no limits")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_span_that_the_output_topic_would_not_take_is_a_dead_letter_and_the_run_goes_on(bool withRedis)
    {
        const int Limit = 200_000;
        string letters = Broker.CreateTopic(1, ("max.message.bytes", "1000000")), output = Broker.CreateTopic(1, ("max.message.bytes", $"{Limit}"));
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, withRedis: withRedis);
        // The largest span that is let in must be taken, and no more than the room that the rest of a message needs may be lost.
        string LongSpan(int id, int bytes) => Lengthen(KafkaRun.Span(1, $"{id:x32}", id, $"{99:x16}"), bytes);
        const int Added = 19 + 80; // is_segment and the segment's id; the name of neither occurs
        int room = Limit - KafkaOutput.MessageOverhead - Segments.SegmentWriter.EnvelopeBytes - Added;
        await run.ProduceAsync([.. KafkaRun.Traces(0, 5), LongSpan(1, room + 1), LongSpan(2, room), LongSpan(3, 2 * Limit)]);
        await run.LetTimePassAsync();
        SheafProcess instance = run.Start(
            "--output", $"kafka://{Broker.Brokers}/{output}", "--max-segment-bytes", "100KiB", "--dead-letter", $"kafka:{letters}", "--dead-letter-max-ratio", "1");
        using TestMember reader = TestMember.Reader(Broker.Brokers, output);
        await Eventually.TrueAsync(() => reader.Messages.Count >= 6, "6 segments", () => reader.Step()); // of the three long ones one
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Equal(2, ended.Count("dead_letters"));
        Assert.Contains(reader.Messages, m => m.Text.Contains($"\"{2:x32}\"", StringComparison.Ordinal));
        IReadOnlyList<ReceivedMessage> kept = await TestMember.ReadToEndAsync(Broker.Brokers, letters);
        Assert.Equal([LongSpan(1, room + 1), LongSpan(3, 2 * Limit)], kept.Select(m => m.Text));
        Assert.All(kept, m => Assert.Contains(new("reason", "too_large_for_output"), m.Headers));
        Assert.All(kept, m => Assert.Contains("that the output takes of one span", m.Headers.Single(h => h.Key == "error").Value, StringComparison.Ordinal));
    }

    [RealBrokerFact("it has no limits")]
    public async Task A_dead_letter_that_its_topic_does_not_take_is_cut_and_says_so()
    {
        const int Limit = 10_000;
        string topic = Broker.CreateTopic(1, ("max.message.bytes", $"{Limit}"));
        using var logged = new LogRecorder();
        byte[][] messages = [.. Enumerable.Range(0, 5).Select(i => Encoding.UTF8.GetBytes(new string((char)('a' + i), i % 2 == 0 ? 100 : 5000 * i)))];
        await using (KafkaDeadLetterSink sink = await KafkaDeadLetterSink.OpenAsync(OutputTo(topic), logged.CreateLogger("test"), TimeProvider.System, default))
            await sink.WriteAsync([.. messages.Select((m, i) => Letter(m, i))], default);

        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, topic);
        Assert.Equal(5, received.Count);
        for (int i = 0; i < 5; i++)
        {
            string? truncated = received[i].Headers.LastOrDefault(h => h.Key == "truncated").Value;
            Assert.Equal(messages[i][..received[i].Value.Length], received[i].Value);
            if (i != 3)
            {
                Assert.Null(truncated);
                Assert.Equal(messages[i].Length, received[i].Value.Length);
                continue;
            }
            Assert.Equal("15000", truncated);
            Assert.InRange(received[i].Value.Length, Limit - 1000, Limit - 200); // as much as there is room for
        }
        Assert.Equal(EventIds.DeadLetterCut, Assert.Single(logged.Events, e => e.Level > LogLevel.Debug).Id);
    }

    [Fact]
    public async Task A_topic_that_takes_less_than_it_said_gets_what_it_takes()
    {
        using var cluster = new MockCluster();
        cluster.CreateTopic("t");
        KafkaOutputOptions options = OutputTo() with { Address = new KafkaAddress(cluster.Brokers, ["t"], "", []), StartTimeout = TimeSpan.FromSeconds(1) };
        await using (KafkaDeadLetterSink sink = await KafkaDeadLetterSink.OpenAsync(options, null, TimeProvider.System, default))
        {
            // As it is, again alone, at most half a million bytes (which it is): three times too large. The quarter of what librdkafka allows is taken.
            cluster.FailNext(MockCluster.Produce, ErrorCodes.MessageTooLarge, ErrorCodes.MessageTooLarge, ErrorCodes.MessageTooLarge);
            await sink.WriteAsync([Letter(new byte[400_000], 0)], default);
            // Which one of several was too large is not told: all of them are there in the end, some maybe twice.
            cluster.FailNext(MockCluster.Produce, ErrorCodes.MessageTooLarge);
            await sink.WriteAsync([Letter(new byte[100], 1), Letter(new byte[100], 2), Letter(new byte[100], 3)], default);
        }
        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(cluster.Brokers, "t");
        Assert.Equal("400000", received[0].Headers.Single(h => h.Key == "truncated").Value);
        Assert.InRange(received[0].Value.Length, 249_000, 250_000);
        Assert.Equal(["0", "1", "2", "3"], received.Select(m => m.Headers.Single(h => h.Key == "source_offset").Value).Distinct().Order());
    }

    [RealBrokerFact("it has no limits")]
    public async Task A_topic_that_takes_next_to_nothing_is_refused_at_the_start()
    {
        string topic = Broker.CreateTopic(1, ("max.message.bytes", "4000"));
        ConfigurationException refusal = await Assert.ThrowsAsync<ConfigurationException>(() => KafkaDeadLetterSink.OpenAsync(OutputTo(topic), null, TimeProvider.System, default).AsTask());
        Assert.Contains("at most 4000 bytes", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Raise max.message.bytes", refusal.Message, StringComparison.Ordinal);
    }

    private static DeadLetter Letter(byte[] message, int offset) => new(new SpanFault(SpanFaultKind.InvalidJson, SpanField.None, 0), "spans", new ShardId(7), offset, message);

    private static string Lengthen(string span, int bytes)
    {
        string padding = new('p', bytes - span.Length + 1);
        return span.Replace("\"name\":\"n\"", $"\"name\":\"{padding}\"", StringComparison.Ordinal);
    }

    /// <summary>Where a message goes that is produced like this.</summary>
    private async Task<int> PartitionOfAsync(KafkaRun run, string message)
    {
        await run.ProduceAsync([message]);
        IReadOnlyList<ReceivedMessage> all = await TestMember.ReadToEndAsync(Broker.Brokers, run.Input, partitions: 2);
        return all.Last(m => m.Text == message).Partition;
    }

    private async Task<string> TraceOfPartitionAsync(KafkaRun run, int partition)
    {
        for (int trace = 1000; ; trace++)
        {
            string id = trace.ToString("x32", CultureInfo.InvariantCulture);
            if (await PartitionOfAsync(run, KafkaRun.Span(1, id, 1)) == partition) return id;
        }
    }
}

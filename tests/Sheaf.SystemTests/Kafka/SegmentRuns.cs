using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary><c>process-spans</c> from topic to topic.</summary>
public sealed class SegmentRuns(KafkaBroker broker) : KafkaTest(broker)
{
    [Theory]
    [RealBrokerData("it keeps about 5 MB of a partition", 1, false)]
    [InlineData(4, true)]
    public async Task The_recorded_traces_give_their_expected_segments(int partitions, bool withRedis)
    {
        string[] files = [.. RepositoryFiles.CorpusSpans()];
        string[] spans = [.. files.SelectMany(File.ReadLines)];
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions, withRedis);
        await run.ProduceAsync(spans);
        await run.LetTimePassAsync();
        SheafProcess instance = run.Start();
        await run.ReadAsync(spans.Length - 1); // copies are left out; the verifier knows which
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Equal(spans.Length + 64, ended.Count("received"));
        RunVerifier verified = await run.VerifyAsync(files.SelectMany(path => File.ReadLines(path.Replace(".spans.", ".segments.", StringComparison.Ordinal))));
        KafkaRun.AssertRight(verified);
        Assert.Equal(0, verified.Repeats);
    }

    [Fact]
    public async Task Messages_that_cannot_be_used_go_to_their_topic_and_the_run_goes_on()
    {
        string letters = Broker.CreateTopic();
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2);
        SheafProcess instance = run.Start("--dead-letter", $"kafka:{letters}", "--dead-letter-max-ratio", "1");
        await run.ProduceAsync(["not json", "{}", "", .. KafkaRun.Traces(0, 20), "{\"trace_id\":7}"]);
        await run.LetTimePassAsync();
        await run.ReadAsync(100);
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Equal(4, ended.Count("dead_letters"));
        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, letters);
        Assert.Equal(["", "not json", "{\"trace_id\":7}", "{}"], received.Select(m => m.Text).Order(StringComparer.Ordinal));
        Assert.All(received, m => Assert.Contains(new("source_topic", run.Input), m.Headers));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_segments_of_an_idle_partition_close_by_the_wall_clock(bool withRedis)
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 3, withRedis);
        SheafProcess instance = run.Start("--root-timeout", "500ms", "--clock-slack", "200ms");
        await run.ProduceAsync([KafkaRun.Span(1, $"{5:x32}", 1)]);
        await run.ReadAsync(1);
        await run.ProduceAsync([KafkaRun.Span(1, $"{6:x32}", 1)], second: 100); // and again, from another time
        await run.ReadAsync(2);
        await KafkaRun.StopAsync(instance);
        KafkaRun.AssertRight(await run.VerifyAsync());
    }

    [Fact]
    public async Task A_backlog_closes_nothing_early_and_a_stalled_partition_holds_nobody_back()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2);
        // Two halves of one trace, 50 s of stream time apart; an hour of wall time has gone by since.
        string[] trace = [KafkaRun.Span(1, $"{7:x32}", 1, $"{2:x16}"), KafkaRun.Span(1, $"{7:x32}", 2)];
        await run.ProduceAsync(trace[..1]);
        await run.ProduceAsync(trace[1..], second: 50);
        await run.ProduceAsync(KafkaRun.Traces(0, 30), second: 50);
        SheafProcess instance = run.Start("--root-timeout", "2s", "--clock-slack", "0");
        await run.ReadAsync(152);
        await KafkaRun.StopAsync(instance);
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal(31, verified.Messages);
    }

    [RealBrokerFact("it creates topics by itself")]
    public async Task A_topic_that_is_not_there_is_refused_with_the_way_out()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        Ended missing = await run.StartFrom($"kafka://{Broker.Brokers}/no-such-topic?group=g").EndAsync();
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains("input: ", missing.Error, StringComparison.Ordinal);
        Assert.Contains("Create topic no-such-topic", missing.Error, StringComparison.Ordinal);
    }

    [RealBrokerFact("it has no limits")]
    public async Task Segments_larger_than_the_output_topic_takes_are_refused_at_the_start_with_both_ways_out()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        Ended refused = await run.Start("--max-segment-bytes", "2MiB").EndAsync();
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("max.message.bytes", refused.Error, StringComparison.Ordinal);
        Assert.Contains("or lower --max-segment-bytes to ", refused.Error, StringComparison.Ordinal);
    }

    [RealBrokerFact(KeepsLeavers)]
    public async Task Offsets_that_are_gone_end_the_run_with_the_way_out()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        await run.ProduceAsync(KafkaRun.Traces(0, 2));
        using (var member = new TestMember(Broker.Brokers, run.Input, run.Group))
        {
            await member.ReadAsync(10);
            AssertNone(member.Consumer.Commit([new PartitionOffset(0, 1000)]));
            await member.CloseAsync();
        }
        Ended ended = await run.Start().EndAsync();
        Assert.Equal(1, ended.ExitCode);
        Assert.True(ended.Error.Contains("--no-strict-offset-reset", StringComparison.Ordinal), ended.Error);
        SheafProcess lenient = run.Start("--no-strict-offset-reset");
        await run.LetTimePassAsync();
        await run.ReadAsync(10);
        await KafkaRun.StopAsync(lenient);
    }

    [RealBrokerFact("it deals out partitions in any way")]
    public async Task Members_of_a_group_that_share_no_assignor_end_the_run()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        using var other = new TestMember(Broker.Brokers, run.Input, run.Group, ("partition.assignment.strategy", "cooperative-sticky"));
        await Eventually.TrueAsync(() => other.Partitions.Count == 1, "its partition", () => other.Step());
        SheafProcess instance = run.Start("--kafka-config", "partition.assignment.strategy=range");
        Task<Ended> ending = instance.EndAsync();
        await Eventually.TrueAsync(() => ending.IsCompleted, "the end", () => other.Step(20));
        (await ending).AssertEnded(1);
        Assert.Contains("partition.assignment.strategy", (await ending).Error, StringComparison.Ordinal);
    }
}

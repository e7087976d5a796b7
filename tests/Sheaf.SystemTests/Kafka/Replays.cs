using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>A memory buffer is gone with its process: whoever reads its input again goes on exactly where it was.</summary>
public sealed class Replays(KafkaBroker broker) : KafkaTest(broker)
{
    // A static member comes back at once, and ends the transactions that its earlier life has left open.
    private static readonly string[] Static = ["--group-instance-id", "one"];
    private static readonly string[] ExactlyOnce = [.. Static, "--delivery", "exactly-once"];

    [Theory]
    [RealBrokerData(ForgetsOffsets, "AfterAppend", false)]
    [RealBrokerData(ForgetsOffsets, "BeforeProduce", false)]
    [RealBrokerData(ForgetsOffsets, "AfterProduceBeforeRemove", false)]
    [RealBrokerData(ShowsAborted, "AfterAppend", true)]
    [RealBrokerData(ShowsAborted, "AfterClock", true)]
    [RealBrokerData(ShowsAborted, "AfterClaim", true)]
    [RealBrokerData(ShowsAborted, "BeforeProduce", true)]
    [RealBrokerData(ShowsAborted, "BeforeCommit", true)]
    [RealBrokerData(ShowsAborted, "AfterProduceBeforeRemove", true)]
    [RealBrokerData(ShowsAborted, "AfterRemove", true)]
    public async Task Wherever_the_process_dies_nothing_is_lost_or_comes_in_part_and_exactly_once_repeats_nothing(string point, bool exactlyOnce)
    {
        string[] words = exactlyOnce ? ExactlyOnce : Static;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2);
        await run.ProduceOverTimeAsync(0, 12);
        run.Variables["SHEAF_FAULT_POINTS"] = $"{point}=kill@3";
        Ended first = await run.Start([.. words, "--max-flush-segments", "10", "--max-batch-size", "30"]).EndAsync();
        Assert.Equal(128 + 9, first.ExitCode);
        run.Variables.Clear();
        await run.ProduceOverTimeAsync(12, 4);
        await run.LetTimePassAsync();
        SheafProcess second = run.Start(words);
        await run.ReadAsync(16 * KafkaRun.SpansPerStep);
        await KafkaRun.StopAsync(second);
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        if (exactlyOnce) Assert.Equal(0, verified.Repeats);
    }

    [RealBrokerFact(ForgetsOffsets)]
    public async Task A_restart_reads_from_the_oldest_span_that_waits_and_passes_over_what_has_left()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        await run.ProduceAsync([KafkaRun.Span(1, $"{9:x32}", 2, $"{1:x16}")]); // its root is late: it waits a minute
        await run.ProduceAsync(KafkaRun.Traces(0, 40), second: 1);
        await run.ProduceAsync([KafkaRun.Span(1, $"{8:x32}", 1)], second: 30); // and now the traces close, but not that one
        SheafProcess first = run.Start();
        await run.ReadAsync(200);
        await KafkaRun.StopAsync(first);
        SheafProcess second = run.Start();
        await KafkaRun.AssignedAsync(second);
        Assert.Contains("from offset 0 on; 200 messages behind it have left already", second.Error, StringComparison.Ordinal);
        await run.ProduceAsync([KafkaRun.Span(1, $"{9:x32}", 1)], second: 50);
        await run.LetTimePassAsync();
        await run.ReadAsync(203);
        Ended ended = await KafkaRun.StopAsync(second);
        Assert.Equal(2 + 1 + 64, ended.Count("received")); // what was passed over counts nowhere
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal(0, verified.Repeats);
    }

    [RealBrokerFact(ForgetsOffsets)]
    public async Task Offsets_that_an_operator_has_set_back_hold_and_everything_comes_again()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        await run.ProduceOverTimeAsync(0, 3);
        await run.LetTimePassAsync();
        SheafProcess first = run.Start();
        await run.ReadAsync(3 * KafkaRun.SpansPerStep);
        await KafkaRun.StopAsync(first);
        int segments = run.Segments.Count;
        using (var member = new TestMember(Broker.Brokers, run.Input, run.Group))
        {
            await Eventually.TrueAsync(() => member.Partitions.Count == 1, "the partition", () => member.Step());
            AssertNone(member.Consumer.Commit([new PartitionOffset(0, 0)]));
            await member.CloseAsync();
        }
        SheafProcess second = run.Start();
        await Eventually.TrueAsync(() => run.Segments.Count >= 2 * segments, "every segment again", run.Look);
        await KafkaRun.StopAsync(second);
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified); // with the flush ids that they had
        Assert.Equal(segments, verified.Repeats);
    }

    [RealBrokerFact("its topics have no configuration")]
    public async Task A_topic_that_would_lose_progress_is_refused_and_one_that_is_missing_is_made()
    {
        string deleting = Broker.CreateTopic(1, ("cleanup.policy", "delete"));
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        Ended refused = await run.Start("--progress-topic", deleting).EndAsync();
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains($"--progress-topic {deleting}: its cleanup.policy is 'delete'", refused.Error, StringComparison.Ordinal);
        Assert.Contains("cleanup.policy=compact", refused.Error, StringComparison.Ordinal);

        SheafProcess instance = run.Start();
        await KafkaRun.AssignedAsync(instance);
        await run.ProduceAsync([KafkaRun.Span(1, $"{9:x32}", 1)]);
        await run.LetTimePassAsync();
        await run.ReadAsync(1);
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Contains($" {EventIds.ProgressTopicMade}: ", ended.Error, StringComparison.Ordinal);
        Assert.NotEmpty(await TestMember.ReadToEndAsync(Broker.Brokers, $"{run.Group}.sheaf-progress"));
    }

    [Fact]
    public async Task Without_a_progress_topic_the_run_says_what_that_means()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        SheafProcess instance = run.Start("--progress-topic", "none");
        await KafkaRun.AssignedAsync(instance);
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Contains("some of them in part and under another flush_id", ended.Error, StringComparison.Ordinal);
    }
}

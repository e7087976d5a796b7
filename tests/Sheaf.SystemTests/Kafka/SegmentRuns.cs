using System.Text;
using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.SystemTests.Redis.Runs;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary><c>process-spans</c> from topic to topic.</summary>
public sealed class SegmentRuns(KafkaBroker broker) : KafkaTest(broker)
{
    [Theory]
    [RealBrokerData("it keeps about 5 MB of a partition", 1, false)]
    [InlineData(4, false)]
    [RealBrokerData("it keeps about 5 MB of a partition", 1, true)]
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

    [RealBrokerTheory("it refuses commits while a group rebalances, and knows no cooperative rebalance")]
    [InlineData(true, "range")]
    [InlineData(true, "cooperative-sticky")]
    [InlineData(false, "cooperative-sticky")]
    public async Task Instances_come_and_go_under_load_and_together_they_give_every_segment(bool withRedis, string strategy)
    {
        const int Traces = 300;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 4, withRedis);
        string[] words = ["--kafka-config", $"partition.assignment.strategy={strategy}"];
        SheafProcess first = run.Start(words);
        await KafkaRun.AssignedAsync(first, 4);
        await HalfAndHalfAsync(run, 0);
        SheafProcess second = run.Start(words);
        await KafkaRun.AssignedAsync(second, 2);
        await HalfAndHalfAsync(run, 1);
        SheafProcess third = run.Start(words);
        await KafkaRun.AssignedAsync(third);
        await HalfAndHalfAsync(run, 2);
        Ended ended = await KafkaRun.StopAsync(second);
        await HalfAndHalfAsync(run, 3);
        await run.LetTimePassAsync();
        await run.ReadAsync(4 * 5 * Traces);
        await KafkaRun.StopAsync(first);
        await KafkaRun.StopAsync(third);

        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal(0, verified.Repeats); // a handover repeats nothing
        Assert.True(ended.Count("handed_over") > 0, ended.Error);

        // Half of the traces are complete only with the next half: they wait while partitions move.
        async Task HalfAndHalfAsync(KafkaRun run, int turn)
        {
            string[] all = KafkaRun.Traces(turn * Traces, Traces);
            await run.ProduceAsync(all[..(all.Length / 2)], second: turn);
            await run.ProduceAsync(all[(all.Length / 2)..], second: turn);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_killed_instance_loses_nothing_and_its_repeats_say_what_they_repeat(bool withRedis)
    {
        const int Traces = 400;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis);
        string[] words = ["--max-poll-interval-ms", "6000"]; // and the session is no longer
        SheafProcess first = run.Start(words);
        await KafkaRun.AssignedAsync(first, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await run.LetTimePassAsync();
        await run.ReadAsync(Traces);
        await first.SignalAsync(HostedWorkers.Kill);
        SheafProcess second = run.Start(words);
        await run.ReadAsync(5 * Traces);
        await KafkaRun.AssignedAsync(second, 2);
        await KafkaRun.StopAsync(second);
        KafkaRun.AssertRight(await run.VerifyAsync());
    }

    [HaltingBrokerTheory]
    [RealBrokerData("a broker of it that was away is back too late for the patience of this test", true, "at-least-once")]
    [RealBrokerData("a broker of it that was away is back too late for the patience of this test", false, "at-least-once")]
    [RealBrokerData(ShowsAborted, false, "exactly-once")]
    public async Task A_broker_that_goes_away_and_comes_back_only_delays(bool withRedis, string delivery)
    {
        const int Traces = 200;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis);
        SheafProcess instance = run.Start("--delivery", delivery);
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), second: 300);
        await run.ReadAsync(Traces);
        Broker.Halt();
        await Task.Delay(1500);
        Broker.Restart();
        await run.LetTimePassAsync();
        await run.ReadAsync(2 * 5 * Traces);
        Ended ended = await KafkaRun.StopAsync(instance);
        ended.AssertEnded(0);
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        if (delivery == "exactly-once") Assert.Equal(0, verified.Repeats);
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

    [Fact]
    public async Task A_drain_lets_out_what_waits_in_Redis_and_leaves_nothing_there_and_the_group_goes_on_behind_it()
    {
        const int Traces = 20, Now = 3600;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        SheafProcess instance = run.Start("--root-timeout", "30s"); // it is stopped before
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces), Now);
        await Eventually.TrueAsync(async () => (await KeysAsync()).Count(key => key.EndsWith('}')), waiting => waiting == Traces, "all traces in Redis");
        Assert.Equal(5 * Traces, (await KafkaRun.StopAsync(instance)).Count("handed_over"));

        // Under another name it would be somebody else's.
        Ended foreign = await run.StartFrom($"kafka://{Broker.Brokers}/{run.Input}?group=another", "--drain").EndAsync();
        Assert.Equal(2, foreign.ExitCode);
        Assert.Contains($"buffer: {run.Redis!.Uri} holds what a run over topic {run.Input}, group {run.Group} has left", foreign.Error, StringComparison.Ordinal);

        Ended drained = await run.Start("--drain").EndAsync();
        drained.AssertEnded(0);
        Assert.Equal((5 * Traces, 5 * Traces, 0), (drained.Count("carried_over"), drained.Count("produced"), drained.Count("received")));
        Assert.Empty(await KeysAsync());

        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), Now);
        await run.LetTimePassAsync();
        SheafProcess next = run.Start("--root-timeout", "1s");
        await run.ReadAsync(2 * 5 * Traces);
        await KafkaRun.StopAsync(next);
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal((2 * Traces, 0), (verified.Messages, verified.Repeats));

        Task<string[]> KeysAsync() => RedisRunTest.KeysAsync(run.Redis!);
    }

    [RealBrokerFact("it takes offsets from anybody")]
    public async Task A_drain_waits_for_the_last_member_and_moves_the_groups_offsets_behind_what_a_killed_one_has_stored()
    {
        const int Traces = 20, Now = 3600;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        string[] words = ["--root-timeout", "30s", "--kafka-config", "session.timeout.ms=6000"];
        run.Variables["SHEAF_KAFKA_CONFIG"] = "fetch.wait.max.ms=50";
        SheafProcess instance = run.Start(words);
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces), Now);
        await Eventually.TrueAsync(async () => (await RedisRunTest.KeysAsync(run.Redis!)).Count(key => key.EndsWith('}')), waiting => waiting == Traces, "all traces in Redis");
        SheafProcess drain = run.Start("--drain");
        await drain.WaitForErrorAsync(error => error.Contains("still has members: waiting", StringComparison.Ordinal));
        await instance.SignalAsync(HostedWorkers.Kill);
        Ended drained = await drain.EndAsync();
        drained.AssertEnded(0);
        Assert.Equal(5 * Traces, drained.Count("produced"));

        run.Variables.Clear();
        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), Now);
        await run.LetTimePassAsync();
        SheafProcess next = run.Start("--root-timeout", "1s");
        await run.ReadAsync(2 * 5 * Traces);
        Assert.Equal((5 * Traces) + 64, (await KafkaRun.StopAsync(next)).Count("received"));
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal(0, verified.Repeats);
    }

    [Fact]
    public async Task From_a_topic_to_a_file_and_from_a_file_to_topics()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        string[] spans = KafkaRun.Traces(0, 50);
        await run.ProduceAsync(spans);
        await run.LetTimePassAsync();
        string output = Path.Combine(run.Folder, "segments.jsonl");
        SheafProcess toFile = run.Start("--output", output);
        await Eventually.TrueAsync(() => File.Exists(output) && File.ReadLines(output).Count() == 50, "50 lines");
        await KafkaRun.StopAsync(toFile);

        string input = Path.Combine(run.Folder, "spans.jsonl");
        await File.WriteAllLinesAsync(input, spans);
        Ended ended = await run.StartFrom(input, "--output-key", "trace").EndAsync();
        ended.AssertEnded(0);
        await run.ReadAsync(250);
        Assert.All(run.Segments, m => Assert.Equal(32, Encoding.UTF8.GetString(m.Key!).Length));
        KafkaRun.AssertRight(await run.VerifyAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task From_a_topic_to_a_file_a_run_goes_on_after_a_stop_and_after_a_kill(bool withRedis)
    {
        const int Traces = 40;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, withRedis: withRedis);
        string output = Path.Combine(run.Folder, "segments.jsonl");
        string[] words = ["--output", output, "--max-poll-interval-ms", "6000"]; // and the session is no longer
        var spans = new List<string>();

        SheafProcess first = run.Start(words);
        await ProduceAsync();
        await ProduceAsync();
        await HasLinesAsync(Traces);
        await KafkaRun.StopAsync(first);

        Ended refused = await run.Start(words).EndAsync();
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("--resume", refused.Error, StringComparison.Ordinal);
        Assert.Contains("--overwrite", refused.Error, StringComparison.Ordinal);

        SheafProcess second = run.Start([.. words, "--resume"]);
        await ProduceAsync();
        await HasLinesAsync(2 * Traces);
        await second.SignalAsync(HostedWorkers.Kill);
        await second.EndAsync();
        await File.AppendAllTextAsync(output, "{\"spans\":[{\"torn");

        SheafProcess third = run.Start([.. words, "--resume"]);
        await run.LetTimePassAsync();
        await HasLinesAsync(3 * Traces);
        await KafkaRun.StopAsync(third);
        var verifier = new RunVerifier();
        await verifier.ReadSpansAsync(StreamOf(spans), default);
        await verifier.ReadSegmentsAsync(StreamOf(File.ReadLines(output).Where(line => !line.Contains("\"project_id\":99,", StringComparison.Ordinal))), default);
        verifier.Finish();
        KafkaRun.AssertRight(verifier);
        Assert.Equal(3 * Traces, verifier.Messages);

        async Task ProduceAsync()
        {
            string[] more = KafkaRun.Traces(spans.Count / 5, Traces);
            await run.ProduceAsync(more, second: 60 * spans.Count / (5 * Traces));
            spans.AddRange(more);
        }

        Task HasLinesAsync(int traces) => Eventually.TrueAsync(
            () => File.Exists(output) && File.ReadLines(output).Where(line => line.EndsWith('}')).Distinct().Count() >= traces, $"{traces} segments");

        static MemoryStream StreamOf(IEnumerable<string> lines) => new(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));
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
}

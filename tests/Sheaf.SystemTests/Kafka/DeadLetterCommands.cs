using System.Text;
using System.Text.Json;
using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Spans;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary><c>sheaf dlq</c> as a process, on topics.</summary>
public sealed class DeadLetterCommands(KafkaBroker broker) : KafkaTest(broker), IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Dead_letters_of_a_run_are_listed_shown_and_when_they_are_good_end_in_a_segment()
    {
        string letters = Broker.CreateTopic(2);
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2);
        string small = KafkaRun.Span(1, $"{5:x32}", 1), large = KafkaRun.Span(1, $"{5:x32}", 2, $"{1:x16}").Replace("\"n\"", $"\"{new string('n', 3000)}\"", StringComparison.Ordinal);
        // What is too large for this configuration is good for the next one; the other stays bad.
        SheafProcess strict = run.Start("--dead-letter", $"kafka:{letters}", "--dead-letter-max-ratio", "1", "--max-message-bytes", "1KiB");
        await run.ProduceAsync([large, "\u001bnot json"]);
        await LettersAsync(letters, 2, partitions: 2);
        await KafkaRun.StopAsync(strict);

        Ended list = await DlqAsync("list", letters, "--json");
        JsonElement[] listed = [.. list.Out.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(3, listed.Length);
        Assert.Equal(2, listed[2].GetProperty("letters").GetInt32());
        JsonElement tooLarge = listed[..2].Single(l => l.GetProperty("reason").GetString() == "too_large"), bad = listed[..2].Single(l => l.GetProperty("reason").GetString() == "invalid_json");
        Assert.Equal(run.Input, tooLarge.GetProperty("source").GetString());
        Assert.Equal(large.Length, tooLarge.GetProperty("bytes").GetInt32());
        Assert.Contains("\n2 dead letters, ", (await DlqAsync("list", letters)).Out, StringComparison.Ordinal);
        Assert.Contains("\n1 dead letters, ", (await DlqAsync("list", letters, "--reason", "too_large", "--since", "1h")).Out, StringComparison.Ordinal);

        string place = tooLarge.GetProperty("place").GetString()!;
        Assert.Equal(large, (await DlqAsync("show", letters, place, "--raw")).Out);
        Ended shown = await DlqAsync("show", letters, bad.GetProperty("place").GetString()!);
        Assert.EndsWith("\n\n\\u001Bnot json\n", shown.Out, StringComparison.Ordinal);
        Ended missing = await DlqAsync(1, "show", letters, "0:99");
        Assert.Contains("there is no dead letter at 0:99", missing.Error, StringComparison.Ordinal);

        // Nothing is sent without --send.
        long before = (await InputAsync(run)).Count;
        Ended dry = await DlqAsync("redrive", letters, "--reason", "too_large");
        Assert.Contains($" -> {run.Input}:{tooLarge.GetProperty("source_partition").GetInt32()}\n", dry.Out, StringComparison.Ordinal);
        Assert.Contains("1 messages would be sent", dry.Out, StringComparison.Ordinal);
        Assert.Equal(before, (await InputAsync(run)).Count);

        Ended sent = await DlqAsync("redrive", letters, "--reason", "too_large", "--send");
        Assert.Contains("1 messages sent and acknowledged", sent.Out, StringComparison.Ordinal);
        ReceivedMessage again = (await InputAsync(run))[^1];
        ReceivedMessage[] copies = [.. (await InputAsync(run)).Where(m => m.Text == large)];
        Assert.Equal(2, copies.Length);
        Assert.Single(copies.Select(m => m.Partition).Distinct()); // a trace's spans stay together
        Assert.Equal([new("redriven_from", $"{letters}:{place}")], copies[^1].Headers);

        // It has come back with the time of now, so it is the wall clock that closes its segment.
        SheafProcess instance = run.Start("--dead-letter", $"kafka:{letters}", "--dead-letter-max-ratio", "1", "--root-timeout", "500ms");
        await run.ProduceAsync([small]);
        await Eventually.TrueAsync(() => run.Segments.Any(m => m.Text.Contains(new string('n', 3000), StringComparison.Ordinal)), "the segment", run.Look);
        await KafkaRun.StopAsync(instance);
        Assert.NotNull(again);
    }

    [Fact]
    public async Task A_redrive_ends_although_every_message_comes_back_and_what_failed_again_can_be_seen()
    {
        string letters = Broker.CreateTopic();
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        SheafProcess instance = run.Start("--dead-letter", $"kafka:{letters}", "--dead-letter-max-ratio", "1");
        await run.ProduceAsync([.. Enumerable.Range(0, 5).Select(i => $"bad {i}")]);
        await LettersAsync(letters, 5);
        Ended first = await DlqAsync("redrive", letters, "--send", "--rate", "20/s");
        Assert.Contains("5 messages sent and acknowledged", first.Out, StringComparison.Ordinal);
        IReadOnlyList<ReceivedMessage> all = await LettersAsync(letters, 10);
        Assert.Equal(10, all.Count);
        await KafkaRun.StopAsync(instance);

        Assert.DoesNotContain("had failed before", (await DlqAsync("show", letters, "0:4")).Out, StringComparison.Ordinal);
        Assert.Contains($"The message had failed before, as {letters}:0:4.", (await DlqAsync("show", letters, "0:9")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_redrive_goes_on_behind_the_first_and_one_after_a_kill_repeats_only_what_was_not_noted()
    {
        const int Letters = 60;
        string letters = Broker.CreateTopic(2), target = Broker.CreateTopic();
        await WriteLettersAsync(letters, [.. Enumerable.Range(0, Letters).Select(i => $"{i}:")]);
        string[] words = ["redrive", "--dead-letter", Place(letters), "--to", target, "--group", Broker.NewName("progress"), "--send"];

        Assert.Contains("20 messages sent and acknowledged", (await RunAsync(0, [.. words, "--limit", "20", "--rate", "0"])).Out, StringComparison.Ordinal);
        using TestMember reader = TestMember.Reader(Broker.Brokers, target);
        await reader.ReadAsync(20);
        await using (SheafProcess killed = SheafProcess.Start(_folder.Root, new Dictionary<string, string>(), ["dlq", .. words, "--rate", "10/s"]))
        {
            killed.BeginOutput();
            await reader.ReadAsync(25);
            await killed.SignalAsync(HostedWorkers.Kill);
            await killed.EndAsync();
        }
        await using (SheafProcess stopped = SheafProcess.Start(_folder.Root, new Dictionary<string, string>(), ["dlq", .. words, "--rate", "10/s"]))
        {
            stopped.BeginOutput();
            await reader.ReadAsync(30);
            await stopped.SignalAsync(SheafProcess.Terminate);
            Ended ended = await stopped.EndAsync();
            Assert.Equal(143, ended.ExitCode);
            Assert.Contains(" messages sent and acknowledged", ended.Out, StringComparison.Ordinal);
        }
        await RunAsync(0, [.. words, "--rate", "0"]);
        Assert.Contains("0 messages sent and acknowledged", (await RunAsync(0, [.. words, "--rate", "0"])).Out, StringComparison.Ordinal);

        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, target);
        Assert.Equal(Enumerable.Range(0, Letters), received.Select(NumberOf).Distinct().Order());
        Assert.InRange(received.Count, Letters, Letters + 1); // at 10/s a group is one message
    }

    [RealBrokerFact("it has no limits")]
    public async Task What_cannot_be_sent_is_told_and_the_rest_is_sent()
    {
        string letters = Broker.CreateTopic(1, ("max.message.bytes", "20000")), target = Broker.CreateTopic(1, ("max.message.bytes", "6000"));
        await WriteLettersAsync(letters, ["1:", $"2:{new string('x', 30_000)}", $"3:{new string('x', 7000)}", "4:"]);
        Ended ended = await RunAsync(1, "redrive", "--dead-letter", Place(letters), "--to", target, "--send");
        Assert.Contains($"{letters}:0:1 cannot be sent: only the first ", ended.Error, StringComparison.Ordinal);
        Assert.Contains($"{letters}:0:2 cannot be sent: its 7002 bytes are more than topic {target} takes (6000, max.message.bytes)", ended.Error, StringComparison.Ordinal);
        Assert.Contains("2 messages sent and acknowledged", ended.Out, StringComparison.Ordinal);
        Assert.Contains("2 cannot be sent", ended.Out, StringComparison.Ordinal);
        Assert.Equal(["1:", "4:"], (await TestMember.ReadToEndAsync(Broker.Brokers, target)).Select(m => m.Text));
    }

    [Fact]
    public async Task Dead_letters_of_a_file_go_to_a_topic_and_on_behind_a_line()
    {
        string path = _folder.File("dead.jsonl"), target = Broker.CreateTopic(2);
        await using (var file = new DeadLetterFile(path, TimeProvider.System))
            for (int i = 0; i < 5; i++) await file.WriteAsync([Letter($"{i}:", i)], default);
        string[] words = ["redrive", "--dead-letter", $"file:{path}", "--to", $"kafka://{Broker.Brokers}/{target}", "--send"];
        Assert.Contains("--after-line 2\n", (await RunAsync(0, [.. words, "--limit", "2"])).Out, StringComparison.Ordinal);
        Assert.Contains("3 messages sent", (await RunAsync(0, [.. words, "--after-line", "2"])).Out, StringComparison.Ordinal);
        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, target, partitions: 2);
        Assert.Equal([0, 1, 2, 3, 4], received.Select(NumberOf));
        Assert.All(received, m => Assert.Equal(1, m.Partition)); // partition 5 of 2
        Assert.Equal($"{path}:5", Assert.Single(received[4].Headers).Value);
    }

    [RealBrokerFact("it creates topics by itself")]
    public async Task A_topic_that_is_not_there_and_brokers_that_do_not_answer_are_told()
    {
        Assert.Contains("Create topic no-such-topic", (await RunAsync(2, "list", "--dead-letter", Place("no-such-topic"))).Error, StringComparison.Ordinal);
        string letters = Broker.CreateTopic();
        Assert.Contains("\n0 dead letters, ", (await RunAsync(0, "list", "--dead-letter", Place(letters))).Out, StringComparison.Ordinal);
        await WriteLettersAsync(letters, ["1:"]);
        Ended ended = await RunAsync(2, "redrive", "--dead-letter", Place(letters), "--to", "no-such-target");
        Assert.Contains("Create topic no-such-target", ended.Error, StringComparison.Ordinal);
    }

    private string Place(string topic) => $"kafka://{Broker.Brokers}/{topic}";

    private Task<Ended> DlqAsync(string command, string topic, params string[] words) => DlqAsync(0, command, topic, words);

    private Task<Ended> DlqAsync(int exitCode, string command, string topic, params string[] words) => RunAsync(exitCode, [command, "--dead-letter", Place(topic), .. words]);

    private async Task<Ended> RunAsync(int exitCode, params string[] words)
    {
        await using SheafProcess sheaf = SheafProcess.Start(_folder.Root, new Dictionary<string, string> { ["SHEAF_KAFKA_CONFIG"] = "fetch.wait.max.ms=50" }, ["dlq", .. words]);
        sheaf.In.Close();
        Ended ended = await sheaf.EndAsync();
        Assert.True(ended.ExitCode == exitCode, $"exit code {ended.ExitCode}\n{ended.Out}\n{ended.Error}");
        return ended;
    }

    private async Task<IReadOnlyList<ReceivedMessage>> LettersAsync(string topic, int count, int partitions = 1)
    {
        using TestMember reader = TestMember.Reader(Broker.Brokers, topic, partitions);
        return [.. await reader.ReadAsync(count)];
    }

    private Task<IReadOnlyList<ReceivedMessage>> InputAsync(KafkaRun run) =>
        TestMember.ReadToEndAsync(Broker.Brokers, run.Input, partitions: 2);

    private async Task WriteLettersAsync(string topic, string[] messages)
    {
        await using KafkaDeadLetterSink sink = await KafkaDeadLetterSink.OpenAsync(OutputTo(topic), null, TimeProvider.System, default);
        await sink.WriteAsync([.. messages.Select((m, i) => Letter(m, i))], default);
    }

    private static DeadLetter Letter(string message, long offset) =>
        new(new SpanFault(SpanFaultKind.InvalidJson, SpanField.None, 0), "spans", new ShardId(5), offset, Encoding.UTF8.GetBytes(message));
}

using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>What a start needs of the brokers: everything that is missing is told at once, and <c>config check</c> tells the same without changing anything.</summary>
public sealed class Starts(KafkaBroker broker) : KafkaTest(broker)
{
    private const string MakesTopics = "it makes every topic that it is asked for, and tells no limits";

    private static readonly Dictionary<string, string> NoVariables = [];

    [RealBrokerFact(MakesTopics)]
    public async Task Everything_that_an_unprepared_cluster_lacks_is_told_by_one_start_and_by_the_check()
    {
        string input = Broker.NewName("no-input"), output = Broker.NewName("no-output"), letters = Broker.NewName("no-letters");
        string small = Broker.CreateTopic(1, ("max.message.bytes", "50000")), deleting = Broker.CreateTopic(1, ("cleanup.policy", "delete"));
        string[] words =
        [
            "--input", $"kafka://{Broker.Brokers}/{input}?group=g", "--output", $"kafka://{Broker.Brokers}/{output},{small}", "--dead-letter", $"kafka:{letters}",
            "--max-segment-bytes", "100000",
        ];
        (int started, _, string told) = await SheafProcess.RunAsync(NoVariables, ["process-spans", .. words]);
        (int checkedAs, _, string found) = await SheafProcess.RunAsync(NoVariables, ["config", "check", .. words]);
        Assert.Equal((2, 2), (started, checkedAs));
        foreach (string error in (string[])[told, found])
            foreach (string part in (string[])[$"topic {input}:", $"topic {output}:", $"topic {small} takes", $"topic {letters}:"]) Assert.Contains(part, error, StringComparison.Ordinal);

        string there = Broker.CreateTopic();
        (started, _, told) = await SheafProcess.RunAsync(
            NoVariables, "process-spans", "--input", $"kafka://{Broker.Brokers}/{there}?group=g", "--output", $"kafka://{Broker.Brokers}/{output}", "--progress-topic", deleting);
        Assert.Equal(2, started);
        foreach (string part in (string[])[$"--progress-topic {deleting}:", $"topic {output}:"]) Assert.Contains(part, told, StringComparison.Ordinal);
    }

    [RealBrokerFact(MakesTopics)]
    public async Task A_check_of_a_prepared_cluster_has_a_line_for_each_thing_and_makes_nothing()
    {
        string input = Broker.CreateTopic(3), output = Broker.CreateTopic(), progress = Broker.NewName("progress");
        string[] words =
        [
            "config", "check", "--input", $"kafka://{Broker.Brokers}/{input}?group=g", "--output", $"kafka://{Broker.Brokers}/{output}", "--progress-topic", progress,
        ];
        for (int time = 0; time < 2; time++)
        {
            (int exitCode, string told, string error) = await SheafProcess.RunAsync(NoVariables, words);
            Assert.True(exitCode == 0, error);
            string[] sound = [.. told.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
            Assert.All(sound, line => Assert.StartsWith("sound  ", line, StringComparison.Ordinal));
            Assert.Equal(["options", "input", "output", "buffer", "dead-letter", "progress-topic"], sound.Select(line => line["sound".Length..].Trim().Split(':')[0]));
            Assert.Contains($"{progress}: is missing", sound[^1], StringComparison.Ordinal); // the first check has not made it
            Assert.Contains("3 partitions", sound[1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_does_not_answer_is_not_checked_and_no_fault_but_a_property_that_does_not_exist_is()
    {
        string[] words = ["config", "check", "--input", "kafka://127.0.0.1:1/spans?group=g", "--output", "-", "--buffer", "redis://127.0.0.1:1"];
        (int exitCode, string told, string error) = await SheafProcess.RunAsync(NoVariables, words);
        Assert.True(exitCode == 0, error);
        Assert.Contains("not checked  input: ", told, StringComparison.Ordinal);
        Assert.Contains("not checked  buffer: ", told, StringComparison.Ordinal);
        Assert.Contains("sound        output: -", told, StringComparison.Ordinal);

        (exitCode, _, error) = await SheafProcess.RunAsync(NoVariables, [.. words, "--kafka-config", "no.such.property=1"]);
        Assert.Equal(2, exitCode);
        Assert.Contains("no.such.property", error, StringComparison.Ordinal);
    }

    [RealBrokerData(MakesTopics, "", "", 1_048_588 - KafkaOutput.MessageOverhead)]
    [RealBrokerData(MakesTopics, "20000000", "", 10 << 20)]
    [RealBrokerData(MakesTopics, "50000", "", 50_000 - KafkaOutput.MessageOverhead)]
    [RealBrokerData(MakesTopics, "50000", "40000", 40_000 - KafkaOutput.MessageOverhead)]
    [Theory]
    public async Task Without_a_limit_of_the_operators_a_segment_may_be_what_the_topics_take(string takes, string clientTakes, int expected)
    {
        string wide = Broker.CreateTopic(1, ("max.message.bytes", "30000000"));
        string topic = takes.Length == 0 ? Broker.CreateTopic() : Broker.CreateTopic(1, ("max.message.bytes", takes));
        KafkaOutputOptions options = OutputTo(wide, topic) with { MaxSegmentBytes = null };
        if (clientTakes.Length > 0) options = options with { Config = new KafkaConfig().Set("message.max.bytes", clientTakes) };
        Assert.Equal(expected, (await KafkaOutput.OpenAsync(options, null, TimeProvider.System, default)).MaxSegmentBytes);
    }

    [RealBrokerFact(MakesTopics)]
    public async Task A_topic_that_takes_next_to_nothing_is_refused()
    {
        string topic = Broker.CreateTopic(1, ("max.message.bytes", "1500"));
        await Assert.ThrowsAsync<ConfigurationException>(async () => await KafkaOutput.OpenAsync(OutputTo(topic) with { MaxSegmentBytes = null }, null, TimeProvider.System, default));
    }
}

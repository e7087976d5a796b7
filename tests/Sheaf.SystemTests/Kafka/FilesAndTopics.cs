using System.Text;
using Sheaf.Dev;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>From a topic to a file, and from a file to topics.</summary>
public sealed class FilesAndTopics(KafkaBroker broker) : KafkaTest(broker)
{
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
}

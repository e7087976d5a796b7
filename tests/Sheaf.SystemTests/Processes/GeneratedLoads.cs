using System.Text.Json;

namespace Sheaf.SystemTests.Processes;

/// <summary>Generated spans through a run, checked span by span.</summary>
public sealed class GeneratedLoads : ProcessTest
{
    [Fact]
    public async Task A_load_with_copies_bad_lines_and_missing_roots_is_complete()
    {
        (string spans, string expected) = (PathOf("in.jsonl"), PathOf("expected.jsonl"));
        Ended generate = await SheafAsync(
            "dev", "generate", "--spans", "20000", "--seed", "7", "--duplicates", "0.05", "--invalid", "0.01", "--roots-missing", "0.1", "--output", spans, "--expect", expected);
        Assert.Equal(0, generate.ExitCode);
        Ended run = await RunAsync(
            "--input", spans, "--output", "out.jsonl", "--dead-letter", "file:dead.jsonl", "--dead-letter-max-ratio", "1", "--shards", "3", "--flusher-processes", "2");
        run.AssertEnded(0);
        Assert.Equal(20_000, run.Count("produced"));
        Assert.NotEqual(0, run.Count("duplicates"));
        Assert.NotEqual(0, run.Count("dead_letters"));
        await VerifyAsync(spans, PathOf("out.jsonl"), "--expect", expected, "--dead-letters", PathOf("dead.jsonl"));
    }

    [Fact]
    public async Task A_segment_larger_than_a_message_leaves_in_parts_that_say_so()
    {
        string root = $"{1:x16}";
        string spans = Write("in.jsonl", Lines([.. Enumerable.Range(1, 400).Select(i => Span(i, 10, parent: i == 1 ? null : root, bytes: 600))]));
        Ended run = await RunAsync("--input", spans, "--output", "out.jsonl", "--max-segment-bytes", "64KiB");
        run.AssertEnded(0);
        Assert.Equal(400, run.Count("produced"));
        string[] messages = Sorted(await File.ReadAllBytesAsync(PathOf("out.jsonl")));
        Assert.InRange(messages.Length, 5, 20);
        int parts = 0;
        foreach (string message in messages)
        {
            Assert.InRange(message.Length, 1, 64 * 1024);
            using JsonDocument json = JsonDocument.Parse(message);
            if (json.RootElement.TryGetProperty("skip_enrichment", out JsonElement skip) && skip.GetBoolean()) parts++;
        }
        Assert.InRange(parts, messages.Length - 1, messages.Length); // what came after the last cut may be whole
        await VerifyAsync(spans, PathOf("out.jsonl"));
    }
}

using System.Text;
using System.Text.Json;
using Sheaf.Segments;
using Sheaf.TestKit;
using Sheaf.TestKit.Running;

namespace Sheaf.Tests.Conformance;

/// <summary>The recorded traces give their expected segments through the whole way, and every payload leaves as it came but for the two edits.</summary>
public class RunCorpus
{
    private const long ThirtyDaysMs = 30L * 24 * 60 * 60 * 1000;

    private static readonly SegmentRules Rules = new(ThirtyDaysMs, ThirtyDaysMs, MaxSegmentAgeMs: 0);

    public static TheoryData<string> Names => [.. RepositoryFiles.CorpusSpans().Select(p => Path.GetFileName(p).Replace(".spans.jsonl", "", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_recording_gives_its_expected_segments(string name)
    {
        string[] lines = File.ReadAllLines(Path.Combine(RepositoryFiles.Corpus, name + ".spans.jsonl"));
        using var run = new PipelineRun([.. lines.Select(l => new TestMessage(Encoding.UTF8.GetBytes(l)))], Rules, shards: 3, workers: 2, lanes: 3, new Random(7));
        await run.RunAsync();

        run.AssertLedgerAddsUp();
        Assert.Empty(run.DeadLetters.Letters);
        Assert.Equal(
            File.ReadLines(Path.Combine(RepositoryFiles.Corpus, name + ".segments.jsonl")).Order(StringComparer.Ordinal),
            run.Sink.Messages.Select(Line).Order(StringComparer.Ordinal));
    }

    private static string Line(ProducedMessage message)
    {
        using JsonDocument body = JsonDocument.Parse(message.Body);
        string segment = message.Header.SegmentId.ToString();
        var ids = new SortedSet<string>(StringComparer.Ordinal);
        foreach (JsonElement span in body.RootElement.GetProperty("spans").EnumerateArray())
        {
            string id = span.GetProperty("span_id").GetString()!;
            ids.Add(id);
            Assert.Equal(id == segment, span.GetProperty("is_segment").GetBoolean());
            Assert.Equal(segment, span.GetProperty("attributes").GetProperty("sentry.segment.id").GetProperty("value").GetString());
        }
        return JsonSerializer.Serialize(new
        {
            project_id = message.Header.Trace.ProjectId,
            trace_id = message.Header.Trace.TraceId.ToString(),
            segment_id = segment,
            has_root = message.Header.HasRoot,
            span_ids = ids,
        });
    }
}

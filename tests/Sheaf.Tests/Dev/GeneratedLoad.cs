using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sheaf.Dev;
using Xunit;

namespace Sheaf.Tests.Dev;

public sealed class GeneratedLoad
{
    private static readonly LoadOptions Mixed = new() { Spans = 1500, Duplicates = 0.05, RootsMissing = 0.1, Projects = 7, StreamRate = 2000 };

    [Fact]
    public async Task The_same_options_give_the_same_bytes_however_they_are_pulled()
    {
        LoadOptions options = Mixed with { Invalid = 0.02 };
        (string[] whole, string[] expected) = await NaiveRun.LinesAsync(options);
        (string[] pieces, string[] again) = await NaiveRun.LinesAsync(options, mostSpans: 7);
        Assert.Equal(whole, pieces);
        Assert.Equal(expected, again);
        Assert.NotEqual(whole, (await NaiveRun.LinesAsync(options with { Seed = 2 })).Lines);
    }

    [Fact]
    public async Task Every_span_keeps_the_input_rules()
    {
        foreach (string line in (await NaiveRun.LinesAsync(Mixed)).Lines)
        {
            var span = (JsonObject)JsonNode.Parse(line)!;
            Assert.Matches("^[0-9a-f]{32}$", (string)span["trace_id"]!);
            Assert.Matches("^[0-9a-f]{16}$", (string)span["span_id"]!);
            if (span["parent_span_id"] is { } parent) Assert.Matches("^[0-9a-f]{16}$", (string)parent!);
            Assert.InRange((long)span["project_id"]!, 1, 7);
            Assert.True((double)span["start_timestamp"]! <= (double)span["end_timestamp"]!);
            Assert.True((double)span["end_timestamp"]! <= (double)span["received"]!);
            Assert.Equal(90, (int)span["retention_days"]!);
            Assert.True((string)span["status"]! is "ok" or "error");
            Assert.NotEmpty((string)span["name"]!);
            Assert.InRange(((JsonObject)span["attributes"]!).Count, 12, 13);
            Assert.Equal(JsonValueKind.Object, span["attributes"]!.GetValueKind());
        }
    }

    [Fact]
    public async Task The_number_of_spans_is_exact_and_copies_come_on_top()
    {
        foreach (long count in (long[])[0, 1, 2, 10, 1234])
        {
            (string[] lines, string[] expected) = await NaiveRun.LinesAsync(Mixed with { Spans = count });
            Assert.Equal(count, lines.Distinct().Count());
            Assert.Equal(count, expected.Sum(e => JsonNode.Parse(e)!["span_ids"]!.AsArray().Count));
            if (count == 1234) Assert.True(lines.Length > count);
        }
    }

    [Fact]
    public async Task Lines_come_in_order_of_received_but_for_the_copies()
    {
        double newest = 0;
        foreach (string line in (await NaiveRun.LinesAsync(Mixed with { Duplicates = 0 })).Lines)
        {
            double received = (double)JsonNode.Parse(line)!["received"]!;
            Assert.True(received >= newest);
            newest = received;
        }
    }

    [Fact]
    public async Task No_segment_takes_longer_to_arrive_than_the_options_say()
    {
        LoadOptions options = Mixed with { LatenessSeconds = 1.5, Duplicates = 0 };
        foreach (var (_, spans) in NaiveRun.Group((await NaiveRun.LinesAsync(options)).Lines))
        {
            double first = spans.Min(s => (double)s["received"]!), last = spans.Max(s => (double)s["received"]!);
            Assert.True(last - first <= options.LongestSegmentSeconds, $"{last - first} s");
        }
    }

    [Fact]
    public async Task The_expectation_is_what_a_naive_grouping_gives()
    {
        for (int seed = 1; seed <= 3; seed++)
        {
            (string[] lines, string[] expected) = await NaiveRun.LinesAsync(Mixed with { Seed = seed, Projects = seed });
            IEnumerable<string> naive = NaiveRun.Group(lines).Select(s => string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{(long)s.Spans[0]["project_id"]!:D10} {(string)s.Spans[0]["trace_id"]!} {s.SegmentId} {s.Spans.Exists(x => (string)x["span_id"]! == s.SegmentId)} {string.Join(' ', s.Spans.Select(x => (string)x["span_id"]!).Order(StringComparer.Ordinal))}"));
            IEnumerable<string> stated = expected.Select(e => JsonNode.Parse(e)!).Select(e => string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{(long)e["project_id"]!:D10} {(string)e["trace_id"]!} {(string)e["segment_id"]!} {(bool)e["has_root"]!} {string.Join(' ', e["span_ids"]!.AsArray().Select(x => (string)x!))}"));
            Assert.True(naive.Order(StringComparer.Ordinal).SequenceEqual(stated), $"seed {seed}");
        }
    }

    [Fact]
    public async Task The_load_has_the_forms_that_recorded_traces_have()
    {
        (string[] lines, string[] expected) = await NaiveRun.LinesAsync(new LoadOptions { Spans = 6000 });
        List<JsonNode> spans = [.. lines.Select(l => JsonNode.Parse(l)!)];
        Assert.InRange(lines.Average(l => Encoding.UTF8.GetByteCount(l) + 1), 1078, 1122);
        Assert.InRange(spans.Count / (double)expected.Length, 8.5, 11.5);
        Share(0.5, 0.05, s => s["attributes"]!["sentry.segment.id"] is not null);
        Share(0.1, 0.02, s => s["is_segment"] is null);
        Share(0.05, 0.02, s => s["links"] is not null);
        Assert.Contains(lines, l => l.Contains("\\\"", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Any(c => c > 127));
        Assert.Contains(lines, l => l.Length > 1600);
        var arrival = new Dictionary<string, int>();
        for (int i = 0; i < spans.Count; i++) arrival.Add((string)spans[i]["span_id"]!, i);
        List<int> children = [.. Enumerable.Range(0, spans.Count).Where(i => spans[i]["parent_span_id"] is not null)];
        Assert.InRange(children.Count(i => arrival[(string)spans[i]["parent_span_id"]!] > i) / (double)children.Count, 0.5, 0.9);

        void Share(double share, double margin, Func<JsonNode, bool> has) =>
            Assert.InRange(spans.Count(has) / (double)spans.Count, share - margin, share + margin);
    }

    [Fact]
    public async Task Unusable_lines_are_unusable_and_noticed()
    {
        var generator = new SpanGenerator(new LoadOptions { Spans = 2000, Invalid = 0.05 });
        using var spans = new MemoryStream(); // as bytes: one kind of unusable line is not UTF-8
        for (ReadOnlyMemory<byte> block; !(block = generator.NextBlock()).IsEmpty;) spans.Write(block.Span);
        spans.Position = 0;
        var verifier = new RunVerifier();
        await verifier.ReadSpansAsync(spans, default);
        Assert.Equal(2000, verifier.Deliveries);
        Assert.Equal(generator.InvalidWritten, verifier.Unusable);
        Assert.InRange(verifier.Unusable, 50, 150);
    }

    [Fact]
    public void Options_out_of_range_are_named_with_value_and_range()
    {
        LoadOptions wrong = new()
        {
            Spans = -1, BytesPerSpan = 10, SpansPerSegment = 0.5, LatenessSeconds = double.NaN, RootsMissing = 2, Duplicates = -0.1, Invalid = 1.5,
            Projects = 0, StreamRate = 0,
        };
        IReadOnlyList<string> faults = wrong.Faults();
        Assert.Equal(9, faults.Count);
        Assert.Equal("--bytes-per-span is 10; it must be 500 to 65536.", faults[1]);
        Assert.Single((new LoadOptions { BytesPerSpan = 65_536, SpansPerSegment = 100 }).Faults());
        Assert.Throws<ArgumentException>(() => new SpanGenerator(wrong));
    }
}

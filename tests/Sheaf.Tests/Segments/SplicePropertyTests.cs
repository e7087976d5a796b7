using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>
/// For any payload: what is written means the input with the two edits, and taking the edits' bytes out gives back the input's bytes.
/// </summary>
public class SplicePropertyTests
{
    internal static readonly SpanId Segment = new(0xABCDEF0123456789);

    [Fact]
    public void Random_payloads_differ_from_the_input_by_the_two_edits_only()
    {
        for (int seed = 0; seed < 1000; seed++)
        {
            var random = new Random(seed);
            AssertOnlyEdits(RandomSpan(random), isSegment: random.Next(2) == 0, $"seed {seed}");
        }
    }

    [Fact]
    public void Recorded_spans_differ_from_the_input_by_the_two_edits_only()
    {
        foreach (string file in RepositoryFiles.CorpusSpans())
        {
            int line = 0;
            foreach (string payload in File.ReadLines(file).Take(100)) AssertOnlyEdits(payload, isSegment: line % 3 == 0, $"{Path.GetFileName(file)}:{++line}");
        }
    }

    [Fact]
    public void The_parser_finds_the_edits_of_recorded_spans_where_the_platforms_reader_finds_them()
    {
        var parser = new JsonSpanParser();
        var span = default(TraceSpan);
        foreach (string file in RepositoryFiles.CorpusSpans())
        {
            int line = 0;
            foreach (string payload in File.ReadLines(file))
            {
                line++;
                byte[] bytes = Encoding.UTF8.GetBytes(payload);
                Assert.True(parser.TryParse(bytes, ref span, out _), $"{Path.GetFileName(file)}:{line}");
                PayloadEdits expected = ReferenceEdits.Of(bytes);
                // Where nothing is to be done, the position does not matter.
                if (expected.SegmentId == SegmentIdForm.Present) expected = expected with { SegmentIdAt = span.Edits.SegmentIdAt };
                Assert.True(expected == span.Edits, $"{Path.GetFileName(file)}:{line}: {expected}, {span.Edits}");
            }
        }
    }

    private static void AssertOnlyEdits(string payload, bool isSegment, string where)
    {
        byte[] input = Encoding.UTF8.GetBytes(payload);
        PayloadEdits edits = ReferenceEdits.Of(input);
        SpanId id = isSegment ? Segment : new SpanId(1);
        string written = Assert.Single(new PayloadClaim().Add(input, id).Write(Segment));
        string output = written[(written.IndexOf('[', StringComparison.Ordinal) + 1)..^2];

        JsonNode expected = JsonNode.Parse(payload)!;
        expected["is_segment"] = isSegment;
        if (expected["attributes"] is null) expected["attributes"] = new JsonObject();
        JsonNode? given = expected["attributes"]!["sentry.segment.id"];
        if (given is null || (given is JsonObject attribute && attribute["value"]?.ToJsonString() is null or "\"\""))
            expected["attributes"]!["sentry.segment.id"] = JsonNode.Parse($$"""{"type":"string","value":"{{Segment}}"}""");
        Assert.True(JsonNode.DeepEquals(expected, JsonNode.Parse(output)), $"{where}: {payload}\n{output}");
        if (!edits.Irregular) Assert.True(payload == Undone(output, payload, edits, isSegment), $"{where}: {payload}\n{output}");
    }

    /// <summary>Takes the edits out again, the later one first, so that the positions hold.</summary>
    internal static string Undone(string output, string payload, PayloadEdits edits, bool isSegment)
    {
        (int At, string Was, string Is) segmentMark = edits.IsSegment switch
        {
            IsSegmentForm.Absent => (edits.IsSegmentAt, "", isSegment ? "\"is_segment\":true," : "\"is_segment\":false,"),
            IsSegmentForm.True => (edits.IsSegmentAt, "true", isSegment ? "true" : "false"),
            IsSegmentForm.False => (edits.IsSegmentAt, "false", isSegment ? "true" : "false"),
            IsSegmentForm.Null => (edits.IsSegmentAt, "null", isSegment ? "true" : "false"),
        };
        string value = $$"""{"type":"string","value":"{{Segment}}"}""";
        string attribute = $"\"sentry.segment.id\":{value}";
        (int At, string Was, string Is) segmentId = edits.SegmentId switch
        {
            SegmentIdForm.Present => (Encoding.UTF8.GetByteCount(payload), "", ""),
            SegmentIdForm.AttributesAbsent => (edits.SegmentIdAt, "", $"\"attributes\":{{{attribute}}},"),
            SegmentIdForm.AttributesNull => (edits.SegmentIdAt, "null", $"{{{attribute}}}"),
            SegmentIdForm.AttributesEmpty => (edits.SegmentIdAt, "", attribute),
            SegmentIdForm.Absent => (edits.SegmentIdAt, "", attribute + ","),
            SegmentIdForm.Null => (edits.SegmentIdAt, "null", value),
            SegmentIdForm.WithoutValue => throw new ArgumentException("irregular", nameof(edits)),
        };

        (int At, string Was, string Is)[] inOrder = segmentId.At < segmentMark.At ? [segmentId, segmentMark] : [segmentMark, segmentId];
        byte[] bytes = Encoding.UTF8.GetBytes(output);
        int shift = inOrder[0].Is.Length - inOrder[0].Was.Length;
        bytes = Swap(bytes, inOrder[1].At + shift, inOrder[1].Is, inOrder[1].Was);
        bytes = Swap(bytes, inOrder[0].At, inOrder[0].Is, inOrder[0].Was);
        return Encoding.UTF8.GetString(bytes);
    }

    private static byte[] Swap(byte[] bytes, int at, string what, string with)
    {
        Assert.Equal(what, Encoding.UTF8.GetString(bytes, at, what.Length));
        return [.. bytes[..at], .. Encoding.UTF8.GetBytes(with), .. bytes[(at + what.Length)..]];
    }

    private static string RandomSpan(Random random)
    {
        var members = new List<string>();
        for (int i = random.Next(4); i >= 0; i--) members.Add($"\"{random.Next(1_000_000)}é\"{Gap(random)}:{Gap(random)}{RandomValue(random, 3)}");
        if (random.Next(4) > 0) members.Add($"\"is_segment\"{Gap(random)}:{Gap(random)}{OneOf(random, "true", "false", "null")}");
        switch (random.Next(4))
        {
            case 0: members.Add($"\"attributes\"{Gap(random)}:{Gap(random)}null"); break;
            case 1: break;
            default:
                var attributes = new List<string>();
                for (int i = random.Next(4); i > 0; i--) attributes.Add($"\"{random.Next(1_000_000)}\":{Gap(random)}{RandomValue(random, 2)}");
                if (random.Next(2) == 0) attributes.Add($"{Gap(random)}\"sentry.segment.id\"{Gap(random)}:{Gap(random)}{OneOf(random, "null", "{}", "{ \"value\" : \"\" }", "{\"value\":null}", "\"x\"", "{\"value\":\"00\"}")}");
                members.Add($"\"attributes\"{Gap(random)}:{Gap(random)}{Object(random, attributes)}");
                break;
        }
        return Gap(random) + Object(random, members) + Gap(random);
    }

    private static string Object(Random random, List<string> members)
    {
        string[] shuffled = [.. members];
        random.Shuffle(shuffled);
        return "{" + Gap(random) + string.Join("," + Gap(random), shuffled) + Gap(random) + "}";
    }

    private static string RandomValue(Random random, int depth) => random.Next(depth > 0 ? 9 : 6) switch
    {
        0 => "null",
        1 => OneOf(random, "true", "false"),
        2 => OneOf(random, "0", "-0.0", "1e400", "123456789012345678901234567890", "1.50", random.NextDouble().ToString("R", CultureInfo.InvariantCulture)),
        3 => OneOf(random, "\"\"", "\"\\u0041\\n\\/\"", "\"{\\\"is_segment\\\":true}\"", "\"\\\\\"", "\"日本 𝄞\"", "\"\\ud834\\udd1e\""),
        4 => "\"" + new string('a', random.Next(200)) + "\"",
        5 => "\"attributes\"",
        6 => "[" + RandomValue(random, depth - 1) + Gap(random) + "," + RandomValue(random, depth - 1) + "]",
        7 => "{\"is_segment\":" + RandomValue(random, depth - 1) + ",\"attributes\":" + RandomValue(random, depth - 1) + "}",
        _ => "{\"sentry.segment.id\":" + RandomValue(random, depth - 1) + "}",
    };

    private static string OneOf(Random random, params string[] choices) => choices[random.Next(choices.Length)];

    private static string Gap(Random random) => OneOf(random, "", "", "", "", " ", "\t", "\r", "  \n ");
}

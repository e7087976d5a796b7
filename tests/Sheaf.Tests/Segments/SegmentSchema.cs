using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Sheaf.Tests.Spans;

namespace Sheaf.Tests.Segments;

/// <summary>docs/segment.schema.json, which consumers downstream rely on, against what really leaves.</summary>
public sealed class SegmentSchema
{
    private const string FlushId = "0123456789abcdef0123456789abcdef";

    private static readonly JsonSchema Schema =
        JsonSchema.FromText(File.ReadAllText(Path.Combine(RepositoryFiles.Root, "docs", "segment.schema.json")));

    private static readonly string[] Fields =
    [
        "trace_id", "span_id", "project_id", "organization_id", "start_timestamp", "end_timestamp", "received", "retention_days", "status",
        "parent_span_id", "is_segment", "name", "attributes", "downsampled_retention_days", "event_id", "key_id", "kind", "links", "_meta",
        "some_other_field",
    ];

    /// <summary>Values of every type, and at the edges of what some field may be.</summary>
    private static readonly string[] Values =
    [
        "null", "true", "false", "{}", "[]", "{\"a\":1}", "[1]", "[null]", "[{}]", "[{},null]", "[[]]", "[\"x\"]",
        "0", "-0", "1", "-1", "0.5", "-0.5", "1e2", "65535", "65536", "253402300799", "253402300800", "9223372036854775807",
        "9223372036854775808", "1e20", "-1e20", "1e-400", "1e400", "-1e400", "[1e400]", "{\"a\":-1e309}",
        "\"\"", "\"x\"", "\"1\"", "\"é\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "[\"\\ude00\"]", "{\"\\ud83d\":1}",
        "\"00000000000000aa\"", "\"0000000000000000\"", "\"00000000000000a\"", "\"00000000000000aaa\"", "\"00000000000000ag\"",
        "\"0123456789abcdef0123456789abcdef\"", "\"01234567-89ab-cdef-0123-456789ABCDEF\"", "\"0123456789abcdef0123456789abcdef----\"",
        "\"0123456789abcdef0123456789abcdef-----\"", "\"0123456789abcdef0123456789abcde\"", "\"0123456789abcdef0123456789abcdeg\"",
        "{\"k\":{}}", "{\"k\":null}", "{\"k\":5}", "{\"k\":\"x\"}", "{\"k\":[]}", "{\"k\":{\"type\":\"string\"}}", "{\"k\":{\"value\":1}}",
        "{\"sentry.segment.id\":null}", "{\"sentry.segment.id\":{}}", "{\"sentry.segment.id\":5}", "{\"sentry.segment.id\":\"x\"}",
        "{\"sentry.segment.id\":{\"type\":\"string\"}}", "{\"sentry.segment.id\":{\"value\":null}}", "{\"sentry.segment.id\":{\"value\":\"\"}}",
        "{\"sentry.segment.id\":{\"value\":\"x\"}}", "{\"sentry.segment.id\":{\"value\":\"00000000000000cc\"}}",
        "{\"sentry.segment.id\":{\"value\":5}}", "{\"sentry.segment.id\":{\"value\":true}}", "{\"sentry.segment.id\":{\"value\":[]}}",
        "{\"sentry.segment.id\":{\"value\":{}}}", "{\"sentry.segment.id\":{\"value\":\"\"},\"k\":{\"type\":\"double\",\"value\":1.5}}",
    ];

    /// <summary>Refused though the schema takes it: for it, an integer may have a fraction of zeros or an exponent.</summary>
    private static readonly string[] IntegersWrittenOtherwise = ["-0", "1e2", "1e-400"];

    public static TheoryData<string> FieldNames => [.. Fields];

    [Theory]
    [MemberData(nameof(FieldNames))]
    public void What_the_parser_accepts_leaves_as_a_message_that_is_valid_and_what_it_refuses_is_not(string field)
    {
        int accepted = 0, refused = 0;
        foreach (SpanMessage span in Values.Select(value => new SpanMessage().With(field, value)).Append(new SpanMessage().Without(field)))
        {
            byte[] payload = span.ToBytes();
            string shown = Encoding.UTF8.GetString(payload);
            TraceSpan parsed = default;
            if (new JsonSpanParser().TryParse(payload, ref parsed, out _))
            {
                accepted++;
                string written = Assert.Single(new PayloadClaim().Add(payload, parsed.SpanId, edits: parsed.Edits).Write(parsed.EffectiveParent));
                Assert.True(IsValid(written), $"accepted, and written as {written}");
            }
            else
            {
                refused++;
                bool isInteger = IntegersWrittenOtherwise.Any(value => shown.Contains($"\"{field}\":{value}", StringComparison.Ordinal));
                Assert.True(isInteger || !IsValid(Edited(payload)), $"refused: {shown}");
            }
        }
        Assert.True(accepted > 0 && refused > 0);
    }

    [Fact]
    public void Whole_segments_and_parts_of_oversized_ones_are_valid()
    {
        SpanId root = new(0xaa);
        byte[] payload = new SpanMessage().With("is_segment", "true").ToBytes();
        PayloadClaim claim = new();
        for (int i = 0; i < 5; i++) claim.Add(payload, root);
        Assert.True(IsValid(Assert.Single(claim.Write(root))));
        string[] parts = [.. claim.Write(root, new SegmentRules(MaxSegmentBytes: 1_000))];
        Assert.True(parts.Length > 1);
        Assert.All(parts, part => Assert.Contains("\"skip_enrichment\":true", part, StringComparison.Ordinal));
        Assert.All(parts, part => Assert.True(IsValid(part), part));
    }

    [Fact]
    public void Recorded_spans_leave_as_valid_messages()
    {
        foreach (string line in RepositoryFiles.CorpusSpans().SelectMany(file => File.ReadLines(file).Take(50)))
        {
            byte[] payload = Encoding.UTF8.GetBytes(line);
            TraceSpan span = Parsing.Parse(payload);
            Assert.True(IsValid(Assert.Single(new PayloadClaim().Add(payload, span.SpanId, edits: span.Edits).Write(span.EffectiveParent))), line);
        }
    }

    [Theory]
    [InlineData("{\"flush_id\":\"" + FlushId + "\",\"spans\":[]}")]
    [InlineData("{\"flush_id\":\"x\",\"spans\":[{}]}")]
    [InlineData("{\"flush_id\":\"" + FlushId + "\",\"spans\":[{}]}")]
    [InlineData("[]")]
    public void What_is_no_message_of_ours_is_not_valid(string message) => Assert.False(IsValid(message));

    private static bool IsValid(string message)
    {
        if (!SpanReference.IsObject(Encoding.UTF8.GetBytes(message))) return false; // no strict reader takes it
        using JsonDocument document = JsonDocument.Parse(message, new JsonDocumentOptions { MaxDepth = 1024 });
        return Schema.Evaluate(document.RootElement).IsValid;
    }

    /// <summary>A refused span in a message as it would have been written, by the reference.</summary>
    private static string Edited(byte[] payload)
    {
        string shown = Encoding.UTF8.GetString(payload);
        if (!SpanReference.IsObject(payload)) return shown;
        var span = JsonNode.Parse(payload)!.AsObject();
        if (span["is_segment"] is null) span["is_segment"] = false;
        if (span["attributes"] is null) span["attributes"] = new JsonObject();
        if (span["attributes"] is JsonObject attributes && attributes["sentry.segment.id"] is null)
            attributes["sentry.segment.id"] = JsonNode.Parse("{\"type\":\"string\",\"value\":\"00000000000000bb\"}");
        return $"{{\"flush_id\":\"{FlushId}\",\"spans\":[{span.ToJsonString()}]}}";
    }
}

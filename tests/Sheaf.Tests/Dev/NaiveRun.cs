using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sheaf.Dev;

namespace Sheaf.Tests.Dev;

/// <summary>
/// A run as a beginner would write it, by the rules alone: everything in dictionaries, nothing closed early. It writes strings with the
/// escapes of the platform's writer, so its input must have them too (<see cref="AsWritten"/>).
/// </summary>
internal static class NaiveRun
{
    public static async Task<(string[] Lines, string[] Expected)> LinesAsync(LoadOptions options, long mostSpans = long.MaxValue)
    {
        var segments = new ExpectedSegments();
        var generator = new SpanGenerator(options, segments);
        using var bytes = new MemoryStream();
        for (ReadOnlyMemory<byte> block; !(block = generator.NextBlock(mostSpans)).IsEmpty;) bytes.Write(block.Span);
        using var expectedBytes = new MemoryStream();
        await segments.WriteAsync(expectedBytes, CancellationToken.None);
        return (Split(bytes.ToArray()), Split(expectedBytes.ToArray()));
    }

    /// <summary>The same spans with the escapes that the platform's writer uses.</summary>
    public static string[] AsWritten(IEnumerable<string> lines) => [.. lines.Select(l => JsonNode.Parse(l)!.ToJsonString())];

    public static List<(string SegmentId, List<JsonObject> Spans)> Group(IEnumerable<string> lines)
    {
        var traces = new Dictionary<(long, string), Dictionary<string, JsonObject>>();
        foreach (string line in lines)
        {
            var span = (JsonObject)JsonNode.Parse(line)!;
            var key = ((long)span["project_id"]!, (string)span["trace_id"]!);
            if (!traces.TryGetValue(key, out Dictionary<string, JsonObject>? spans)) traces.Add(key, spans = []);
            spans.TryAdd((string)span["span_id"]!, span);
        }
        var segments = new List<(string, List<JsonObject>)>();
        foreach (Dictionary<string, JsonObject> spans in traces.Values)
        {
            foreach (var group in spans.Values.GroupBy(span => SegmentOf(span, spans))) segments.Add((group.Key, [.. group]));
        }
        return segments;
    }

    /// <summary>The messages of a run, as lines.</summary>
    public static string[] Messages(IEnumerable<string> lines) => [.. Group(lines).Select(s => Message(s.SegmentId, s.Spans))];

    public static string Message(string segmentId, List<JsonObject> spans)
    {
        foreach (JsonObject span in spans)
        {
            span["is_segment"] = (string)span["span_id"]! == segmentId;
            if (span["attributes"] is null) span["attributes"] = new JsonObject();
            span["attributes"]!["sentry.segment.id"] ??= new JsonObject { ["type"] = "string", ["value"] = segmentId };
        }
        byte[] hash = System.IO.Hashing.XxHash128.Hash(Encoding.UTF8.GetBytes(string.Concat(spans.Select(s => s.ToJsonString()))));
        return $"{{\"flush_id\":\"{Convert.ToHexStringLower(hash)}\",\"spans\":[{string.Join(',', spans.Select(s => s.ToJsonString()))}]}}";
    }

    public static async Task<RunVerifier> VerifyAsync(
        IEnumerable<string> spans, IEnumerable<string> segments, IEnumerable<string>? expected = null, bool repeatsAllowed = true,
        IEnumerable<string>? deadLetters = null)
    {
        var verifier = new RunVerifier(repeatsAllowed);
        await verifier.ReadSpansAsync(Stream(spans), default);
        if (expected is not null) await verifier.ReadExpectedAsync(Stream(expected), default);
        if (deadLetters is not null) await verifier.ReadDeadLettersAsync(Stream(deadLetters), default);
        await verifier.ReadSegmentsAsync(Stream(segments), default);
        verifier.Finish();
        return verifier;
    }

    public static MemoryStream Stream(IEnumerable<string> lines) => new(Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l + "\n"))));

    private static string SegmentOf(JsonObject span, Dictionary<string, JsonObject> spans)
    {
        string id = (string)span["span_id"]!;
        while (spans.TryGetValue(id, out JsonObject? at))
        {
            if ((bool?)at["is_segment"] == true || at["parent_span_id"] is null) return id;
            id = (string?)at["attributes"]?["sentry.segment.id"]?["value"] ?? (string)at["parent_span_id"]!;
        }
        return id;
    }

    private static string[] Split(byte[] bytes) => Encoding.UTF8.GetString(bytes).Split('\n')[..^1];
}

using System.Text;
using System.Text.Json;
using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Conformance;

/// <summary>The recorded traces give the segments that were worked out for them, when nothing closes before the end of the file.</summary>
public sealed class AssembledCorpus
{
    private const long ThirtyDaysMs = 30L * 24 * 60 * 60 * 1000;

    private static readonly SegmentRules Rules = new(ThirtyDaysMs, ThirtyDaysMs, MaxSegmentAgeMs: 0);

    public static TheoryData<string> Names => [.. RepositoryFiles.CorpusSpans().Select(path => Path.GetFileName(path).Replace(".spans.jsonl", "", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recording_gives_its_expected_segments(string name)
    {
        Dictionary<(long Project, string Trace), List<BufferedSpan>> traces = [];
        long streamTime = 0;
        foreach (string line in File.ReadLines(Path.Combine(RepositoryFiles.Corpus, name + ".spans.jsonl")))
        {
            (long project, string trace, BufferedSpan span) = Read(line);
            span.StreamTimeMs = streamTime = Math.Max(streamTime, span.StreamTimeMs);
            if (!traces.TryGetValue((project, trace), out List<BufferedSpan>? spans)) traces.Add((project, trace), spans = []);
            span.SourceOffset = spans.Count;
            spans.Add(span);
        }

        SegmentAssembler assembler = new(Rules);
        List<string> actual = [];
        foreach (((long project, string trace), List<BufferedSpan> list) in traces)
        {
            BufferedSpan[] spans = [.. list];
            foreach (ClosedSegment segment in AssemblyOutcome.By(assembler, spans, streamTime, FlushReason.Shutdown).Segments)
            {
                var ids = segment.Members.Select(i => spans[i].SpanId).Distinct().Order().Select(id => id.ToString());
                actual.Add(Line(project, trace, segment.SegmentId.ToString(), segment.HasRoot, ids));
            }
        }
        Assert.Equal(ExpectedLines(name), actual.Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> ExpectedLines(string name)
    {
        List<string> lines = [];
        foreach (string line in File.ReadLines(Path.Combine(RepositoryFiles.Corpus, name + ".segments.jsonl")))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement segment = document.RootElement;
            lines.Add(Line(
                segment.GetProperty("project_id").GetInt64(), segment.GetProperty("trace_id").GetString()!,
                segment.GetProperty("segment_id").GetString()!, segment.GetProperty("has_root").GetBoolean(),
                segment.GetProperty("span_ids").EnumerateArray().Select(id => id.GetString()!)));
        }
        return lines.Order(StringComparer.Ordinal);
    }

    private static string Line(long project, string trace, string segment, bool hasRoot, IEnumerable<string> ids) =>
        $"{project} {trace} {segment} {hasRoot}: {string.Join(' ', ids)}";

    private static (long Project, string Trace, BufferedSpan Span) Read(string line)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement json = document.RootElement;
        byte[] bytes = Encoding.UTF8.GetBytes(line);
        SpanId id = Id(json.GetProperty("span_id").GetString()!);
        string? parent = json.GetProperty("parent_span_id").GetString();
        bool isRoot = parent is null || (json.TryGetProperty("is_segment", out JsonElement mark) && mark.ValueKind == JsonValueKind.True);
        BufferedSpan span = new()
        {
            SpanId = id,
            EffectiveParent = isRoot ? id : Id(parent!),
            IsSegmentRoot = isRoot,
            StreamTimeMs = (long)(json.GetProperty("received").GetDecimal() * 1000),
            PayloadHash = System.IO.Hashing.XxHash3.HashToUInt64(bytes),
            PayloadLength = bytes.Length,
        };
        return (json.GetProperty("project_id").GetInt64(), json.GetProperty("trace_id").GetString()!, span);
    }

    private static SpanId Id(string text) =>
        SpanId.TryParse(Encoding.ASCII.GetBytes(text), out SpanId id) ? id : throw new InvalidDataException($"no span id: {text}");
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>A case with results that the original system gave. tests/conformance/README.md explains the fields.</summary>
public sealed record ConformanceCase(
    string Name,
    Dictionary<string, double> Options,
    ConformanceSpan[] Spans,
    ConformanceSegment[] Expected)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
    private static readonly Lazy<Dictionary<string, ConformanceCase>> LazyAll = new(Load);

    /// <summary>Every case of the folder, by <c>FILE/NAME</c>.</summary>
    public static IReadOnlyDictionary<string, ConformanceCase> All => LazyAll.Value;

    public SegmentRules Rules
    {
        get
        {
            SegmentRules usual = new();
            return usual with
            {
                TimeoutMs = Options.TryGetValue("timeout", out double timeout) ? (long)(timeout * 1000) : usual.TimeoutMs,
                RootTimeoutMs = Options.TryGetValue("root-timeout", out double root) ? (long)(root * 1000) : usual.RootTimeoutMs,
            };
        }
    }

    public override string ToString() => Name;

    private static Dictionary<string, ConformanceCase> Load()
    {
        Dictionary<string, ConformanceCase> cases = [];
        foreach (string path in RepositoryFiles.ConformanceCases())
        {
            CaseFile file = JsonSerializer.Deserialize<CaseFile>(File.ReadAllBytes(path), Format)
                ?? throw new InvalidDataException($"{path} holds no cases");
            foreach (ConformanceCase c in file.Cases) cases.Add($"{Path.GetFileNameWithoutExtension(path)}/{c.Name}", c);
        }
        return cases;
    }

    private sealed record CaseFile(string Origin, ConformanceCase[] Cases);
}

/// <summary>A span of a case.</summary>
/// <param name="T">Stream time in seconds.</param>
/// <param name="Payload">What tells spans with one id apart; null stands for the span's id alone.</param>
public sealed record ConformanceSpan(
    double T, string TraceId, string SpanId, string? ParentSpanId, string? SegmentId, long ProjectId, bool IsSegmentSpan, int Shard, JsonElement? Payload)
{
    [JsonIgnore]
    public long StreamTimeMs => (long)(T * 1000);

    /// <summary>The ids that make spans of one input belong together.</summary>
    [JsonIgnore]
    public (int Shard, long ProjectId, string TraceId) Unit => (Shard, ProjectId, TraceId);

    /// <summary>The span as a message of the ingest topic with every required field. Equal spans give equal bytes, whatever their <see cref="T"/>.</summary>
    /// <param name="received">Seconds since 1970, where the source has no timestamps of its own and this is the stream time.</param>
    public byte[] ToMessage(double received = 0)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("organization_id", 1);
            json.WriteNumber("project_id", ProjectId);
            json.WriteString("trace_id", TraceId);
            json.WriteString("span_id", SpanId);
            json.WriteString("parent_span_id", ParentSpanId);
            json.WriteNumber("start_timestamp", 0.5);
            json.WriteNumber("end_timestamp", 1.5);
            json.WriteNumber("received", received);
            json.WriteNumber("retention_days", 90);
            json.WriteString("status", "ok");
            json.WriteBoolean("is_segment", IsSegmentSpan);
            if (SegmentId is not null)
            {
                json.WriteStartObject("attributes");
                json.WriteStartObject("sentry.segment.id");
                json.WriteString("type", "string");
                json.WriteString("value", SegmentId);
                json.WriteEndObject();
                json.WriteEndObject();
            }
            if (Payload is { } payload)
            {
                json.WritePropertyName("conformance_payload");
                payload.WriteTo(json);
            }
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <summary>The span as a buffer hands it out, without having been through a parser.</summary>
    public BufferedSpan ToBuffered(long sourceOffset)
    {
        byte[] message = ToMessage();
        return new BufferedSpan
        {
            SpanId = Id(SpanId),
            EffectiveParent = Id(IsSegmentSpan ? SpanId : SegmentId ?? ParentSpanId ?? SpanId),
            IsSegmentRoot = IsSegmentSpan,
            SourceOffset = sourceOffset,
            StreamTimeMs = StreamTimeMs,
            PayloadHash = System.IO.Hashing.XxHash3.HashToUInt64(message),
            PayloadLength = message.Length,
        };
    }

    private static SpanId Id(string text) =>
        Sheaf.Spans.SpanId.TryParse(Encoding.ASCII.GetBytes(text), out SpanId id) ? id : throw new InvalidDataException($"no span id: {text}");
}

/// <summary>An expected segment.</summary>
/// <param name="SpanIds">Sorted, each once.</param>
/// <param name="ClosedAt">Deadline in seconds of stream time.</param>
public sealed record ConformanceSegment(long ProjectId, string TraceId, string SegmentId, string[] SpanIds, bool HasRoot, double ClosedAt)
{
    /// <summary>One line, to be compared and read by people.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{ProjectId} {TraceId} {SegmentId} {(HasRoot ? "root" : "no root")} closed at {ClosedAt}: {string.Join(' ', SpanIds)}");
}

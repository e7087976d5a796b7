using System.Text;
using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// Writes planned spans as messages: a head with the ids and times, and a body from one of some hundred templates with a text of varying
/// length. All that is not planned is drawn from the span's id, so a copy has the same bytes. One thread.
/// </summary>
internal sealed class SpanPayloads
{
    /// <summary>Start of every load: 2026-01-01T00:00:00Z.</summary>
    private const long EpochUs = 1_767_225_600_000_000;

    private const int Services = 32;
    private const int OperationsPerService = 8;
    private const int SizeSteps = 256;
    private const int LongestHead = 1024;

    private readonly Template[] _templates = new Template[Services * OperationsPerService];
    private readonly double[] _sizeFactors = new double[SizeSteps];
    private readonly SpanText _plain;
    private readonly SpanText _rich;
    private readonly ulong _salt;
    private readonly double _meanTextLength;
    private readonly int _longestLine;

    public SpanPayloads(LoadOptions options)
    {
        var random = new SeededRandom(SeededRandom.Mix((ulong)options.Seed ^ 0x5EED));
        _salt = random.Next();
        int textSize = Math.Max(1 << 16, 16 * options.BytesPerSpan);
        _plain = new SpanText(Words.Plain, textSize, random);
        _rich = new SpanText([.. Words.Plain, .. Words.Rich], textSize, random);

        // Exponential, by equal shares: the mean over all steps is 1, the longest text is 6.2 times as long.
        for (int i = 0; i < SizeSteps; i++) _sizeFactors[i] = -Math.Log(1 - (i + 0.5) / SizeSteps);

        // What is not text may take this much; the rest is text, in the mean.
        int bodyBudget = (int)(options.BytesPerSpan * 0.95) - 390;
        for (int i = 0; i < _templates.Length; i++) _templates[i] = new Template(i, bodyBudget, ref random);
        _longestLine = LongestHead + _templates.Max(t => t.Length);
        _meanTextLength = Math.Max(0, options.BytesPerSpan - MeanLengthWithoutText());
        _longestLine += (int)(_meanTextLength * _sizeFactors[^1]) + 64;
    }

    /// <summary>Appends the span's line with its end.</summary>
    public void Write(in PlannedSpan span, LineBuffer line)
    {
        ulong draw = SeededRandom.Mix(span.SpanId.Value ^ _salt);
        int operation = (int)(draw & (OperationsPerService - 1));
        int sizeStep = (int)(draw >> 3) & (SizeSteps - 1);
        bool segmentIdGiven = (draw >> 11 & 1) == 0;
        bool segmentIdFirst = (draw >> 12 & 1) == 0;
        bool parentAbsent = (draw >> 13 & 3) == 0;
        int percentOfFlags = (int)(draw >> 16 & 0xFFFF) % 100;
        int percentOfLinks = (int)(draw >> 32 & 0xFFFF) % 100;
        bool rich = (draw >> 48 & 0xFFFF) % 7 == 0;
        ulong choice = SeededRandom.Mix(draw);
        Template template = _templates[(span.ProjectId % Services) * OperationsPerService + operation];
        bool isRoot = span.SpanId == span.SegmentId;

        line.Reserve(_longestLine);
        line.Append("{\"organization_id\":1,\"project_id\":"u8);
        line.Append(span.ProjectId);
        line.Append(",\"trace_id\":\""u8);
        line.Append(span.Trace);
        line.Append("\",\"span_id\":\""u8);
        line.Append(span.SpanId);
        if (span.HasParent)
        {
            line.Append("\",\"parent_span_id\":\""u8);
            line.Append(span.ParentId);
            line.Append("\""u8);
        }
        else
        {
            line.Append(parentAbsent ? "\""u8 : "\",\"parent_span_id\":null"u8);
        }
        line.Append(",\"start_timestamp\":"u8);
        line.AppendSeconds(EpochUs + span.StartUs);
        line.Append(",\"end_timestamp\":"u8);
        line.AppendSeconds(EpochUs + span.EndUs);
        line.Append(",\"received\":"u8);
        line.AppendSeconds(EpochUs + span.ReceivedUs);
        line.Append(template.Head);
        // Only what is a root by its missing parent, or no root at all, can do without the mark.
        bool markNeeded = isRoot && span.HasParent;
        if (markNeeded || percentOfFlags >= 10)
            line.Append(isRoot ? ",\"is_segment\":true"u8 : ",\"is_segment\":false"u8);
        line.Append(",\"attributes\":{"u8);
        if (segmentIdGiven && segmentIdFirst)
        {
            AppendSegmentId(span.SegmentId, line);
            line.Append(","u8);
        }
        line.Append("\"sentry.description\":{\"type\":\"string\",\"value\":\""u8);
        line.Append((rich ? _rich : _plain).Piece(choice, (int)(_meanTextLength * _sizeFactors[sizeStep])));
        line.Append("\"},\"sentry.duration_us\":{\"type\":\"integer\",\"value\":"u8);
        line.Append(span.EndUs - span.StartUs);
        line.Append("}"u8);
        line.Append(template.Attributes);
        if (segmentIdGiven && !segmentIdFirst)
        {
            line.Append(","u8);
            AppendSegmentId(span.SegmentId, line);
        }
        line.Append("}"u8);
        if (percentOfLinks < 5)
        {
            line.Append(",\"links\":[{\"trace_id\":\""u8);
            line.Append(span.Trace);
            line.Append("\",\"span_id\":\""u8);
            line.Append(new SpanId(choice));
            line.Append("\",\"sampled\":true,\"attributes\":{\"link.type\":{\"type\":\"string\",\"value\":\"previous_trace\"}}}]"u8);
        }
        line.Append("}\n"u8);
    }

    private static void AppendSegmentId(SpanId id, LineBuffer line)
    {
        line.Append("\"sentry.segment.id\":{\"type\":\"string\",\"value\":\""u8);
        line.Append(id);
        line.Append("\"}"u8);
    }

    private double MeanLengthWithoutText()
    {
        const int Samples = 4096;
        var random = new SeededRandom(_salt);
        var line = new LineBuffer(_longestLine);
        long sum = 0;
        for (int i = 0; i < Samples; i++)
        {
            var span = new PlannedSpan
            {
                Trace = new TraceId(random.Next(), random.Next()),
                SpanId = new SpanId(random.Next()),
                ParentId = new SpanId(random.Next()),
                ProjectId = 1 + i % Services,
                EndUs = 10_000,
            };
            Write(span, line);
            sum += line.Length;
            line.Clear();
        }
        return (double)sum / Samples;
    }

    /// <summary>The part of a message that an operation of a service has in common.</summary>
    private sealed class Template
    {
        private readonly byte[] _head;
        private readonly byte[] _attributes;

        public Template(int index, int budget, ref SeededRandom random)
        {
            string service = Words.Services[index / OperationsPerService % Words.Services.Length];
            (string op, string name) = Words.Operations[index % Words.Operations.Length];
            bool failed = random.Chance(0.03);
            _head = Encoding.UTF8.GetBytes(
                $",\"retention_days\":90,\"name\":\"{name}\",\"status\":\"{(failed ? "error" : "ok")}\"");
            var attributes = new StringBuilder();
            Add("service.name", $"\"{service}\"");
            Add("sentry.op", $"\"{op}\"");
            Add("host.name", $"\"{service}-{random.Next() & 0xFFFFFF:x6}\"");
            Add("server.port", $"{1024 + random.Next(60_000)}");
            Add("sentry.sampled", "true");
            Add("sample.rate", $"0.{1 + random.Next(999)}");
            Add("code.function", $"\"{name.Replace("/", "\\/", StringComparison.Ordinal)}\"");
            Add("thread.id", $"{random.Next() >> 8}");
            Add("cloud.region", "\"eu-central-1\"");
            if (index % 2 == 0) Add("retries", $"{random.Next(4)}");
            else Add("ratio", $"{random.Next(9)}.{random.Next(100)}e-{random.Next(12)}");
            _attributes = Encoding.UTF8.GetBytes(attributes.ToString());

            void Add(string key, string text)
            {
                string type = text[0] switch
                {
                    '"' => "string",
                    't' => "boolean",
                    _ => text.Contains('.', StringComparison.Ordinal) ? "double" : "integer",
                };
                string attribute = $",\"{key}\":{{\"type\":\"{type}\",\"value\":{text}}}";
                if (attributes.Length + attribute.Length <= budget) attributes.Append(attribute);
            }
        }

        public ReadOnlySpan<byte> Head => _head;

        public ReadOnlySpan<byte> Attributes => _attributes;

        public int Length => _head.Length + _attributes.Length;
    }

    private static class Words
    {
        public static readonly string[] Services =
        [
            "frontend", "checkout", "cart", "catalog", "currency", "payment", "shipping", "email", "ads", "recommendation", "search",
            "profile", "rate", "geo", "inventory", "orders",
        ];

        public static readonly (string Op, string Name)[] Operations =
        [
            ("http.server", "GET /api/0/projects/{id}/events"), ("http.client", "POST"), ("db", "SELECT orders"), ("cache.get", "cache.get"),
            ("grpc.client", "shop.Cart/AddItem"), ("template.render", "checkout.html"), ("queue.publish", "orders send"),
            ("function", "tasks.store.save_event"),
        ];

        public static readonly string[] Plain =
        [
            "SELECT", "FROM", "WHERE", "orders.id", "customers.name", "INNER JOIN", "ON", "=", "%s", "AND", "created_at", "<", "ORDER BY",
            "LIMIT", "100", "GET", "https://api.example.com/v1/items", "?page=2&per_page=50", "200", "OK", "user-agent:", "cache", "hit",
            "key:session:4f21", "retry", "in", "250", "ms", "INSERT INTO", "events", "VALUES", "(%s,", "%s)", "{id:", "[1,2,3]}",
        ];

        public static readonly string[] Rich =
        [
            "\\\"status\\\":", "\\\"quoted \\\\\\\" twice\\\"", "C:\\\\temp\\\\", "line\\nbreak", "tab\\there", "Grüße", "naïve", "注文", "かばん",
            "заказ", "🛒", "\\u00e9t\\u00e9", "\\ud83d\\ude80", "a\\/b",
        ];
    }
}

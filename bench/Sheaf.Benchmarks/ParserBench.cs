using System.Text;
using System.Text.Json;
using Sheaf.Spans;
using Sheaf.TestKit;

namespace Sheaf.Benchmarks;

/// <summary>
/// Reading the fields of spans, against a plain pass of the platform's reader over the same bytes (bench/README.md: at most 0.33 of it) and against
/// copying them.
/// </summary>
internal static class ParserBench
{
    private const int Count = 400; // a pass takes well under a millisecond, and the branches do not learn the spans by heart

    public static void Run()
    {
        Compare("parser: synthetic spans", SyntheticSpans(Count));
        Compare("parser: recorded spans", RecordedSpans(maxLength: 4096));
        Compare("parser: recorded spans of about 1.1 KB", RecordedSpans(maxLength: 1500, minLength: 850));
    }

    private static void Compare(string title, byte[][] lines)
    {
        byte[] block = new byte[lines.Sum(line => line.Length)];
        var ranges = new (int Start, int Length)[lines.Length];
        int at = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            lines[i].CopyTo(block, at);
            ranges[i] = (at, lines[i].Length);
            at += lines[i].Length;
        }
        byte[] copy = new byte[lines.Max(line => line.Length)];
        var parser = new JsonSpanParser();
        var quotes = new JsonQuotes();

        var runner = new BenchRunner($"{title}: {lines.Length} spans, {block.Length / lines.Length} bytes each", "span");
        runner.Add("Utf8JsonReader, all tokens", lines.Length, () =>
        {
            foreach ((int start, int length) in ranges)
            {
                var reader = new Utf8JsonReader(block.AsSpan(start, length));
                while (reader.Read()) { }
            }
        });
        runner.Add("first stage alone", lines.Length, () =>
        {

            foreach ((int start, int length) in ranges)
            {
                if (!quotes.TryRead(block.AsSpan(start, length))) throw new InvalidDataException();
            }
        });
        runner.Add("JsonSpanParser without the hash", lines.Length, () =>
        {
            TraceSpan span = default;
            foreach ((int start, int length) in ranges)
            {
                if (!parser.TryReadFields(block.AsSpan(start, length), ref span, out SpanFault fault)) throw new InvalidDataException(fault.ToString());
            }
        });
        runner.Add("JsonSpanParser", lines.Length, () =>
        {
            TraceSpan span = default;
            foreach ((int start, int length) in ranges)
            {
                if (!parser.TryParse(block.AsSpan(start, length), ref span, out SpanFault fault)) throw new InvalidDataException(fault.ToString());
            }
        });
        runner.Add("memcpy", lines.Length, () =>
        {
            foreach ((int start, int length) in ranges) block.AsSpan(start, length).CopyTo(copy);
        });
        runner.Run();
    }

    private static byte[][] RecordedSpans(int maxLength, int minLength = 0) =>
    [
        .. RepositoryFiles.CorpusSpans()
            .SelectMany(File.ReadLines)
            .Select(Encoding.UTF8.GetBytes)
            .Where(line => line.Length >= minLength && line.Length <= maxLength)
            .Chunk(7).Select(some => some[0]).Take(Count),
    ];

    /// <summary>
    /// Synthetic spans: 12 or 13 attributes, half with <c>sentry.segment.id</c>, a tenth without <c>is_segment</c>, a twentieth with
    /// <c>links</c>, escaped quotes in a seventh of the descriptions.
    /// </summary>
    private static byte[][] SyntheticSpans(int count)
    {
        var random = new Random(20261122);
        byte[][] lines = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            string id = Hex(random, 8);
            string segment = Hex(random, 8);
            double start = 1_700_000_000 + (random.NextDouble() * 1000);
            string description = random.Next(7) == 0 ? "SELECT \\\"id\\\", \\\"name\\\" FROM \\\"orders\\\" WHERE \\\"id\\\" = %s" : "GET https://shop.example.com/api/0/orders/{id}/items/";
            var line = new StringBuilder();
            line.Append(null, $"{{\"organization_id\":{random.Next(1, 5000)},\"project_id\":{random.Next(1, 90000)},\"trace_id\":\"{Hex(random, 16)}\",\"span_id\":\"{id}\"");
            line.Append(null, $",\"parent_span_id\":\"{segment}\",\"start_timestamp\":{start:F6},\"end_timestamp\":{start + random.NextDouble():F6},\"received\":{start + 2:F6}");
            line.Append(null, $",\"retention_days\":90,\"name\":\"http.client\",\"status\":\"ok\"");
            if (random.Next(10) != 0) line.Append(null, $",\"is_segment\":false");
            if (random.Next(20) == 0) line.Append(null, $",\"links\":[{{\"trace_id\":\"{Hex(random, 16)}\",\"span_id\":\"{Hex(random, 8)}\",\"sampled\":true,\"attributes\":{{}}}}]");
            line.Append(null, $",\"attributes\":{{\"sentry.description\":{{\"type\":\"string\",\"value\":\"{description}\"}}");
            if (random.Next(2) == 0) line.Append(null, $",\"sentry.segment.id\":{{\"type\":\"string\",\"value\":\"{segment}\"}}");
            line.Append(null, $",\"sentry.op\":{{\"type\":\"string\",\"value\":\"http.client\"}},\"sentry.platform\":{{\"type\":\"string\",\"value\":\"python\"}}");
            line.Append(null, $",\"sentry.environment\":{{\"type\":\"string\",\"value\":\"production\"}},\"sentry.release\":{{\"type\":\"string\",\"value\":\"backend@{Hex(random, 6)}\"}}");
            line.Append(null, $",\"sentry.sdk.name\":{{\"type\":\"string\",\"value\":\"sentry.python.django\"}},\"sentry.sdk.version\":{{\"type\":\"string\",\"value\":\"2.19.{random.Next(20)}\"}}");
            line.Append(null, $",\"http.request.method\":{{\"type\":\"string\",\"value\":\"GET\"}},\"http.response.status_code\":{{\"type\":\"integer\",\"value\":{random.Next(200, 600)}}}");
            line.Append(null, $",\"server.address\":{{\"type\":\"string\",\"value\":\"shop.example.com\"}},\"thread.id\":{{\"type\":\"string\",\"value\":\"{random.NextInt64(1L << 47)}\"}}");
            line.Append(null, $",\"sentry.exclusive_time\":{{\"type\":\"double\",\"value\":{random.NextDouble() * 1000:F6}}},\"sentry.sampled\":{{\"type\":\"boolean\",\"value\":true}}}}}}");
            lines[i] = Encoding.UTF8.GetBytes(line.ToString());
        }
        return lines;
    }

    private static string Hex(Random random, int bytes)
    {
        byte[] id = new byte[bytes];
        random.NextBytes(id);
        return Convert.ToHexStringLower(id);
    }
}

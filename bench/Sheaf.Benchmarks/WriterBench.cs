using System.Text;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;

namespace Sheaf.Benchmarks;

/// <summary>
/// Writing segments of ten spans, against copying the same payloads from the same places (bench/README.md: at most 1.3 times that). The payloads lie in
/// memory in another order than they are written, as they do in a buffer; all of them together are larger than the caches.
/// </summary>
internal static class WriterBench
{
    private const int SpansPerSegment = 10;
    private const int BatchBytes = 1 << 20; // as a worker: what is written is produced while it is in the cache

    public static void Run()
    {
        Compare("writer: spans in the cache", 2_000);
        Compare("writer: spans in memory", 60_000);
    }

    private static void Compare(string title, int count)
    {
        var random = new Random(5);
        var payloads = new byte[count][];
        int[] places = [.. Enumerable.Range(0, count)];
        random.Shuffle(places);
        foreach (int place in places) payloads[place] = Payload(random, place);
        var claim = new PayloadClaim();
        for (int i = 0; i < count; i++) claim.Add(payloads[i], new SpanId((ulong)(i % SpansPerSegment)));
        Buffering.ISpanBuffer buffer = claim.Buffer;
        int[] members = [.. Enumerable.Range(0, count)];
        AssembledSegment segment = claim.Segment(new SpanId(0));
        var writer = new SegmentWriter(new SegmentRules());
        var batch = new SegmentBatch();
        byte[] copy = new byte[BatchBytes + (SpansPerSegment * 4096)];

        long bytes = payloads.Sum(payload => (long)payload.Length);
        var runner = new BenchRunner($"{title}: {count} spans, {bytes / count} bytes each, {SpansPerSegment} per segment", "span");
        runner.Add("memcpy of the payloads", count, () =>
        {
            int at = 0;
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> payload = buffer.Payload(claim.Batch, i);
                payload.CopyTo(copy.AsSpan(at));
                at += payload.Length;
                if (at > BatchBytes) at = 0;
            }
        });
        runner.Add("SegmentWriter", count, () =>
        {
            batch.Clear();
            for (int i = 0; i < count; i += SpansPerSegment)
            {
                writer.Write(buffer, claim.Batch, claim.Batch.Traces[0], segment, members.AsSpan(i, SpansPerSegment), batch);
                if (batch.Length > BatchBytes) batch.Clear();
            }
        });
        runner.Run(rounds: 21);
    }

    private static byte[] Payload(Random random, int n)
    {
        var text = new StringBuilder();
        text.Append("{\"organization_id\":1,\"project_id\":503,\"trace_id\":\"000000000000000067ff600cc7c84a67\",");
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\"span_id\":\"{n:x16}\",\"parent_span_id\":\"67ff600cc7c84a67\",\"start_timestamp\":1674578015.037347,\"end_timestamp\":1674578015.066003,\"received\":1674578015.159908,\"retention_days\":90,\"name\":\"HTTP GET: /route\",\"status\":\"ok\",");
        if (random.Next(10) > 0) text.Append("\"is_segment\":false,");
        text.Append("\"attributes\":{");
        if (random.Next(2) == 0) text.Append("\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"67ff600cc7c84a67\"},");
        for (int i = random.Next(10, 16); i > 0; i--) text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\"attribute.number.{i}\":{{\"type\":\"string\",\"value\":\"{random.Next():x8}{random.Next():x8}\"}},");
        text.Append("\"last\":{\"type\":\"boolean\",\"value\":true}}}");
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}

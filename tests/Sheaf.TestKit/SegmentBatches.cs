using System.Globalization;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>Batches of written segments for tests of sinks.</summary>
public static class SegmentBatches
{
    /// <summary>One message per payload; the payload's span is the segment's root.</summary>
    public static SegmentBatch Of(params string[] payloads)
    {
        var batch = new SegmentBatch();
        var writer = new SegmentWriter(new SegmentRules());
        foreach (string payload in payloads)
        {
            PayloadClaim claim = new PayloadClaim(new TraceKey(7, new TraceId(1, 2)), shard: 3).Add(payload, new SpanId(0xAB), streamTimeMs: 1000, offset: 40);
            claim.Write(writer, claim.Segment(new SpanId(0xAB), FlushReason.RootTimeout), batch);
        }
        return batch;
    }

    /// <summary>Messages whose span is marked with a number, each of about this many bytes.</summary>
    public static SegmentBatch Numbered(int first, int count, int bytes) => Of([.. Enumerable.Range(first, count).Select(n =>
        string.Create(CultureInfo.InvariantCulture, $"{{\"n\":{n},\"pad\":\"{new string('p', bytes)}\",\"is_segment\":true,\"attributes\":null}}"))]);
}

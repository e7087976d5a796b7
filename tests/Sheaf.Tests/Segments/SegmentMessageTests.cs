using System.Text;
using System.Text.Json;
using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>The message around the spans, its cutting (ARCHITECTURE.md, rule 6) and what is noted beside it.</summary>
public class SegmentMessageTests
{
    private static readonly SpanId Root = new(0x10);

    // 100 bytes in and out: nothing to insert, and "true" for "null".
    private static readonly string Hundred = """{"is_segment":null,"attributes":{"sentry.segment.id":1},"p":""".PadRight(98, ' ') + "1}";

    [Fact]
    public void A_segment_that_fits_is_one_message()
    {
        string written = Assert.Single(new PayloadClaim().Add(Hundred, Root).Add(Hundred, Root).Write(Root));
        using JsonDocument message = JsonDocument.Parse(written);
        Assert.Equal(["flush_id", "spans"], message.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Matches("^[0-9a-f]{32}$", message.RootElement.GetProperty("flush_id").GetString());
        Assert.Equal(2, message.RootElement.GetProperty("spans").GetArrayLength());
        Assert.Equal("""{"flush_id":"","spans":[,]}""".Length + 32 + 200, written.Length);
    }

    [Fact]
    public void A_message_of_exactly_the_limit_is_not_cut_and_one_byte_less_cuts_it()
    {
        PayloadClaim claim = new PayloadClaim().Add(Hundred, Root).Add(Hundred, Root);
        int whole = Assert.Single(claim.Write(Root)).Length;
        Assert.DoesNotContain("skip_enrichment", Assert.Single(claim.Write(Root, new SegmentRules(MaxSegmentBytes: whole))), StringComparison.Ordinal);

        string[] parts = claim.Write(Root, new SegmentRules(MaxSegmentBytes: whole - 1));
        Assert.Equal(2, parts.Length);
        Assert.All(parts, part => Assert.Matches("^{\"flush_id\":\"[0-9a-f]{32}\",\"skip_enrichment\":true,\"spans\":\\[", part));
    }

    [Fact]
    public void Parts_are_filled_in_input_order_up_to_the_limit_and_a_larger_span_goes_alone()
    {
        var claim = new PayloadClaim();
        var random = new Random(6);
        for (int i = 0; i < 200; i++)
            claim.Add($$"""{"is_segment":true,"n":{{i}},"attributes":{},"p":"{{new string('x', i == 77 ? 5000 : random.Next(300))}}"}""", new SpanId((ulong)i));
        const int Limit = 1000;

        string[] parts = claim.Write(Root, new SegmentRules(MaxSegmentBytes: Limit));

        var numbers = new List<int>();
        var firstLengths = new List<int>();
        foreach (string part in parts)
        {
            using JsonDocument message = JsonDocument.Parse(part);
            Assert.True(message.RootElement.GetProperty("skip_enrichment").GetBoolean());
            JsonElement spans = message.RootElement.GetProperty("spans");
            firstLengths.Add(spans[0].GetRawText().Length);
            numbers.AddRange(spans.EnumerateArray().Select(span => span.GetProperty("n").GetInt32()));
            Assert.True(part.Length <= Limit || spans.GetArrayLength() == 1, $"{part.Length} bytes, {spans.GetArrayLength()} spans");
        }
        Assert.Equal(Enumerable.Range(0, 200), numbers);
        // Greedy: the first span of the next part would not have fitted.
        for (int i = 1; i < parts.Length; i++) Assert.True(parts[i - 1].Length + 1 + firstLengths[i] > Limit);
        Assert.Contains(parts, part => part.Length > 5000);
        Assert.Equal(parts.Length, parts.Select(part => part[..46]).Distinct().Count());
    }

    [Fact]
    public void A_part_may_have_exactly_the_limit()
    {
        PayloadClaim claim = new PayloadClaim().Add(Hundred, Root).Add(Hundred, Root).Add(Hundred, Root);
        int two = """{"flush_id":"","skip_enrichment":true,"spans":[,]}""".Length + 32 + 200;
        string[] parts = claim.Write(Root, new SegmentRules(MaxSegmentBytes: two));
        Assert.Equal([two, two - 101], parts.Select(part => part.Length));
        Assert.Equal(3, claim.Write(Root, new SegmentRules(MaxSegmentBytes: two - 1)).Length);
    }

    [Fact]
    public void A_single_span_over_the_limit_and_a_segment_closed_by_size_skip_enrichment()
    {
        PayloadClaim one = new PayloadClaim().Add(Hundred, Root);
        Assert.Contains("\"skip_enrichment\":true", Assert.Single(one.Write(Root, new SegmentRules(MaxSegmentBytes: 50))), StringComparison.Ordinal);
        Assert.Contains("\"skip_enrichment\":true", Assert.Single(one.Write(Root, reason: FlushReason.MaxBytes)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_size_of_irregular_payloads_counts_as_it_is_written()
    {
        const string Irregular = """{"is_segment":true,"is_segment":true,"attributes":{"a":1},"attributes":{"a":2}}""";
        var claim = new PayloadClaim();
        for (int i = 0; i < 50; i++) claim.Add(Irregular, new SpanId(99));
        Assert.All(claim.Write(Root, new SegmentRules(MaxSegmentBytes: 700)), part => Assert.InRange(part.Length, 200, 700));
    }

    [Fact]
    public void Messages_lie_behind_each_other_each_with_a_line_feed_and_say_where_they_come_from()
    {
        var trace = new TraceKey(7, new TraceId(1, 2));
        var claim = new PayloadClaim(trace, shard: 3);
        claim.Add(Hundred, Root, streamTimeMs: 100, offset: 12).Add(Hundred, new SpanId(2), 150, 11).Add(Hundred, new SpanId(3), 150, 15).Add(Hundred, new SpanId(4), 170, 14);
        var batch = new SegmentBatch();
        var writer = new SegmentWriter(new SegmentRules(MaxSegmentBytes: 300));

        Assert.Equal(2, claim.Write(writer, claim.Segment(Root, FlushReason.MaxAge, missingParents: 2), batch));
        Assert.Equal(1, new PayloadClaim().Add(Hundred, Root).Write(writer, new PayloadClaim().Add(Hundred, Root).Segment(Root), batch));

        int at = 0;
        foreach (SegmentMessage message in batch.Messages)
        {
            Assert.Equal(at, message.BodyStart);
            at += message.BodyLength + 1;
            Assert.Equal((byte)'\n', batch.Bytes.Span[at - 1]);
            Assert.Equal(message.FlushId.ToString("x32"), Encoding.ASCII.GetString(batch.BodyOf(message).Slice(13, 32)));
        }
        Assert.Equal(at, batch.Length);

        SegmentMessage first = batch.Messages[0];
        Assert.Equal(
            first with { Trace = trace, SegmentId = Root, Reason = FlushReason.MaxAge, HasRoot = true, SkipEnrichment = true, SpanCount = 2, MissingParents = 2, FirstStoredMs = 100, LastStoredMs = 150, Shard = new ShardId(3), LowestOffset = 11, HighestOffset = 12 },
            first);
        SegmentMessage second = batch.Messages[1];
        Assert.Equal(
            second with { Trace = trace, SpanCount = 2, MissingParents = 0, SkipEnrichment = true, FirstStoredMs = 150, LastStoredMs = 170, LowestOffset = 14, HighestOffset = 15 },
            second);
        Assert.False(batch.Messages[2].SkipEnrichment);
    }

    [Fact]
    public void Writing_allocates_nothing_once_it_is_warm()
    {
        var claim = new PayloadClaim();
        for (int i = 0; i < 500; i++) claim.Add(Hundred, new SpanId((ulong)i));
        ISpanBuffer buffer = claim.Buffer;
        int[] members = [.. Enumerable.Range(0, 500)];
        AssembledSegment segment = claim.Segment(Root);
        var batch = new SegmentBatch();
        var writer = new SegmentWriter(new SegmentRules(MaxSegmentBytes: 10_000));

        Assert.Equal(0, Garbage.Of(() =>
        {
            batch.Clear();
            writer.Write(buffer, claim.Batch, claim.Batch.Traces[0], segment, members, batch);
        }));
    }
}

using System.Text;
using System.Text.Json;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;

namespace Sheaf.Tests.Segments;

public class SegmentFieldsTests
{
    [Fact]
    public void The_text_is_frozen() => Assert.Equal(
        "project_id=4501;trace_id=00000000000000010000000000000002;segment_id=00000000000000ab;"
        + "flush_id=0000000000000000000000000000cafe;flush_reason=idle_timeout;has_root=false;span_count=12;"
        + "first_stored=1786000000123;last_stored=1786000060456;shard=3;"
        + "lowest_offset=40;highest_offset=5000000000;missing_parents=2",
        TextOf(Message()));

    [Fact]
    public void The_json_is_frozen() => Assert.Equal(
        """
        {"project_id":4501,"trace_id":"00000000000000010000000000000002","segment_id":"00000000000000ab",
        "flush_id":"0000000000000000000000000000cafe","flush_reason":"idle_timeout","has_root":false,"span_count":12,
        "first_stored":1786000000123,"last_stored":1786000060456,"shard":3,
        "lowest_offset":40,"highest_offset":5000000000,"missing_parents":2}
        """.ReplaceLineEndings(""),
        JsonOf(Message()));

    [Fact]
    public void Both_forms_have_the_same_names_and_values_in_the_same_order_whatever_they_are()
    {
        foreach (FlushReason reason in Enum.GetValues<FlushReason>())
        foreach (bool hasRoot in (bool[])[false, true])
        {
            SegmentMessage message = Message() with { Reason = reason, HasRoot = hasRoot };
            using JsonDocument json = JsonDocument.Parse(JsonOf(message));
            IEnumerable<string> fields = json.RootElement.EnumerateObject().Select(f => $"{f.Name}={Text(f.Value)}");
            Assert.Equal(TextOf(message), string.Join(';', fields));
        }

        static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : value.GetRawText();
    }

    [Fact]
    public void The_longest_values_have_room()
    {
        SegmentMessage longest = Message() with
        {
            Trace = new TraceKey(long.MaxValue, new TraceId(ulong.MaxValue, ulong.MaxValue)),
            SegmentId = new SpanId(ulong.MaxValue), FlushId = UInt128.MaxValue,
            Reason = Enum.GetValues<FlushReason>().MaxBy(reason => reason.Name().Length), HasRoot = false,
            SpanCount = int.MaxValue, MissingParents = int.MaxValue, Shard = new ShardId(int.MaxValue),
            FirstStoredMs = long.MinValue, LastStoredMs = long.MinValue,
            LowestOffset = long.MinValue, HighestOffset = long.MinValue,
        };
        Assert.EndsWith("=2147483647", TextOf(longest), StringComparison.Ordinal);
        Assert.EndsWith(":2147483647}", JsonOf(longest), StringComparison.Ordinal);
        foreach (string name in Enum.GetValues<FlushReason>().Select(reason => reason.Name()))
            Assert.DoesNotContain(name, c => c is ';' or '=' or '"' or '\\' || !char.IsAscii(c));
    }

    [Fact]
    public void Writing_makes_no_garbage()
    {
        SegmentMessage message = Message();
        byte[] room = new byte[SegmentFields.MostBytes];
        Assert.Equal(0, Garbage.Of(() =>
        {
            for (int i = 0; i < 100; i++) _ = SegmentFields.WriteText(message, room) + SegmentFields.WriteJson(message, room);
        }));
    }

    private static string TextOf(in SegmentMessage message)
    {
        byte[] room = new byte[SegmentFields.MostBytes];
        return Encoding.UTF8.GetString(room, 0, SegmentFields.WriteText(message, room));
    }

    private static string JsonOf(in SegmentMessage message)
    {
        byte[] room = new byte[SegmentFields.MostBytes];
        return Encoding.UTF8.GetString(room, 0, SegmentFields.WriteJson(message, room));
    }

    private static SegmentMessage Message() => new()
    {
        Trace = new TraceKey(4501, new TraceId(1, 2)), SegmentId = new SpanId(0xAB), FlushId = 0xCAFE,
        Reason = FlushReason.IdleTimeout, HasRoot = false, SkipEnrichment = false, BeginsSegment = true,
        SpanCount = 12, PayloadBytes = 3400, MissingParents = 2, Shard = new ShardId(3),
        FirstStoredMs = 1786000000123, LastStoredMs = 1786000060456, LowestOffset = 40, HighestOffset = 5_000_000_000,
        BodyStart = 0, BodyLength = 0,
    };
}

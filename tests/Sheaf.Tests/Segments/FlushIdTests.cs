using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>ARCHITECTURE.md, rule 7: the flush id comes from the content and leaves the process, so it is frozen.</summary>
public class FlushIdTests
{
    private static readonly TraceKey Trace = new(42, new TraceId(0x0123456789ABCDEF, 0xFEDCBA9876543210));
    private static readonly SpanId Root = new(0x1122334455667788);
    private const string First = """{"span_id":"1122334455667788","n":1}""";
    private const string Second = """{"span_id":"00000000000000aa","n":2}""";

    [Fact]
    public void The_id_of_known_spans_is_frozen()
    {
        Assert.Equal("52cb26b5f95fdf82d022eb659090da4f", FlushIdOf(new PayloadClaim(Trace).Add(First, Root).Add(Second, new SpanId(0xAA)), Root));
    }

    [Fact]
    public void The_id_is_the_hash_of_the_documented_layout()
    {
        byte[] layout = new byte[32 + 2 * 20];
        BinaryPrimitives.WriteInt64LittleEndian(layout, Trace.ProjectId);
        BinaryPrimitives.WriteUInt64LittleEndian(layout.AsSpan(8), Trace.TraceId.High);
        BinaryPrimitives.WriteUInt64LittleEndian(layout.AsSpan(16), Trace.TraceId.Low);
        BinaryPrimitives.WriteUInt64LittleEndian(layout.AsSpan(24), Root.Value);
        int at = 32;
        foreach ((string payload, ulong id) in new[] { (First, Root.Value), (Second, 0xAAul) })
        {
            byte[] bytes = Encoding.UTF8.GetBytes(payload);
            BinaryPrimitives.WriteUInt64LittleEndian(layout.AsSpan(at), id);
            BinaryPrimitives.WriteUInt64LittleEndian(layout.AsSpan(at + 8), XxHash3.HashToUInt64(bytes));
            BinaryPrimitives.WriteInt32LittleEndian(layout.AsSpan(at + 16), bytes.Length);
            at += 20;
        }
        Assert.Equal(
            XxHash128.HashToUInt128(layout).ToString("x32"),
            FlushIdOf(new PayloadClaim(Trace).Add(First, Root).Add(Second, new SpanId(0xAA)), Root));
    }

    [Fact]
    public void The_id_changes_with_each_thing_it_is_made_of_and_with_nothing_else()
    {
        PayloadClaim Same() => new PayloadClaim(Trace).Add(First, Root).Add(Second, new SpanId(0xAA));
        string id = FlushIdOf(Same(), Root);
        Assert.Equal(id, FlushIdOf(new PayloadClaim(Trace, shard: 5).Add(First, Root, 10, 20).Add(Second, new SpanId(0xAA), 30, 40), Root));

        string[] others =
        [
            FlushIdOf(new PayloadClaim(Trace with { ProjectId = 43 }).Add(First, Root).Add(Second, new SpanId(0xAA)), Root),
            FlushIdOf(new PayloadClaim(Trace with { TraceId = new TraceId(Trace.TraceId.High, 0) }).Add(First, Root).Add(Second, new SpanId(0xAA)), Root),
            FlushIdOf(new PayloadClaim(Trace with { TraceId = new TraceId(0, Trace.TraceId.Low) }).Add(First, Root).Add(Second, new SpanId(0xAA)), Root),
            FlushIdOf(Same(), new SpanId(0xAA)),
            FlushIdOf(new PayloadClaim(Trace).Add(Second, new SpanId(0xAA)).Add(First, Root), Root),
            FlushIdOf(new PayloadClaim(Trace).Add(First, Root), Root),
            FlushIdOf(new PayloadClaim(Trace).Add(First, Root).Add(Second, new SpanId(0xAB)), Root),
            FlushIdOf(new PayloadClaim(Trace).Add(First, Root).Add(Second.Replace('2', '3'), new SpanId(0xAA)), Root),
        ];
        Assert.Equal(others.Length + 1, others.Append(id).Distinct().Count());
    }

    private static string FlushIdOf(PayloadClaim claim, SpanId segment) => Assert.Single(claim.Write(segment)).Substring(13, 32);
}

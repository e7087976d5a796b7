using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Redis;

public class RecordNameTests
{
    [Fact]
    public void The_format_is_frozen()
    {
        TraceSpan root = Span(offset: 300, timeMs: 1_700_000_000_000, id: 0x0102030405060708, parent: 0x0102030405060708, hash: 0x1112131415161718, length: 200);
        root.IsSegmentRoot = true;
        root.LeaptMs = 3;
        root.Edits = new PayloadEdits(1, 150, IsSegmentForm.True, SegmentIdForm.Null, Irregular: false);
        TraceSpan child = Span(offset: 299, timeMs: 1_700_000_000_005, id: 0x2122232425262728, parent: 0x0102030405060708, hash: 0x3132333435363738, length: 7);
        child.Edits = new PayloadEdits(0, 5, IsSegmentForm.Absent, SegmentIdForm.AttributesAbsent, Irregular: true);

        Assert.Equal(
            "0302" + "d804" + "80a0abfef962" + "06" + "ab" + "0102030405060708" + "1817161514131211" + "c801" + "01" + "9601"
            + "01" + "0a" + "05" + "24" + "2122232425262728" + "0102030405060708" + "3837363534333231" + "07" + "00" + "05",
            Convert.ToHexStringLower(Name(root, child)));
    }

    [Fact]
    public void What_earlier_versions_have_written_is_read()
    {
        byte[] name = Convert.FromHexString(
            "0102" + "d804" + "80a0abfef962" + "ab" + "0102030405060708" + "1817161514131211" + "c801" + "01" + "9601"
            + "01" + "0a" + "24" + "2122232425262728" + "0102030405060708" + "3837363534333231" + "07" + "00" + "05");
        BufferedSpan span = default;
        RecordName.Reader reader = RecordName.Read(name);
        Assert.True(reader.TryRead(ref span, out _));
        Assert.Equal((300, 1_700_000_000_000, 0, 200), (span.SourceOffset, span.StreamTimeMs, span.LeaptMs, span.PayloadLength));
        Assert.True(reader.TryRead(ref span, out int start));
        Assert.Equal((299, 1_700_000_000_005, 0, 200), (span.SourceOffset, span.StreamTimeMs, span.LeaptMs, start));
        Assert.False(reader.TryRead(ref span, out _));
    }

    [Fact]
    public void What_was_written_is_read_whatever_the_numbers()
    {
        long[] offsets = [0, 1, -1, long.MaxValue, long.MinValue, 1L << 40];
        long[] times = [long.MinValue, 0, long.MaxValue, -5, 1_700_000_000_000];
        int[] lengths = [0, 1, 127, 128, 1 << 20];
        var random = new Random(5);
        for (int round = 0; round < 500; round++)
        {
            TraceSpan[] spans = new TraceSpan[random.Next(1, 30)];
            for (int i = 0; i < spans.Length; i++)
            {
                ulong id = (ulong)random.NextInt64();
                spans[i] = Span(offsets[random.Next(offsets.Length)], times[random.Next(times.Length)], id, random.Next(2) == 0 ? id : 9, (ulong)random.NextInt64(), lengths[random.Next(lengths.Length)]);
                spans[i].IsSegmentRoot = random.Next(2) == 0;
                spans[i].LeaptMs = times[random.Next(times.Length)];
                spans[i].Edits = new PayloadEdits(
                    random.Next(), random.Next(), (IsSegmentForm)random.Next(4), (SegmentIdForm)random.Next(6), random.Next(2) == 0);
            }
            int start = 0;
            int read = 0;
            BufferedSpan span = default;
            RecordName.Reader reader = RecordName.Read(Name(spans));
            Assert.Equal(spans.Length, reader.Count);
            for (; reader.TryRead(ref span, out int payloadStart); read++)
            {
                ref readonly TraceSpan expected = ref spans[read];
                Assert.Equal(
                    (expected.SourceOffset, expected.StreamTimeMs, expected.LeaptMs, expected.SpanId, expected.EffectiveParent, expected.PayloadHash, expected.PayloadLength, expected.Edits, expected.IsSegmentRoot, start),
                    (span.SourceOffset, span.StreamTimeMs, span.LeaptMs, span.SpanId, span.EffectiveParent, span.PayloadHash, span.PayloadLength, span.Edits, span.IsSegmentRoot, payloadStart));
                start += expected.PayloadLength;
            }
            Assert.Equal(spans.Length, read);
        }
    }

    [Fact]
    public void Gaps_say_where_the_payloads_of_the_spans_lie_that_are_left()
    {
        byte[] room = new byte[RecordName.MaxLength(2)];
        RecordName.Writer writer = RecordName.Write(room, 2, withGaps: true);
        writer.Add(new BufferedSpan { PayloadLength = 10 }, gap: 100);
        writer.Add(new BufferedSpan { PayloadLength = 20 }, gap: 7);
        BufferedSpan span = default;
        RecordName.Reader reader = RecordName.Read(room.AsSpan(0, writer.Length));
        Assert.True(reader.TryRead(ref span, out int first));
        Assert.True(reader.TryRead(ref span, out int second));
        Assert.Equal((100, 117), (first, second));
    }

    [Fact]
    public void A_name_that_is_cut_off_changed_or_too_long_is_refused_and_never_read_beyond()
    {
        byte[] name = Name(Span(1, 2, 3, 4, 5, 6), Span(2, 3, 4, 5, 6, 7));
        for (int length = 0; length < name.Length; length++) Assert.Throws<InvalidDataException>(() => ReadAll(name[..length]));
        Assert.Throws<InvalidDataException>(() => ReadAll([.. name, 0]));
        Assert.Throws<InvalidDataException>(() => ReadAll([5, .. name[1..]]));
        Assert.Throws<InvalidDataException>(() => ReadAll([1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]));
        Assert.Throws<InvalidDataException>(() => ReadAll([1, .. Enumerable.Repeat((byte)0xFF, 40)]));

        var random = new Random(3);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] changed = (byte[])name.Clone();
            changed[random.Next(changed.Length)] = (byte)random.Next(256);
            try
            {
                ReadAll(changed);
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    private static int ReadAll(byte[] name)
    {
        RecordName.Reader reader = RecordName.Read(name);
        BufferedSpan span = default;
        int count = 0;
        while (reader.TryRead(ref span, out _)) count++;
        return count;
    }

    private static byte[] Name(params ReadOnlySpan<TraceSpan> spans)
    {
        byte[] room = new byte[RecordName.MaxLength(spans.Length)];
        RecordName.Writer writer = RecordName.Write(room, spans.Length);
        foreach (ref readonly TraceSpan span in spans) writer.Add(span);
        return room[..writer.Length];
    }

    private static TraceSpan Span(long offset, long timeMs, ulong id, ulong parent, ulong hash, int length) => new()
    {
        SourceOffset = offset, StreamTimeMs = timeMs, SpanId = new SpanId(id), EffectiveParent = new SpanId(parent), PayloadHash = hash, PayloadLength = length,
    };
}

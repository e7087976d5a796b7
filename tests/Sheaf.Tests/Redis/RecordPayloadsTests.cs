using System.Text;
using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Redis;

public class RecordPayloadsTests
{
    private static readonly string Compressible = string.Concat(Enumerable.Repeat("{\"name\":\"GET /products\"}", 40));

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, 1)]
    [InlineData(19, 1)]
    public void Payloads_come_back_byte_for_byte_compressed_or_not(int level, byte kind)
    {
        using var payloads = new RecordPayloads(level);
        byte[] value = Write(payloads, Compressible, "", "second");
        Assert.Equal(kind, value[0]);
        Assert.Equal(level < 0, value.Length > Compressible.Length);
        Assert.Equal(Compressible + "second", Read(payloads, value));
    }

    [Fact]
    public void Plain_and_compressed_values_are_read_whatever_is_written_now()
    {
        using var plain = new RecordPayloads(-1);
        using var compressing = new RecordPayloads(3);
        Assert.Equal(Compressible, Read(plain, Write(compressing, Compressible)));
        Assert.Equal(Compressible, Read(compressing, Write(plain, Compressible)));
    }

    [Fact]
    public void What_compression_would_make_larger_stays_as_it_is()
    {
        using var payloads = new RecordPayloads(19);
        byte[] noise = new byte[500];
        new Random(1).NextBytes(noise);
        byte[] value = Write(payloads, noise);
        Assert.Equal([0, .. noise], value);
        Assert.Equal(0, Write(payloads, "short")[0]);
    }

    [Fact]
    public void A_damaged_value_is_refused()
    {
        using var payloads = new RecordPayloads(0);
        byte[] value = Write(payloads, Compressible);
        Assert.Throws<InvalidDataException>(() => RecordPayloads.LengthOf([]));
        Assert.Throws<InvalidDataException>(() => RecordPayloads.LengthOf([2, 0, 0, 0, 0, 0]));
        Assert.Throws<InvalidDataException>(() => RecordPayloads.LengthOf(value.AsSpan(0, 4)));
        Assert.Throws<InvalidDataException>(() => Read(payloads, value[..^3]));
        value[1]++;
        Assert.Throws<InvalidDataException>(() => Read(payloads, value));
    }

    private static byte[] Write(RecordPayloads payloads, params string[] texts) => Write(payloads, [.. texts.Select(Encoding.UTF8.GetBytes)]);

    private static byte[] Write(RecordPayloads payloads, params byte[][] texts)
    {
        var batch = new SpanBatch(new ShardId(0));
        byte[] block = [.. texts.SelectMany(t => t)];
        batch.Reset(block);
        int start = 0;
        foreach (byte[] text in texts)
        {
            batch.Add() = new TraceSpan { PayloadStart = start, PayloadLength = text.Length };
            start += text.Length;
        }
        var command = new RespBatch();
        command.Begin(1, HashSlot.Any);
        payloads.Write(batch, 0, [.. Enumerable.Range(1, texts.Length - 1), -1], block.Length, command);

        // "*1\r\n$LENGTH\r\nVALUE\r\n"
        ReadOnlySpan<byte> word = command.Bytes.Span[4..^2];
        return word[(word.IndexOf((byte)'\n') + 1)..].ToArray();
    }

    private static string Read(RecordPayloads payloads, byte[] value)
    {
        int length = RecordPayloads.LengthOf(value);
        if (RecordPayloads.TryGetPlain(value, out int start)) return Encoding.UTF8.GetString(value, start, length);
        byte[] room = new byte[length];
        payloads.Decompress(value, room);
        return Encoding.UTF8.GetString(room);
    }
}

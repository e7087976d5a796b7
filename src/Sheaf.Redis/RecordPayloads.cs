using System.Buffers.Binary;
using Sheaf.Buffering;
using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>
/// The payloads of a record: one behind the other as they came, or compressed with zstd. Which of the two each value says itself, so that records of either kind can be
/// read whatever is written now. Owner: one client at a time.
/// </summary>
/// <remarks>Format, frozen: a byte 0 and the payloads, or a byte 1, their length (4 bytes, little-endian) and a zstd frame.</remarks>
internal sealed class RecordPayloads(int level) : IDisposable
{
    private const byte Plain = 0;
    private const byte Compressed = 1;
    private const int CompressedHead = 5;
    private const int WorthCompressing = 128;

    private byte[] _plain = [];
    private byte[] _value = [];
    private Zstd? _zstd;

    /// <summary>Adds the value for these payloads of a batch to a command.</summary>
    /// <param name="first">The record's first span; the others follow in <paramref name="next"/>, until -1.</param>
    public void Write(SpanBatch batch, int first, ReadOnlySpan<int> next, int payloadBytes, RespBatch into)
    {
        if (level == RedisBufferOptions.NotCompressed || payloadBytes < WorthCompressing)
        {
            Copy(batch, first, next, into.AddUninitialized(1 + payloadBytes));
            return;
        }
        if (_plain.Length < 1 + payloadBytes) _plain = GC.AllocateUninitializedArray<byte>(Math.Max(1 + payloadBytes, 2 * _plain.Length));
        Span<byte> plain = _plain.AsSpan(0, 1 + payloadBytes);
        Copy(batch, first, next, plain);
        _zstd ??= new Zstd(compresses: true);
        int most = CompressedHead + Zstd.MaxLength(payloadBytes);
        if (_value.Length < most) _value = GC.AllocateUninitializedArray<byte>(Math.Max(most, 2 * _value.Length));
        int compressed = _zstd.Compress(plain[1..], _value.AsSpan(CompressedHead), level);
        if (compressed == 0)
        {
            into.Add(plain);
            return;
        }
        _value[0] = Compressed;
        BinaryPrimitives.WriteInt32LittleEndian(_value.AsSpan(1), payloadBytes);
        into.Add(_value.AsSpan(0, CompressedHead + compressed));
    }

    private static void Copy(SpanBatch batch, int first, ReadOnlySpan<int> next, Span<byte> destination)
    {
        destination[0] = Plain;
        destination = destination[1..];
        for (int i = first; i >= 0; i = next[i])
        {
            ReadOnlySpan<byte> payload = batch.PayloadOf(batch.Spans[i]);
            payload.CopyTo(destination);
            destination = destination[payload.Length..];
        }
    }

    /// <summary>How many bytes of payloads a value holds.</summary>
    /// <exception cref="InvalidDataException">It is no such value, or one of a later version.</exception>
    public static int LengthOf(ReadOnlySpan<byte> value) => value switch
    {
        [Plain, ..] => value.Length - 1,
        [Compressed, _, _, _, _, ..] when BinaryPrimitives.ReadInt32LittleEndian(value[1..]) is >= 0 and var length => length,
        _ => throw new InvalidDataException($"a record's payloads of {value.Length} bytes are none that this version of Sheaf reads"),
    };

    /// <summary>The payloads where they lie in a value; false where they have to be decompressed first.</summary>
    public static bool TryGetPlain(ReadOnlySpan<byte> value, out int start)
    {
        start = 1;
        return value[0] == Plain;
    }

    /// <summary>Decompresses a value into room of <see cref="LengthOf"/> bytes.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public void Decompress(ReadOnlySpan<byte> value, Span<byte> destination)
    {
        _zstd ??= new Zstd(compresses: level != RedisBufferOptions.NotCompressed);
        _zstd.Decompress(value[CompressedHead..], destination);
    }

    public void Dispose() => _zstd?.Dispose();
}

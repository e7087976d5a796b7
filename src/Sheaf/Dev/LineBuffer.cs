using System.Buffers.Text;
using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>Bytes of lines in the making. Reserve room for a line once, then append to it. One thread.</summary>
internal sealed class LineBuffer(int capacity)
{
    private byte[] _bytes = new byte[capacity];

    public int Length { get; private set; }

    /// <summary>What was appended; valid until the next <see cref="Reserve"/> or <see cref="Clear"/>.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Clear() => Length = 0;

    /// <summary>Makes room for at least <paramref name="size"/> more bytes.</summary>
    public void Reserve(int size)
    {
        if (_bytes.Length - Length < size) Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, Length + size));
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.AsSpan(Length));
        Length += bytes.Length;
    }

    public void Append(long number)
    {
        Utf8Formatter.TryFormat(number, _bytes.AsSpan(Length), out int written);
        Length += written;
    }

    public void Append(SpanId id)
    {
        id.WriteTo(_bytes.AsSpan(Length));
        Length += SpanId.TextLength;
    }

    public void Append(TraceId id)
    {
        id.WriteTo(_bytes.AsSpan(Length));
        Length += TraceId.TextLength;
    }

    /// <summary>Seconds with six decimals.</summary>
    public void AppendSeconds(long microseconds)
    {
        (long seconds, long fraction) = Math.DivRem(microseconds, 1_000_000);
        Append(seconds);
        Span<byte> digits = _bytes.AsSpan(Length, 7);
        digits[0] = (byte)'.';
        for (int i = 6; i > 0; i--)
        {
            (fraction, long digit) = Math.DivRem(fraction, 10);
            digits[i] = (byte)('0' + digit);
        }
        Length += 7;
    }
}

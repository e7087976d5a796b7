using System.Globalization;

namespace Sheaf.Spans;

/// <summary>64-bit id of a span: 16 hex digits on the wire, any case in, lower case out.</summary>
/// <param name="Value">The id, big-endian: the first digit is the highest nibble.</param>
public readonly record struct SpanId(ulong Value) : IComparable<SpanId>
{
    /// <summary>Length of the text form, in bytes.</summary>
    public const int TextLength = 16;

    /// <summary>Reads exactly 16 hex digits. False, and no exception, for anything else.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, out SpanId id)
    {
        if (utf8.Length == TextLength && Hex.TryReadUInt64(utf8, out ulong value))
        {
            id = new SpanId(value);
            return true;
        }
        id = default;
        return false;
    }

    /// <summary>Writes 16 lower-case hex digits. <paramref name="destination"/> must have room for them.</summary>
    public void WriteTo(Span<byte> destination) => Hex.WriteUInt64(Value, destination);

    public int CompareTo(SpanId other) => Value.CompareTo(other.Value);

    public override string ToString() => Value.ToString("x16", CultureInfo.InvariantCulture);

    public static bool operator <(SpanId left, SpanId right) => left.Value < right.Value;
    public static bool operator >(SpanId left, SpanId right) => left.Value > right.Value;
    public static bool operator <=(SpanId left, SpanId right) => left.Value <= right.Value;
    public static bool operator >=(SpanId left, SpanId right) => left.Value >= right.Value;
}

using System.Globalization;

namespace Sheaf.Spans;

/// <summary>128-bit id of a trace: 32 hex digits on the wire, dashes allowed anywhere between them (a UUID), lower case without dashes out.</summary>
/// <param name="High">The first 16 digits.</param>
/// <param name="Low">The last 16 digits.</param>
public readonly record struct TraceId(ulong High, ulong Low)
{
    /// <summary>Length of the text form, in bytes.</summary>
    public const int TextLength = 32;

    /// <summary>Reads 32 hex digits, skipping dashes. False, and no exception, for anything else.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, out TraceId id)
    {
        id = default;
        if (utf8.Length != TextLength)
        {
            // Dashed, or wrong. A UUID has four dashes; more than that many in front of every digit is not an id.
            if (utf8.Length is < TextLength or > 2 * TextLength) return false;
            Span<byte> digits = stackalloc byte[TextLength];
            int count = 0;
            foreach (byte b in utf8)
            {
                if (b == (byte)'-') continue;
                if (count == TextLength) return false;
                digits[count++] = b;
            }
            return count == TextLength && TryParse(digits, out id);
        }
        if (!Hex.TryReadUInt64(utf8[..16], out ulong high) || !Hex.TryReadUInt64(utf8[16..], out ulong low)) return false;
        id = new TraceId(high, low);
        return true;
    }

    /// <summary>Writes 32 lower-case hex digits. <paramref name="destination"/> must have room for them.</summary>
    public void WriteTo(Span<byte> destination)
    {
        Hex.WriteUInt64(High, destination);
        Hex.WriteUInt64(Low, destination[16..]);
    }

    public override string ToString() =>
        High.ToString("x16", CultureInfo.InvariantCulture) + Low.ToString("x16", CultureInfo.InvariantCulture);
}

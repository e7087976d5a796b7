using System.Buffers;
using System.Text;

namespace Sheaf.Spans;

/// <summary>The inside of JSON strings. Stateless; the slow ways, for what is rare.</summary>
internal static class JsonText
{
    /// <summary>The four bytes of white space.</summary>
    public static bool IsWhiteSpace(byte b) => b is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';

    /// <summary>
    /// Length of the escape that the text begins with (its backslash is not looked at): 2 or 6; 0 where it is none; -1 where the text ends
    /// inside it.
    /// </summary>
    public static int EscapeLength(ReadOnlySpan<byte> text)
    {
        if (text.Length < 2) return -1;
        switch (text[1])
        {
            case (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t':
                return 2;
            case (byte)'u':
                for (int i = 2; i < 6; i++)
                {
                    if (i == text.Length) return -1;
                    if (!char.IsAsciiHexDigit((char)text[i])) return 0;
                }
                return 6;
            default:
                return 0;
        }
    }

    /// <summary>Whether the escape that the text begins with is half a surrogate pair.</summary>
    public static bool IsSurrogate(ReadOnlySpan<byte> escape) =>
        escape[1] == 'u' && (escape[2] | 0x20) == 'd' && escape[3] >= '8';

    /// <summary>Whether the text begins with a whole surrogate pair, as two escapes.</summary>
    public static bool IsSurrogatePair(ReadOnlySpan<byte> text) =>
        text.Length >= 12 && IsSurrogate(text) && !IsLowSurrogate(text)
        && text[6] == '\\' && EscapeLength(text[6..]) == 6 && IsSurrogate(text[6..]) && IsLowSurrogate(text[6..]);

    private static bool IsLowSurrogate(ReadOnlySpan<byte> surrogate) => (surrogate[3] | 0x20) >= 'c';

    /// <summary>
    /// Unescapes the inside of a string whose escapes are valid. False when it is longer than <paramref name="destination"/>: no key and no id that
    /// is looked for. A lone surrogate becomes U+FFFD.
    /// </summary>
    public static bool TryUnescape(ReadOnlySpan<byte> inside, Span<byte> destination, out int written)
    {
        written = 0;
        while (!inside.IsEmpty)
        {
            if (inside[0] != (byte)'\\')
            {
                if (written == destination.Length) return false;
                destination[written++] = inside[0];
                inside = inside[1..];
                continue;
            }
            Rune rune = ReadEscape(ref inside);
            if (destination.Length - written < rune.Utf8SequenceLength) return false;
            written += rune.EncodeToUtf8(destination[written..]);
        }
        return true;
    }

    /// <summary>Whether the text behind the escapes, however long it is, has a character other than these.</summary>
    public static bool ContainsAnyExcept(ReadOnlySpan<byte> inside, SearchValues<byte> values)
    {
        while (!inside.IsEmpty)
        {
            if (inside[0] != (byte)'\\')
            {
                if (!values.Contains(inside[0])) return true;
                inside = inside[1..];
                continue;
            }
            Rune rune = ReadEscape(ref inside);
            if (!rune.IsAscii || !values.Contains((byte)rune.Value)) return true;
        }
        return false;
    }

    private static Rune ReadEscape(ref ReadOnlySpan<byte> inside)
    {
        byte kind = inside[1];
        if (kind != (byte)'u')
        {
            inside = inside[2..];
            return new Rune(kind switch
            {
                (byte)'b' => '\b',
                (byte)'f' => '\f',
                (byte)'n' => '\n',
                (byte)'r' => '\r',
                (byte)'t' => '\t',
                _ => (char)kind,
            });
        }
        char unit = ReadUnit(inside);
        inside = inside[6..];
        if (!char.IsSurrogate(unit)) return new Rune(unit);
        if (inside.Length >= 6 && inside[0] == (byte)'\\' && inside[1] == (byte)'u' && Rune.TryCreate(unit, ReadUnit(inside), out Rune pair))
        {
            inside = inside[6..];
            return pair;
        }
        return Rune.ReplacementChar;
    }

    private static char ReadUnit(ReadOnlySpan<byte> escape)
    {
        int unit = 0;
        foreach (byte digit in escape[2..6]) unit = (unit << 4) | Hex.Digit(digit);
        return (char)unit;
    }
}

using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Numerics;
using System.Runtime.Intrinsics;

namespace Sheaf.Spans;

/// <summary>Numbers of JSON. Stateless, exact, without allocation.</summary>
internal static class JsonNumber
{
    /// <summary>Latest <c>received</c>: the end of the year 9999, in seconds since 1970.</summary>
    public const long MaxSeconds = 253_402_300_799;

    /// <summary>Whether the text at <paramref name="at"/> is a number as RFC 8259 has it, no more and no less.</summary>
    /// <param name="available">Bytes that may be read from <paramref name="at"/>, at least <paramref name="length"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsNumber(ref byte at, int length, int available)
    {
        if (Vector256.IsHardwareAccelerated && length < 32 && available >= 32)
        {
            Vector256<byte> digits = Vector256.LoadUnsafe(ref at) - Vector256.Create((byte)'0');
            uint others = ~Vector256.LessThanOrEqual(digits, Vector256.Create((byte)9)).ExtractMostSignificantBits() & ((1u << length) - 1);
            if (others == 0) return at != (byte)'0' ? length > 0 : length == 1;
            int point = BitOperations.TrailingZeroCount(others);
            if ((others & (others - 1)) == 0 && Unsafe.Add(ref at, point) == (byte)'.')
            {
                return point != 0 && point != length - 1 && (at != (byte)'0' || point == 1);
            }
        }
        ReadOnlySpan<byte> text = MemoryMarshal.CreateReadOnlySpan(ref at, length);
        return Length(text) == length;
    }

    /// <summary>
    /// Length of the number that the text begins with; 0 where there is none; <c>~n</c> (negative) where the byte at <c>n</c>, or the end of the
    /// text, breaks it off.
    /// </summary>
    public static int Length(ReadOnlySpan<byte> text)
    {
        int at = text.Length > 0 && text[0] == (byte)'-' ? 1 : 0;
        int digits = Digits(text[at..]);
        if (digits == 0) return at == 0 && text.Length > 0 ? 0 : ~at;
        if (digits > 1 && text[at] == (byte)'0') return ~(at + 1);
        at += digits;
        if (at < text.Length && text[at] == (byte)'.')
        {
            digits = Digits(text[++at..]);
            if (digits == 0) return ~at;
            at += digits;
        }
        if (at < text.Length && (text[at] | 0x20) == 'e')
        {
            at++;
            if (at < text.Length && text[at] is (byte)'+' or (byte)'-') at++;
            digits = Digits(text[at..]);
            if (digits == 0) return ~at;
            at += digits;
        }
        return at;
    }

    /// <summary>Reads a number that is written as an integer from 0 to <paramref name="max"/>.</summary>
    public static bool TryReadInteger(ReadOnlySpan<byte> number, long max, out long value)
    {
        value = 0;
        if (number[0] == (byte)'-') return number.Length == 2 && number[1] == (byte)'0';
        if (number.Length > 19) return false;
        ulong sum = 0; // 19 digits are less than 2^64
        foreach (byte b in number)
        {
            uint digit = b - (uint)'0';
            if (digit > 9) return false;
            sum = (sum * 10) + digit;
        }
        value = (long)sum;
        return sum <= (ulong)max;
    }

    /// <summary>Reads seconds from 0 to <see cref="MaxSeconds"/> as milliseconds, the rest cut off. Exact for any way to write them.</summary>
    public static bool TryReadMilliseconds(ReadOnlySpan<byte> number, out long milliseconds)
    {
        const long Max = MaxSeconds * 1000;
        milliseconds = 0;
        bool negative = number[0] == (byte)'-';
        if (negative) number = number[1..];
        long exponent = 0;
        int integerDigits = -1;
        int length = number.Length;
        for (int i = 0; i < number.Length; i++)
        {
            if (number[i] == (byte)'.')
            {
                integerDigits = i;
            }
            else if ((number[i] | 0x20) == 'e')
            {
                exponent = Exponent(number[(i + 1)..]);
                length = i;
                break;
            }
        }
        if (integerDigits < 0) integerDigits = length;

        // The number is its digits with a point somewhere; the milliseconds are the digits in front of the point moved on by three.
        long whole = integerDigits + exponent + 3;
        long position = 0;
        long sum = 0;
        bool rest = false;
        foreach (byte b in number[..length])
        {
            if (b == (byte)'.') continue;
            int digit = b - '0';
            if (position++ >= whole)
            {
                rest |= digit != 0;
            }
            else
            {
                sum = (sum * 10) + digit;
                if (sum > Max) return false;
            }
        }
        for (; position < whole && sum != 0; position++)
        {
            sum *= 10;
            if (sum > Max) return false;
        }
        if ((sum == Max && rest) || (negative && (rest || sum != 0))) return false;
        milliseconds = sum;
        return true;
    }

    /// <summary>Whether a number fits a 64-bit float.</summary>
    public static bool IsFinite(ReadOnlySpan<byte> number)
    {
        // 308 digits are below the largest float whatever they are.
        if (number.Length <= 308 && !number.ContainsAny((byte)'e', (byte)'E')) return true;
        return double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value);
    }

    private static long Exponent(ReadOnlySpan<byte> text)
    {
        const long Saturated = 1L << 40; // beyond the digits that any message has room for
        bool negative = text[0] == (byte)'-';
        if (text[0] is (byte)'-' or (byte)'+') text = text[1..];
        long value = 0;
        foreach (byte b in text) value = Math.Min((value * 10) + (b - '0'), Saturated);
        return negative ? -value : value;
    }

    private static int Digits(ReadOnlySpan<byte> text)
    {
        int end = text.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return end < 0 ? text.Length : end;
    }
}

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

    /// <summary>
    /// Length of the number that begins at <paramref name="at"/>; 0 or less where there is none that a 64-bit float holds.
    /// What follows it is the caller's to judge.
    /// </summary>
    /// <param name="available">Bytes that may be read.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Length(ref byte at, int available)
    {
        if (Vector256.IsHardwareAccelerated && available >= 32)
        {
            // Digits, maybe a point and more digits, told from one load. Signs, exponents and very long numbers take the slow way.
            Vector256<byte> values = Vector256.LoadUnsafe(ref at) - Vector256.Create((byte)'0');
            uint digits = Vector256.LessThan(values, Vector256.Create((byte)10)).ExtractMostSignificantBits();
            int length = BitOperations.TrailingZeroCount(~digits);
            if (length is > 0 and < 31 && (at != (byte)'0' || length == 1))
            {
                byte next = Unsafe.Add(ref at, length);
                if (next == '.')
                {
                    int decimals = BitOperations.TrailingZeroCount(~(digits >> (length + 1)));
                    length += 1 + decimals;
                    next = decimals > 0 && length < 32 ? Unsafe.Add(ref at, length) : (byte)'e';
                }
                if ((next | 0x20) != 'e') return length;
            }
        }
        ReadOnlySpan<byte> text = MemoryMarshal.CreateReadOnlySpan(ref at, available);
        int slow = Length(text);
        return slow > 0 && !IsFinite(text[..slow]) ? 0 : slow;
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

    /// <summary>Whether a number is below 0.</summary>
    public static bool IsNegative(ReadOnlySpan<byte> number)
    {
        if (number[0] != (byte)'-') return false;
        int exponent = number.IndexOfAny((byte)'e', (byte)'E');
        return (exponent < 0 ? number : number[..exponent]).ContainsAnyInRange((byte)'1', (byte)'9');
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
        if (TryReadPlain(number, out milliseconds)) return true;
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

    /// <summary>The usual way to write a time: up to 11 digits, a point, at least three digits, no sign and no exponent.</summary>
    private static bool TryReadPlain(ReadOnlySpan<byte> number, out long milliseconds)
    {
        milliseconds = 0;
        long sum = 0;
        int at = 0;
        for (uint digit; at < 12 && at < number.Length && (digit = number[at] - (uint)'0') <= 9; at++) sum = (sum * 10) + digit;
        if (at is 0 or 12 || number.Length - at < 4 || number[at] != '.') return false;
        for (int end = at + 4; ++at < end;)
        {
            uint digit = number[at] - (uint)'0';
            if (digit > 9) return false;
            sum = (sum * 10) + digit;
        }
        for (; at < number.Length; at++)
        {
            if (number[at] - (uint)'0' > 9) return false;
        }
        milliseconds = sum;
        return true;
    }

    /// <summary>Whether a number fits a 64-bit float.</summary>
    public static bool IsFinite(ReadOnlySpan<byte> number)
    {
        // 308 digits are below the largest float whatever they are, and so are 200 with an exponent of one or two.
        int exponent = number.IndexOfAny((byte)'e', (byte)'E');
        if (exponent < 0 && number.Length <= 308) return true;
        if (exponent is > 0 and <= 200 && (number.Length - exponent <= 3 || number[exponent + 1] == '-')) return true;
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

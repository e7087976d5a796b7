using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sheaf.Spans;

/// <summary>Hex digits of ids. Stateless.</summary>
internal static class Hex
{
    /// <summary>Reads exactly 16 hex digits of either case; false for any other byte.</summary>
    public static bool TryReadUInt64(ReadOnlySpan<byte> digits, out ulong value)
    {
        value = 0;
        if (digits.Length != 16) return false;
        Vector128<byte> text = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(digits));
        Vector128<byte> decimals = text - Vector128.Create((byte)'0');
        Vector128<byte> letters = (text | Vector128.Create((byte)0x20)) - Vector128.Create((byte)'a');
        Vector128<byte> isDecimal = Vector128.LessThan(decimals, Vector128.Create((byte)10));
        Vector128<byte> isLetter = Vector128.LessThan(letters, Vector128.Create((byte)6));
        if ((isDecimal | isLetter) != Vector128<byte>.AllBitsSet) return false;
        Vector128<byte> nibbles = Vector128.ConditionalSelect(isDecimal, decimals, letters + Vector128.Create((byte)10));
        // Two neighbours are one 16-bit lane, the first digit in its low byte (little-endian) and worth 16.
        Vector128<ushort> pairs = nibbles.AsUInt16();
        Vector128<ushort> bytes = ((pairs << 4) | (pairs >> 8)) & Vector128.Create((ushort)0xFF);
        value = BinaryPrimitives.ReverseEndianness(Vector128.Narrow(bytes, bytes).AsUInt64().ToScalar());
        return true;
    }

    /// <summary>All hex digits, of either case.</summary>
    public static readonly SearchValues<byte> Digits = SearchValues.Create("0123456789abcdefABCDEF"u8);

    /// <summary>The same and the dash, which may stand in a trace id.</summary>
    public static readonly SearchValues<byte> DigitsAndDash = SearchValues.Create("0123456789abcdefABCDEF-"u8);

    /// <summary>Value of one hex digit of either case; anything else is not to be asked.</summary>
    public static int Digit(byte digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

    /// <summary>Writes 16 lower-case hex digits.</summary>
    public static void WriteUInt64(ulong value, Span<byte> destination) =>
        Utf8Formatter.TryFormat(value, destination[..16], out _, new StandardFormat('x', 16));
}

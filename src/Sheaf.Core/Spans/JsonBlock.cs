using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Sheaf.Spans;

/// <summary>
/// 64 bytes of a JSON text as bitmaps: bit n speaks of byte n. Stateless. Uses the widest vectors that the processor has; right, if slow, on
/// one that has none.
/// </summary>
internal static class JsonBlock
{
    /// <summary>Bytes in a block.</summary>
    public const int Size = 64;

    // An operator with bit 5 set, looked up by its low four bits: ':' = 3A, '{' and '[' = 7B, ',' = 2C, '}' and ']' = 7D.
    private static Vector128<byte> OperatorsByLowNibble => Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3A, 0x7B, 0x2C, 0x7D, 0, 0);

    /// <summary>Classifies a block.</summary>
    /// <param name="operators">
    /// <c>{ } [ ] : ,</c> and, on some processors, a few control characters: <paramref name="unusual"/> tells them apart.
    /// </param>
    /// <param name="spaces">Only the space; other white space is <paramref name="unusual"/>.</param>
    /// <param name="unusual">Control characters (below 0x20) and bytes above 0x7F: look closer.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Classify(
        ref byte block, out ulong quotes, out ulong backslashes, out ulong operators, out ulong spaces, out ulong unusual)
    {
        if (Vector512.IsHardwareAccelerated && Avx512BW.IsSupported)
        {
            Vector512<byte> all = Vector512.LoadUnsafe(ref block);
            Vector512<byte> table = Vector512.Create(Vector256.Create(OperatorsByLowNibble, OperatorsByLowNibble), Vector256.Create(OperatorsByLowNibble, OperatorsByLowNibble));
            quotes = Vector512.Equals(all, Vector512.Create((byte)'"')).ExtractMostSignificantBits();
            backslashes = Vector512.Equals(all, Vector512.Create((byte)'\\')).ExtractMostSignificantBits();
            operators = Vector512.Equals(all | Vector512.Create((byte)0x20), Avx512BW.Shuffle(table, all)).ExtractMostSignificantBits();
            spaces = Vector512.Equals(all, Vector512.Create((byte)' ')).ExtractMostSignificantBits();
            unusual = Vector512.LessThan(all.AsSByte(), Vector512.Create((sbyte)0x20)).ExtractMostSignificantBits();
        }
        else if (Avx2.IsSupported)
        {
            Vector256<byte> low = Vector256.LoadUnsafe(ref block);
            Vector256<byte> high = Vector256.LoadUnsafe(ref block, 32);
            Vector256<byte> table = Vector256.Create(OperatorsByLowNibble, OperatorsByLowNibble);
            Vector256<byte> bit5 = Vector256.Create((byte)0x20);
            quotes = Bits(Vector256.Equals(low, Vector256.Create((byte)'"')), Vector256.Equals(high, Vector256.Create((byte)'"')));
            backslashes = Bits(Vector256.Equals(low, Vector256.Create((byte)'\\')), Vector256.Equals(high, Vector256.Create((byte)'\\')));
            operators = Bits(Vector256.Equals(low | bit5, Avx2.Shuffle(table, low)), Vector256.Equals(high | bit5, Avx2.Shuffle(table, high)));
            spaces = Bits(Vector256.Equals(low, bit5), Vector256.Equals(high, bit5));
            unusual = Bits(
                Vector256.LessThan(low.AsSByte(), bit5.AsSByte()).AsByte(), Vector256.LessThan(high.AsSByte(), bit5.AsSByte()).AsByte());
        }
        else
        {
            quotes = Equal(ref block, (byte)'"');
            backslashes = Equal(ref block, (byte)'\\');
            operators = 0;
            unusual = 0;
            for (int i = 0; i < Size; i += 16)
            {
                Vector128<byte> bytes = Vector128.LoadUnsafe(ref block, (nuint)i);
                Vector128<byte> folded = bytes | Vector128.Create((byte)0x20);
                Vector128<byte> isOperator =
                    Vector128.Equals(folded, Vector128.Create((byte)'{')) | Vector128.Equals(folded, Vector128.Create((byte)'}'))
                    | Vector128.Equals(bytes, Vector128.Create((byte)':')) | Vector128.Equals(bytes, Vector128.Create((byte)','));
                operators |= (ulong)isOperator.ExtractMostSignificantBits() << i;
                unusual |= (ulong)Vector128.LessThan(bytes.AsSByte(), Vector128.Create((sbyte)0x20)).ExtractMostSignificantBits() << i;
            }
            spaces = Equal(ref block, (byte)' ');
        }
    }

    /// <summary>Where a block has this byte.</summary>
    public static ulong Equal(ref byte block, byte value)
    {
        ulong found = 0;
        for (int i = 0; i < Size; i += 16)
        {
            Vector128<byte> bytes = Vector128.LoadUnsafe(ref block, (nuint)i);
            found |= (ulong)Vector128.Equals(bytes, Vector128.Create(value)).ExtractMostSignificantBits() << i;
        }
        return found;
    }

    /// <summary>Where a block has bytes above 0x7F.</summary>
    public static ulong NonAscii(ref byte block)
    {
        ulong found = 0;
        for (int i = 0; i < Size; i += 16)
        {
            found |= (ulong)Vector128.LoadUnsafe(ref block, (nuint)i).ExtractMostSignificantBits() << i;
        }
        return found;
    }

    /// <summary>Bit n is the parity of bits 0 to n: from the quotes to what stands between them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong PrefixXor(ulong bits)
    {
        if (Pclmulqdq.IsSupported)
        {
            return Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar(bits), Vector128<ulong>.AllBitsSet, 0).ToScalar();
        }
        bits ^= bits << 1;
        bits ^= bits << 2;
        bits ^= bits << 4;
        bits ^= bits << 8;
        bits ^= bits << 16;
        return bits ^ (bits << 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bits(Vector256<byte> low, Vector256<byte> high) =>
        low.ExtractMostSignificantBits() | ((ulong)high.ExtractMostSignificantBits() << 32);
}

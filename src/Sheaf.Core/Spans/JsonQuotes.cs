using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Unicode;

namespace Sheaf.Spans;

/// <summary>
/// First stage of the parser: a bit for every byte of a JSON text, set where an unescaped quote is, so that the second stage finds the end of a
/// string by counting zeros. On the way it checks what concerns the inside of strings: escapes, control characters, UTF-8. Works on 64
/// bytes at once, as simdjson does (Langdale, Lemire: "Parsing gigabytes of JSON per second"). Owner: one <see cref="JsonSpanParser"/>.
/// </summary>
internal sealed class JsonQuotes
{
    private const int BlockSize = 64;
    private const int Sentinels = 2;
    private const int LargestKept = 1 << 17; // 1 MB: what one giant message needed is not kept for good

    private ulong[] _bits = new ulong[1024];

    /// <summary>The text has a backslash: keys and ids may have to be unescaped.</summary>
    public bool HasEscapes { get; private set; }

    /// <summary>
    /// Bit n of the little-endian bytes speaks of byte n of the text. At least 16 bytes of ones follow, so that every search ends.
    /// </summary>
    public ref byte Bits => ref Unsafe.As<ulong, byte>(ref MemoryMarshal.GetArrayDataReference(_bits));

    /// <summary>Reads a text. False when it cannot be JSON; what is wrong with it, and where, <see cref="JsonGrammar"/> knows.</summary>
    public bool TryRead(ReadOnlySpan<byte> text)
    {
        int blocks = (text.Length + BlockSize - 1) / BlockSize;
        int words = blocks + Sentinels;
        if (_bits.Length < words || _bits.Length > LargestKept) _bits = new ulong[Math.Max(1024, words)];
        ref ulong bits = ref MemoryMarshal.GetArrayDataReference(_bits);
        ref byte start = ref MemoryMarshal.GetReference(text);

        var state = new State();
        int whole = text.Length / BlockSize;
        for (int i = 0; i < whole; i++)
        {
            if (!TryReadBlock(ref Unsafe.Add(ref start, i * BlockSize), text, i * BlockSize, ref state, out Unsafe.Add(ref bits, i))) return false;
        }
        if (whole < blocks && !TryReadTail(text, whole * BlockSize, ref state, out Unsafe.Add(ref bits, whole))) return false;
        _bits.AsSpan(blocks, Sentinels).Fill(ulong.MaxValue);
        HasEscapes = state.HasEscapes;
        return !state.HasNonAscii || Utf8.IsValid(text);
    }

    /// <summary>The text is a part of something larger, or ends where memory does: nothing behind it is read.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryReadTail(ReadOnlySpan<byte> text, int offset, ref State state, out ulong quotes)
    {
        Span<byte> tail = stackalloc byte[BlockSize];
        tail.Fill((byte)' ');
        text[offset..].CopyTo(tail);
        return TryReadBlock(ref MemoryMarshal.GetReference(tail), text, offset, ref state, out quotes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryReadBlock(ref byte block, ReadOnlySpan<byte> text, int offset, ref State state, out ulong quotes)
    {
        Classify(ref block, out quotes, out ulong backslashes, out ulong unusual);
        if ((backslashes | state.EscapedBefore) != 0 && !TryEscape(text, offset, backslashes, ref quotes, ref state)) return false;
        if (unusual != 0 && !TryUnusual(ref block, unusual, quotes, ref state)) return false;
        state.QuotesBefore += (uint)BitOperations.PopCount(quotes);
        return true;
    }

    /// <param name="unusual">Control characters (below 0x20) and bytes above 0x7F, as signed bytes all of those below the space.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Classify(ref byte block, out ulong quotes, out ulong backslashes, out ulong unusual)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<byte> all = Vector512.LoadUnsafe(ref block);
            quotes = Vector512.Equals(all, Vector512.Create((byte)'"')).ExtractMostSignificantBits();
            backslashes = Vector512.Equals(all, Vector512.Create((byte)'\\')).ExtractMostSignificantBits();
            unusual = Vector512.LessThan(all.AsSByte(), Vector512.Create((sbyte)' ')).ExtractMostSignificantBits();
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Vector256<byte> low = Vector256.LoadUnsafe(ref block);
            Vector256<byte> high = Vector256.LoadUnsafe(ref block, 32);
            quotes = Bits256(Vector256.Equals(low, Vector256.Create((byte)'"')), Vector256.Equals(high, Vector256.Create((byte)'"')));
            backslashes = Bits256(Vector256.Equals(low, Vector256.Create((byte)'\\')), Vector256.Equals(high, Vector256.Create((byte)'\\')));
            Vector256<sbyte> space = Vector256.Create((sbyte)' ');
            unusual = Bits256(Vector256.LessThan(low.AsSByte(), space).AsByte(), Vector256.LessThan(high.AsSByte(), space).AsByte());
        }
        else
        {
            quotes = backslashes = unusual = 0;
            for (int i = 0; i < BlockSize; i += 16)
            {
                Vector128<byte> bytes = Vector128.LoadUnsafe(ref block, (nuint)i);
                quotes |= (ulong)Vector128.Equals(bytes, Vector128.Create((byte)'"')).ExtractMostSignificantBits() << i;
                backslashes |= (ulong)Vector128.Equals(bytes, Vector128.Create((byte)'\\')).ExtractMostSignificantBits() << i;
                unusual |= (ulong)Vector128.LessThan(bytes.AsSByte(), Vector128.Create((sbyte)' ')).ExtractMostSignificantBits() << i;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bits256(Vector256<byte> low, Vector256<byte> high) =>
        low.ExtractMostSignificantBits() | ((ulong)high.ExtractMostSignificantBits() << 32);

    /// <summary>Takes escaped quotes away, and checks each escape of a block.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryEscape(ReadOnlySpan<byte> text, int offset, ulong backslashes, ref ulong quotes, ref State state)
    {
        const ulong Odd = 0xAAAA_AAAA_AAAA_AAAA;
        // In a row of backslashes every other one begins an escape. The subtraction carries through each row; rows that begin on an odd bit
        // are turned round by Odd.
        ulong first = backslashes & ~state.EscapedBefore;
        ulong alternating = (((first << 1) | Odd) - first) ^ Odd;
        quotes &= ~(alternating ^ (backslashes | state.EscapedBefore));
        ulong escapes = alternating & backslashes;
        state.EscapedBefore = escapes >> 63;
        state.HasEscapes = true;
        for (; escapes != 0; escapes &= escapes - 1)
        {
            int at = offset + BitOperations.TrailingZeroCount(escapes);
            ReadOnlySpan<byte> escape = text[at..];
            if (JsonText.EscapeLength(escape) <= 0) return false;
            if (!JsonText.IsSurrogate(escape) || at == state.LowSurrogateAt) continue;
            if (!JsonText.IsSurrogatePair(escape)) return false;
            state.LowSurrogateAt = at + 6;
        }
        return true;
    }

    /// <summary>Refuses control characters within strings; outside of strings the second stage looks at every byte.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryUnusual(ref byte block, ulong unusual, ulong quotes, ref State state)
    {
        ulong nonAscii = 0;
        for (int i = 0; i < BlockSize; i += 16)
        {
            nonAscii |= (ulong)Vector128.LoadUnsafe(ref block, (nuint)i).ExtractMostSignificantBits() << i;
        }
        state.HasNonAscii |= nonAscii != 0;
        ulong inString = PrefixXor(quotes);
        if ((state.QuotesBefore & 1) != 0) inString = ~inString;
        return (unusual & ~nonAscii & inString) == 0;
    }

    /// <summary>Bit n is the parity of bits 0 to n: from the quotes to what stands between them.</summary>
    private static ulong PrefixXor(ulong bits)
    {
        bits ^= bits << 1;
        bits ^= bits << 2;
        bits ^= bits << 4;
        bits ^= bits << 8;
        bits ^= bits << 16;
        return bits ^ (bits << 32);
    }

    /// <summary>What a block must know of the blocks in front of it.</summary>
    private struct State
    {
        /// <summary>1 when the first byte of the block is escaped.</summary>
        public ulong EscapedBefore;

        /// <summary>Where the second half of the surrogate pair is that was seen last.</summary>
        public int LowSurrogateAt;

        public uint QuotesBefore;
        public bool HasEscapes;
        public bool HasNonAscii;
    }
}

using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace Sheaf.Spans;

/// <summary>
/// First stage of the parser: where the tokens of a JSON text begin, and all that can be told without knowing the grammar (strings closed and
/// free of control characters, escapes, UTF-8). The method is that of simdjson (Langdale, Lemire: "Parsing gigabytes of JSON per second").
/// Owner: one <see cref="JsonSpanParser"/>; used again for every message.
/// </summary>
internal sealed class JsonStructure
{
    private const int InitialCapacity = 4096;
    private const int LargestKept = 1 << 20; // 4 MB: what one giant message needed is not kept for good

    private int[] _positions = new int[InitialCapacity];

    /// <summary>Number of tokens.</summary>
    public int Count { get; private set; }

    /// <summary>The text has a backslash: keys and values may have to be unescaped.</summary>
    public bool HasEscapes { get; private set; }

    /// <summary>
    /// Where each token begins: operators, opening quotes, first bytes of numbers and literals. One more entry than <see cref="Count"/>: the
    /// last position again, so that looking one token ahead is always allowed.
    /// </summary>
    public ref int Positions => ref MemoryMarshal.GetArrayDataReference(_positions);

    /// <summary>Reads a text. False when it cannot be JSON; what is wrong with it, and where, <see cref="JsonGrammar"/> knows.</summary>
    [SkipLocalsInit]
    public bool TryRead(ReadOnlySpan<byte> text)
    {
        if (_positions.Length > LargestKept) _positions = new int[InitialCapacity];
        Span<byte> tail = stackalloc byte[JsonBlock.Size];
        ref byte start = ref MemoryMarshal.GetReference(text);
        int count = 0;
        ulong inStringBefore = 0; // all ones when the block begins within a string
        ulong escapedBefore = 0; // 1 when the first byte of the block is escaped
        ulong scalarBefore = 0; // 1 when the byte in front of the block belongs to a number or literal
        ulong escapesSeen = 0;
        ulong nonAsciiSeen = 0;

        for (int offset = 0; offset < text.Length; offset += JsonBlock.Size)
        {
            scoped ref byte block = ref Unsafe.Add(ref start, offset);
            if (text.Length - offset < JsonBlock.Size)
            {
                // The text is a part of something larger, or ends where memory does: nothing behind it is read.
                tail.Fill((byte)' ');
                text[offset..].CopyTo(tail);
                block = ref MemoryMarshal.GetReference(tail);
            }
            JsonBlock.Classify(ref block, out ulong quotes, out ulong backslashes, out ulong operators, out ulong spaces, out ulong unusual);

            if ((backslashes | escapedBefore) != 0)
            {
                ulong escapes = Escapes(backslashes, ref escapedBefore, out ulong escaped);
                if (escapes != 0 && !AreEscapes(text, offset, escapes)) return false;
                escapesSeen |= escapes;
                quotes &= ~escaped;
            }
            ulong inString = JsonBlock.PrefixXor(quotes) ^ inStringBefore; // with the opening quote, without the closing one
            inStringBefore = (ulong)((long)inString >> 63);

            if (unusual != 0)
            {
                ulong nonAscii = JsonBlock.NonAscii(ref block);
                nonAsciiSeen |= nonAscii;
                ulong controls = unusual & ~nonAscii;
                if (controls != 0)
                {
                    ulong whiteSpace =
                        JsonBlock.Equal(ref block, (byte)'\n') | JsonBlock.Equal(ref block, (byte)'\r') | JsonBlock.Equal(ref block, (byte)'\t');
                    if ((controls & (inString | ~whiteSpace)) != 0) return false;
                    spaces |= whiteSpace;
                }
            }

            ulong scalar = ~(operators | spaces); // with the quotes
            ulong unquoted = scalar & ~quotes;
            ulong begins = scalar & ~((unquoted << 1) | scalarBefore);
            scalarBefore = unquoted >> 63;
            ulong tokens = (operators | begins) & ~(inString ^ quotes);

            if (_positions.Length - count <= JsonBlock.Size + 1) Array.Resize(ref _positions, 2 * _positions.Length);
            Write(tokens, offset, ref Unsafe.Add(ref Positions, count));
            count += BitOperations.PopCount(tokens);
        }

        Count = count;
        HasEscapes = escapesSeen != 0;
        if (count == 0 || inStringBefore != 0 || (nonAsciiSeen != 0 && !Utf8.IsValid(text))) return false;
        _positions[count] = _positions[count - 1];
        return true;
    }

    /// <summary>Writes the positions of the set bits. Writes up to four more than there are, always fewer than a block has bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(ulong bits, int offset, ref int to)
    {
        while (bits != 0)
        {
            to = offset + BitOperations.TrailingZeroCount(bits);
            bits &= bits - 1;
            Unsafe.Add(ref to, 1) = offset + BitOperations.TrailingZeroCount(bits);
            bits &= bits - 1;
            Unsafe.Add(ref to, 2) = offset + BitOperations.TrailingZeroCount(bits);
            bits &= bits - 1;
            Unsafe.Add(ref to, 3) = offset + BitOperations.TrailingZeroCount(bits);
            bits &= bits - 1;
            to = ref Unsafe.Add(ref to, 4);
        }
    }

    /// <summary>The backslashes that begin an escape, and the characters that they escape: in a row of backslashes every other one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Escapes(ulong backslashes, ref ulong escapedBefore, out ulong escaped)
    {
        const ulong Odd = 0xAAAA_AAAA_AAAA_AAAA;
        ulong first = backslashes & ~escapedBefore;
        // The subtraction carries through each row of backslashes; rows that begin on odd bits are turned round by Odd.
        ulong alternating = (((first << 1) | Odd) - first) ^ Odd;
        escaped = alternating ^ (backslashes | escapedBefore);
        ulong escapes = alternating & backslashes;
        escapedBefore = escapes >> 63;
        return escapes;
    }

    private static bool AreEscapes(ReadOnlySpan<byte> text, int offset, ulong escapes)
    {
        for (; escapes != 0; escapes &= escapes - 1)
        {
            if (JsonText.EscapeLength(text[(offset + BitOperations.TrailingZeroCount(escapes))..]) <= 0) return false;
        }
        return true;
    }
}

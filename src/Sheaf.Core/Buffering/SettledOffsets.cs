using System.Numerics;
using System.Runtime.InteropServices;

namespace Sheaf.Buffering;

/// <summary>
/// Source offsets of a shard that need not be read again although earlier ones must: what came with them was produced, or was a dead letter, dropped or a copy. Bits in chunks of
/// <see cref="ChunkOffsets"/> offsets. Immutable; any thread.
/// </summary>
public sealed class SettledOffsets
{
    /// <summary>Offsets of a chunk; chunk <c>i</c> begins at offset <c>i</c> times this.</summary>
    public const int ChunkOffsets = 1 << 16;

    /// <summary>Bytes of a chunk: a bit per offset, the lowest offset in the lowest bit of the first byte.</summary>
    public const int ChunkBytes = ChunkOffsets / 8;

    public static readonly SettledOffsets None = new([]);

    private readonly Dictionary<long, ulong[]> _chunks = [];

    /// <param name="chunks">By number of the chunk; bytes that are missing at the end are zero.</param>
    /// <exception cref="ArgumentException">A chunk is longer than <see cref="ChunkBytes"/>, or comes twice.</exception>
    public SettledOffsets(IEnumerable<KeyValuePair<long, ReadOnlyMemory<byte>>> chunks)
    {
        Highest = -1;
        foreach ((long index, ReadOnlyMemory<byte> bits) in chunks)
        {
            if (bits.Length > ChunkBytes) throw new ArgumentException($"chunk {index} has {bits.Length} bytes, more than {ChunkBytes}", nameof(chunks));
            ulong[] words = new ulong[ChunkBytes / sizeof(ulong)];
            bits.Span.CopyTo(MemoryMarshal.AsBytes(words.AsSpan()));
            _chunks.Add(index, words);
            int last = Array.FindLastIndex(words, word => word != 0);
            if (last < 0) continue;
            Count += words.Sum(word => (long)BitOperations.PopCount(word));
            Highest = Math.Max(Highest, (index * ChunkOffsets) + (last * 64L) + BitOperations.Log2(words[last]));
        }
    }

    /// <summary>How many there are.</summary>
    public long Count { get; }

    /// <summary>The highest of them; -1 where there is none.</summary>
    public long Highest { get; }

    /// <summary>How many there are from this offset on.</summary>
    public long CountFrom(long offset)
    {
        long count = 0;
        foreach ((long index, ulong[] words) in _chunks)
        {
            for (int i = 0; i < words.Length; i++)
            {
                long first = (index * ChunkOffsets) + (i * 64L);
                if (first + 63 < offset) continue;
                ulong word = first >= offset ? words[i] : words[i] & (ulong.MaxValue << (int)(offset - first));
                count += BitOperations.PopCount(word);
            }
        }
        return count;
    }

    internal IReadOnlyDictionary<long, ulong[]> Chunks => _chunks;

    /// <summary>The chunks, as the constructor takes them.</summary>
    public IEnumerable<KeyValuePair<long, ReadOnlyMemory<byte>>> ToChunks() =>
        _chunks.Select(chunk => KeyValuePair.Create(chunk.Key, (ReadOnlyMemory<byte>)MemoryMarshal.AsBytes(chunk.Value.AsSpan()).TrimEnd((byte)0).ToArray()));

    public bool Contains(long offset) =>
        offset <= Highest && _chunks.TryGetValue(offset / ChunkOffsets, out ulong[]? words) && (WordOf(words, offset) & BitOf(offset)) != 0;

    /// <summary>The word of a chunk that has an offset's bit.</summary>
    internal static ref ulong WordOf(ulong[] chunk, long offset) => ref chunk[offset % ChunkOffsets / 64];

    /// <summary>An offset's bit in its word.</summary>
    internal static ulong BitOf(long offset) => 1UL << (int)(offset % 64);
}

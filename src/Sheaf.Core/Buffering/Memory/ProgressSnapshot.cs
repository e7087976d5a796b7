using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// How far a shard of a <see cref="MemoryBuffer"/> has come, as of one moment: what has to be kept so that whoever reads the input again goes on exactly here. Its arrays are used
/// again. Owner: one thread at a time.
/// </summary>
public sealed class ProgressSnapshot
{
    private readonly List<Chunk> _chunks = [];
    private readonly Stack<byte[]> _free = new();

    public ShardId Shard { get; internal set; }

    /// <summary>The offset of the first message to read again.</summary>
    public long ReadOnFrom { get; internal set; }

    /// <summary>The shard's clock before that message.</summary>
    public StreamClock Clock { get; internal set; }

    /// <summary>Whether anything has changed since what was acknowledged last.</summary>
    public bool HasChanged { get; internal set; }

    /// <summary>The chunks of settled offsets (<see cref="SettledOffsets"/>) that have changed since what was acknowledged last.</summary>
    public IReadOnlyList<Chunk> Chunks => _chunks;

    /// <summary>Numbers of chunks that lie before <see cref="ReadOnFrom"/> now and need not be kept.</summary>
    public IReadOnlyList<long> Outdated => OutdatedChunks;

    internal List<long> OutdatedChunks { get; } = [];

    /// <summary>Offsets that are settled by what this snapshot goes with, and not without it.</summary>
    internal List<long> Claimed { get; } = [];

    internal int Life { get; set; }

    internal void Reset(ShardId shard)
    {
        Shard = shard;
        foreach (Chunk chunk in _chunks) _free.Push(chunk.Buffer);
        _chunks.Clear();
        OutdatedChunks.Clear();
        Claimed.Clear();
    }

    internal void Add(long index, long change, ReadOnlySpan<byte> bits)
    {
        byte[] buffer = _free.TryPop(out byte[]? free) ? free : GC.AllocateUninitializedArray<byte>(SettledOffsets.ChunkBytes, pinned: true);
        bits = bits[..(bits.LastIndexOfAnyExcept((byte)0) + 1)];
        bits.CopyTo(buffer);
        _chunks.Add(new Chunk(index, change, buffer, bits.Length));
    }

    /// <summary>A chunk as it was; zeros at its end are left out.</summary>
    /// <param name="Change">Tells this state of the chunk from others.</param>
    /// <param name="Buffer">Pinned. Belongs to the snapshot.</param>
    public readonly record struct Chunk(long Index, long Change, byte[] Buffer, int Length)
    {
        public ReadOnlySpan<byte> Bits => Buffer.AsSpan(0, Length);
    }
}

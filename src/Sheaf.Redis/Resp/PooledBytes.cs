using System.Buffers;

namespace Sheaf.Redis.Resp;

/// <summary>
/// Bytes that grow by doubling and shrink again when they have been larger than needed for a while. A mutable struct: keep it in a field, do not
/// copy it.
/// </summary>
internal struct PooledBytes
{
    /// <summary>What is always kept.</summary>
    private const int Floor = 16 << 10;

    private byte[]? _array;
    private int _recent; // the most that was needed lately

    public readonly byte[] Array => _array ?? [];

    public readonly int Capacity => Array.Length;

    /// <summary>Makes room for <paramref name="capacity"/> bytes; the first <paramref name="used"/> are kept.</summary>
    /// <exception cref="InvalidOperationException">More than an array can hold.</exception>
    public void EnsureCapacity(long capacity, int used)
    {
        if (capacity <= Capacity) return;
        if (capacity > System.Array.MaxLength) throw new InvalidOperationException($"{capacity} bytes do not fit into one buffer: use smaller batches");
        Replace((int)Math.Min(System.Array.MaxLength, Math.Max(Math.Max(capacity, Floor), 2L * Capacity)), used);
    }

    /// <summary>Called between uses: after a large one the room goes down again within some dozens of small ones.</summary>
    /// <param name="used">What the last use needed.</param>
    public void Settle(int used)
    {
        _recent = Math.Max(used, _recent - (_recent >> 3));
        long enough = Math.Max(Floor, 2L * _recent);
        if (Capacity > 2 * enough) Replace((int)enough, used: 0);
    }

    private void Replace(int capacity, int used)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(capacity);
        if (_array is not null)
        {
            _array.AsSpan(0, used).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_array);
        }
        _array = larger;
    }
}

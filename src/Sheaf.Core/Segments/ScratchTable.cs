using System.Numerics;

namespace Sheaf.Segments;

/// <summary>
/// The slots of an open-addressing hash table of indexes whose keys are kept elsewhere. Emptying it costs nothing: what an earlier use left
/// lies below the stamp of this one. A mutable struct: keep it in a field, do not copy it.
/// </summary>
internal struct ScratchTable
{
    // Ids come from outside: with a secret in the hash nobody can choose ids that collide.
    private static readonly ulong Secret = (ulong)Random.Shared.NextInt64();

    private int[]? _slots;
    private int _mask;
    private int _stamp;
    private int _limit;

    /// <summary>Empties the table and makes room.</summary>
    /// <param name="most">Most entries there will be; indexes are below it. At most 2^28.</param>
    public void Begin(int most)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, 2 * most));
        if (_slots is null || _slots.Length < size)
        {
            _slots = new int[size];
            _limit = 1;
        }
        else if (_limit > int.MaxValue - most)
        {
            Array.Clear(_slots);
            _limit = 1;
        }
        _mask = size - 1;
        _stamp = _limit;
        _limit += most;
    }

    /// <summary>The slot to look at first for a key. Follow <see cref="Next"/> while <see cref="TryGet"/> says true.</summary>
    public readonly int Start(ulong key)
    {
        ulong high = Math.BigMul(key ^ Secret, 0x9E3779B97F4A7C15, out ulong low);
        return (int)(high ^ low) & _mask;
    }

    /// <summary>The slot to look at after this one.</summary>
    public readonly int Next(int slot) => (slot + 1) & _mask;

    /// <summary>The index in a slot; false when the slot is free.</summary>
    public readonly bool TryGet(int slot, out int index)
    {
        index = _slots![slot] - _stamp;
        return index >= 0;
    }

    public readonly void Set(int slot, int index) => _slots![slot] = _stamp + index;
}

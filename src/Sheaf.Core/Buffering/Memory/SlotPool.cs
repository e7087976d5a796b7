namespace Sheaf.Buffering.Memory;

/// <summary>What a <see cref="SlotPool{T}"/> needs of its elements.</summary>
internal interface ISlot
{
    /// <summary>Another slot, or <see cref="SlotPool{T}.None"/>. Of the pool's free list while the slot is free, else its owner's to use.</summary>
    int Link { get; set; }
}

/// <summary>Slots that are taken, freed and taken again, known by their index. Freed memory is kept. No lock of its own.</summary>
internal sealed class SlotPool<T> where T : unmanaged, ISlot
{
    /// <summary>No slot.</summary>
    public const int None = -1;

    private readonly ChunkedArray<T> _slots = new();
    private int _firstFree = None;

    /// <summary>Slots that are taken now.</summary>
    public int Count { get; private set; }

    /// <summary>Slots from here on have never been taken.</summary>
    public int End { get; private set; }

    public long AllocatedBytes => _slots.AllocatedBytes;

    public ref T this[int slot] => ref _slots[slot];

    /// <summary>Takes a slot. Its content is what it was when freed: the caller sets all of it.</summary>
    public int Take()
    {
        int slot = _firstFree;
        if (slot == None)
        {
            slot = End;
            _slots.EnsureCapacity(slot + 1);
            End++;
        }
        else
        {
            _firstFree = _slots[slot].Link;
            // Its link is what the next one to be taken waits for.
            if (_firstFree != None) Prefetch.Element(ref _slots[_firstFree]);
        }
        Count++;
        return slot;
    }

    /// <summary>Frees one slot.</summary>
    public void Free(int slot) => FreeChain(slot, slot, 1);

    /// <summary>Frees slots that are linked from <paramref name="first"/> to <paramref name="last"/>, touching only the last.</summary>
    public void FreeChain(int first, int last, int count)
    {
        _slots[last].Link = _firstFree;
        _firstFree = first;
        Count -= count;
    }
}

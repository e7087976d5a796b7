using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// Payload bytes in slots of slabs. A slab holds slots of one size, so that a long-lived payload pins its own slot and not the memory of its
/// short-lived neighbours: what they leave is filled again by payloads of that size. No lock of its own, but <see cref="TryRead"/> may run
/// at any time beside the rest.
/// </summary>
/// <remarks>
/// Eight sizes per doubling from 64 B to 64 KB (6 % of a slot is unused on average); larger payloads get an array of their own. Slabs that
/// become empty serve any size again. They are never given back to the system: the first touch of fresh memory is the most expensive
/// thing that a buffer does, and the engine's byte limit bounds them.
/// </remarks>
internal sealed class PayloadSlabs
{
    private const int None = -1;
    private const int SlabBytes = 256 << 10;
    private const int SmallestBits = 6;
    private const int LargestSlot = 64 << 10;
    private const int PageBytes = 4096;
    private const int OwnArray = -1;
    private const int MapWords = SlabBytes >> (SmallestBits + 6); // one bit for each slot of the smallest size

    private readonly int[] _open = new int[SizeClassOf(LargestSlot) + 1]; // by size: a list of the slabs that have room
    private byte[]?[] _bytes = new byte[]?[16]; // replaced when it grows, so that readers need no lock
    private Slab[] _slabs = new Slab[16];
    private readonly ChunkedArray<ulong> _free = new(); // by slab: a bit for each slot that is free; beside the slots, so that taking one touches none
    private long _arrayBytes;
    private int _slabCount;
    private int _firstEmpty = None; // slabs without any payload
    private int _firstVacant = None; // entries of the tables without an array

    public PayloadSlabs() => Array.Fill(_open, None);

    /// <summary>Bytes of the slots in use.</summary>
    public long UsedBytes { get; private set; }

    /// <summary>Bytes of all slabs and arrays, with what is free in them, and of the tables.</summary>
    public long AllocatedBytes => _arrayBytes + _free.AllocatedBytes + ((long)_slabs.Length * (Unsafe.SizeOf<Slab>() + IntPtr.Size));

    /// <summary>Copies a payload in. The answer is what the other operations know it by.</summary>
    public long Store(ReadOnlySpan<byte> payload)
    {
        long reference = payload.Length <= LargestSlot ? TakeSlot(SizeClassOf(payload.Length)) : TakeArray(payload.Length);
        payload.CopyTo(_bytes[(int)(reference >> 32)].AsSpan((int)reference));
        return reference;
    }

    /// <summary>Gives a payload's memory back.</summary>
    public void Release(long reference)
    {
        int index = (int)(reference >> 32);
        ref Slab slab = ref _slabs[index];
        if (slab.SizeClass == OwnArray)
        {
            ReleaseArray(index);
            return;
        }
        int slotBytes = SlotBytes(slab.SizeClass);
        int slot = (int)reference / slotBytes;
        bool hadRoom = slab.HasRoom;
        _free[(index * MapWords) + (slot >> 6)] |= 1ul << (slot & 63);
        slab.FirstWord = Math.Min(slab.FirstWord, slot >> 6);
        slab.Taken--;
        UsedBytes -= slotBytes;
        if (!hadRoom) LinkOpen(index);

        // The last slab with room stays with its size, empty or not, so that a size that comes and goes does not rebuild it each time.
        bool isLastOpen = slab.Next == None;
        if (slab.Taken > 0 || isLastOpen) return;
        UnlinkOpen(index);
        slab.Next = _firstEmpty;
        _firstEmpty = index;
    }

    /// <summary>
    /// The bytes of a payload that is not released. False, or other bytes, where it was released meanwhile: only a claimer whose claim has
    /// lapsed can see that, and nothing that it does from then on counts.
    /// </summary>
    public bool TryRead(long reference, int length, out ReadOnlySpan<byte> payload)
    {
        byte[]?[] arrays = Volatile.Read(ref _bytes);
        byte[]? bytes = arrays[(int)(reference >> 32)];
        int start = (int)reference;
        if (length <= LargestSlot)
        {
            // In a slab, and a slab stays one. Its length is not asked for: that would be one more line to fetch, far from the payload.
            payload = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(bytes!), start), length);
            return true;
        }
        bool there = bytes is not null && start + length <= bytes.Length;
        payload = there ? bytes.AsSpan(start, length) : default;
        return there;
    }

    /// <summary>The smallest size class whose slots hold this many bytes: 0 for up to 64, then eight per doubling.</summary>
    internal static int SizeClassOf(int length)
    {
        if (length <= 1 << SmallestBits) return 0;
        int last = length - 1;
        int log = BitOperations.Log2((uint)last);
        return (8 * (log - SmallestBits)) + ((last >> (log - 3)) & 7) + 1;
    }

    /// <summary>Bytes of a slot of a size class.</summary>
    internal static int SlotBytes(int sizeClass)
    {
        int step = sizeClass + 7; // class 0 is the eighth step of the doubling that ends at 64
        return ((step & 7) + 9) << (SmallestBits - 4 + (step >> 3));
    }

    private long TakeSlot(int sizeClass)
    {
        int index = _open[sizeClass];
        if (index == None) index = OpenSlab(sizeClass);
        ref Slab slab = ref _slabs[index];
        int slotBytes = SlotBytes(sizeClass);
        int map = index * MapWords;
        while (_free[map + slab.FirstWord] == 0) slab.FirstWord++;
        ref ulong word = ref _free[map + slab.FirstWord];
        int start = ((slab.FirstWord << 6) + BitOperations.TrailingZeroCount(word)) * slotBytes;
        word &= word - 1;
        slab.Taken++;
        UsedBytes += slotBytes;
        if (!slab.HasRoom) UnlinkOpen(index);
        return ((long)index << 32) | (uint)start;
    }

    private int OpenSlab(int sizeClass)
    {
        int index = _firstEmpty;
        if (index != None)
            _firstEmpty = _slabs[index].Next;
        else
            index = AddArray(SlabBytes);
        int slots = SlabBytes / SlotBytes(sizeClass);
        _slabs[index] = new Slab { SizeClass = sizeClass, Slots = slots };
        _free.EnsureCapacity((index + 1) * MapWords);
        for (int word = 0, left = slots; left > 0; word++, left -= 64)
            _free[(index * MapWords) + word] = left >= 64 ? ulong.MaxValue : (1ul << left) - 1;
        LinkOpen(index);
        return index;
    }

    private long TakeArray(int length)
    {
        int index = AddArray((length + PageBytes - 1) / PageBytes * PageBytes);
        _slabs[index] = new Slab { SizeClass = OwnArray };
        UsedBytes += _bytes[index]!.Length;
        return (long)index << 32;
    }

    private void ReleaseArray(int index)
    {
        int length = _bytes[index]!.Length;
        UsedBytes -= length;
        _arrayBytes -= length;
        _bytes[index] = null;
        _slabs[index].Next = _firstVacant;
        _firstVacant = index;
    }

    private int AddArray(int length)
    {
        int index = _firstVacant;
        if (index != None)
            _firstVacant = _slabs[index].Next;
        else
        {
            if (_slabCount == _slabs.Length)
            {
                Array.Resize(ref _slabs, 2 * _slabCount);
                byte[]?[] larger = new byte[]?[2 * _slabCount];
                _bytes.CopyTo(larger, 0);
                Volatile.Write(ref _bytes, larger);
            }
            index = _slabCount++;
        }
        _bytes[index] = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        _arrayBytes += length;
        return index;
    }

    private void LinkOpen(int index)
    {
        ref Slab slab = ref _slabs[index];
        ref int head = ref _open[slab.SizeClass];
        slab.Previous = None;
        slab.Next = head;
        if (head != None) _slabs[head].Previous = index;
        head = index;
    }

    private void UnlinkOpen(int index)
    {
        ref Slab slab = ref _slabs[index];
        if (slab.Previous != None)
            _slabs[slab.Previous].Next = slab.Next;
        else
            _open[slab.SizeClass] = slab.Next;
        if (slab.Next != None) _slabs[slab.Next].Previous = slab.Previous;
    }

    private struct Slab
    {
        public int SizeClass;

        /// <summary>Slots that it has.</summary>
        public int Slots;

        /// <summary>The first word of its map that may have a free slot.</summary>
        public int FirstWord;

        /// <summary>Slots in use.</summary>
        public int Taken;

        /// <summary>Neighbours in the list of open slabs; <see cref="Next"/> also links the lists of empty slabs and of vacant entries.</summary>
        public int Next;
        public int Previous;

        public readonly bool HasRoom => Taken < Slots;
    }
}

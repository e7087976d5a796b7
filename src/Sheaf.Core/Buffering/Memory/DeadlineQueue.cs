using System.Diagnostics;
using System.Numerics;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// Which items are due, in ms: a hierarchical timing wheel. Items are small numbers of the caller's (slot indexes). Earliest first; within
/// one ms in the order of arming. No lock of its own.
/// </summary>
/// <remarks>
/// Eight wheels of 256 slots, one for each byte of a 64-bit time, so that every deadline has a place and nothing has to be clipped. An item
/// lies in the wheel of the highest byte in which its deadline differs from the queue's position. The position is never after an armed
/// deadline: popping moves it on, and spreads the slot it enters over the wheels below; arming an earlier deadline moves it back, and
/// gathers the wheels below into one slot by joining lists. Empty time costs nothing, however long: bitmaps tell the next slot that is in use.
/// A heap would be shorter, but each pop walks it through cold memory, and moving a deadline forward needs a way back into it.
/// </remarks>
internal sealed class DeadlineQueue
{
    /// <summary>Memory that an armed item takes.</summary>
    public const int BytesPerItem = 16;

    private const int None = -1;
    private const int Wheels = 8;
    private const int SlotsPerWheel = 256;
    private const int WordsPerWheel = SlotsPerWheel / 64;

    private readonly ChunkedArray<Node> _nodes = new();
    private readonly int[] _heads = new int[Wheels * SlotsPerWheel]; // of circular lists: the head's Previous is the tail
    private readonly ulong[] _used = new ulong[Wheels * WordsPerWheel];
    private ulong _position;

    public DeadlineQueue() => Array.Fill(_heads, None);

    /// <summary>Armed items.</summary>
    public int Count { get; private set; }

    public long AllocatedBytes => _nodes.AllocatedBytes + (sizeof(int) * (long)_heads.Length) + (sizeof(ulong) * (long)_used.Length);

    /// <summary>Arms an item that is not armed.</summary>
    public void Arm(int item, long deadlineMs)
    {
        ulong due = Ordered(deadlineMs);
        if (due < _position) MoveBack(due);
        _nodes.EnsureCapacity(item + 1);
        _nodes[item].Due = due;
        Append(SlotOf(due), item);
        Count++;
    }

    /// <summary>Takes out an item that is armed.</summary>
    public void Disarm(int item)
    {
        ref Node node = ref _nodes[item];
        int slot = SlotOf(node.Due);
        if (node.Next == item)
        {
            _heads[slot] = None;
            _used[slot >> 6] &= ~(1ul << slot);
        }
        else
        {
            _nodes[node.Previous].Next = node.Next;
            _nodes[node.Next].Previous = node.Previous;
            if (_heads[slot] == item) _heads[slot] = node.Next;
        }
        Count--;
    }

    /// <summary>Takes out the earliest item whose deadline is before <paramref name="beforeMs"/>, if there is one.</summary>
    public bool TryPop(long beforeMs, out int item)
    {
        item = Earliest(Ordered(beforeMs));
        if (item == None) return false;
        Disarm(item);
        return true;
    }

    /// <summary>The earliest deadline, or null when nothing is armed.</summary>
    public long? EarliestMs()
    {
        int item = Earliest(ulong.MaxValue);
        return item == None ? null : (long)(_nodes[item].Due ^ (1ul << 63));
    }

    /// <summary>Checks every list and bit. Debug builds only.</summary>
    [Conditional("DEBUG")]
    public void AssertInvariants()
    {
        int found = 0;
        for (int slot = 0; slot < _heads.Length; slot++)
        {
            int head = _heads[slot];
            bool used = (_used[slot >> 6] & (1ul << slot)) != 0;
            Debug.Assert(used == (head != None), "the bitmap tells which slots are in use");
            if (head == None) continue;
            int item = head;
            do
            {
                ref Node node = ref _nodes[item];
                Debug.Assert(node.Due >= _position, "the position is never after an armed deadline");
                Debug.Assert(SlotOf(node.Due) == slot, "an item lies where its deadline says");
                Debug.Assert(_nodes[node.Next].Previous == item, "links agree in both directions");
                found++;
                item = node.Next;
            }
            while (item != head);
        }
        Debug.Assert(found == Count, "the count is the number of items in the lists");
    }

    // Unsigned order of signed times.
    private static ulong Ordered(long ms) => (ulong)ms ^ (1ul << 63);

    private int SlotOf(ulong due)
    {
        int wheel = BitOperations.Log2((due ^ _position) | 1) >> 3;
        return (wheel * SlotsPerWheel) + (byte)(due >> (8 * wheel));
    }

    // The earliest time that belongs into a slot.
    private ulong StartOf(int slot)
    {
        int shift = 8 * (slot / SlotsPerWheel);
        ulong above = shift == 56 ? 0 : _position >> (shift + 8) << (shift + 8);
        return above | ((ulong)(byte)slot << shift);
    }

    private int FirstUsedSlot()
    {
        for (int word = 0; word < _used.Length; word++)
        {
            if (_used[word] != 0) return (word << 6) + BitOperations.TrailingZeroCount(_used[word]);
        }
        return None;
    }

    private int Earliest(ulong before)
    {
        while (true)
        {
            int slot = FirstUsedSlot();
            if (slot == None || StartOf(slot) >= before) return None;
            if (slot < SlotsPerWheel) return _heads[slot];
            MoveInto(slot);
        }
    }

    private void MoveInto(int slot)
    {
        ulong start = StartOf(slot);
        int item = Detach(slot);
        int tail = _nodes[item].Previous;
        _position = start;
        while (true)
        {
            int next = _nodes[item].Next; // read before appending changes it
            Append(SlotOf(_nodes[item].Due), item);
            if (item == tail) return;
            item = next;
        }
    }

    private void MoveBack(ulong position)
    {
        // Whatever lies in lower wheels shares this byte, and those above it, with the old position.
        int wheel = BitOperations.Log2((position ^ _position) | 1) >> 3;
        int gathered = (wheel * SlotsPerWheel) + (byte)(_position >> (8 * wheel));
        for (int word = 0; word < wheel * WordsPerWheel; word++)
        {
            while (_used[word] != 0) Join(gathered, Detach((word << 6) + BitOperations.TrailingZeroCount(_used[word])));
        }
        _position = position;
    }

    private int Detach(int slot)
    {
        int head = _heads[slot];
        _heads[slot] = None;
        _used[slot >> 6] &= ~(1ul << slot);
        return head;
    }

    private void Append(int slot, int item)
    {
        _nodes[item].Next = item;
        _nodes[item].Previous = item;
        Join(slot, item);
    }

    // Puts a whole circular list behind the one in the slot.
    private void Join(int slot, int list)
    {
        int head = _heads[slot];
        if (head == None)
        {
            _heads[slot] = list;
            _used[slot >> 6] |= 1ul << slot;
            return;
        }
        int tail = _nodes[head].Previous;
        int listTail = _nodes[list].Previous;
        _nodes[tail].Next = list;
        _nodes[list].Previous = tail;
        _nodes[listTail].Next = head;
        _nodes[head].Previous = listTail;
    }

    private struct Node
    {
        public ulong Due;
        public int Next;
        public int Previous;
    }
}

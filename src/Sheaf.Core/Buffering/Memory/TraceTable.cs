using System.Numerics;
using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// The traces of a shard by key. Chains run through the trace slots themselves, so that a look-up costs one bucket and one slot. It grows
/// by linear hashing, one bucket with each trace: a table of a million traces never stops the shard to move them all. No lock of its own.
/// </summary>
internal sealed class TraceTable
{
    private const int None = SlotPool<TraceSlot>.None;
    private const int FirstBuckets = 1024;

    private readonly SlotPool<TraceSlot> _slots = new();
    private readonly ChunkedArray<int> _buckets = new(); // slot + 1; 0 = empty
    private int _bucketCount = FirstBuckets;

    public TraceTable() => _buckets.EnsureCapacity(FirstBuckets);

    /// <summary>Traces in the table.</summary>
    public int Count => _slots.Count;

    /// <summary>Every slot in use is below this.</summary>
    public int End => _slots.End;

    public long AllocatedBytes => _slots.AllocatedBytes + _buckets.AllocatedBytes;

    public ref TraceSlot this[int slot] => ref _slots[slot];

    /// <summary>The trace's slot, or <see cref="SlotPool{T}.None"/>.</summary>
    public int Find(in TraceKey key)
    {
        int slot = _buckets[BucketOf(key)] - 1;
        while (slot != None)
        {
            ref TraceSlot trace = ref _slots[slot];
            if (trace.Key == key) break;
            slot = trace.Link;
        }
        return slot;
    }

    /// <summary>First step towards a trace that is needed soon: its bucket.</summary>
    public void PrefetchBucket(in TraceKey key) => Prefetch.Element(ref _buckets[BucketOf(key)]);

    /// <summary>Second step: the slot to which its bucket leads, most likely its own, or <see cref="SlotPool{T}.None"/>.</summary>
    public int PrefetchSlot(in TraceKey key)
    {
        int slot = _buckets[BucketOf(key)] - 1;
        if (slot != None) Prefetch.Element(ref _slots[slot]);
        return slot;
    }

    /// <summary>Adds a trace that is not there, without spans.</summary>
    public int Add(in TraceKey key)
    {
        int slot = _slots.Take();
        _slots[slot] = new TraceSlot { Key = key, FirstSpan = None, LastSpan = None };
        if (Count > _bucketCount) SplitBucket();
        Push(BucketOf(key), slot);
        return slot;
    }

    /// <summary>Takes a trace out; its slot is free.</summary>
    public void Remove(int slot)
    {
        ref int head = ref _buckets[BucketOf(_slots[slot].Key)];
        int next = _slots[slot].Link;
        if (head - 1 == slot)
            head = next + 1;
        else
        {
            int before = head - 1;
            while (_slots[before].Link != slot) before = _slots[before].Link;
            _slots[before].Link = next;
        }
        _slots[slot].SpanCount = 0;
        _slots.Free(slot);
    }

    private void Push(int bucket, int slot)
    {
        ref int head = ref _buckets[bucket];
        _slots[slot].Link = head - 1;
        head = slot + 1;
    }

    // With n buckets, 2^k <= n < 2^(k+1), a key's bucket is its hash modulo 2^(k+1), or modulo 2^k where that bucket does not exist yet.
    private int BucketOf(in TraceKey key)
    {
        uint hash = (uint)key.GetHashCode();
        uint lower = 1u << BitOperations.Log2((uint)_bucketCount);
        uint bucket = hash & ((lower << 1) - 1);
        return (int)(bucket < (uint)_bucketCount ? bucket : bucket - lower);
    }

    private void SplitBucket()
    {
        int split = _bucketCount - (1 << BitOperations.Log2((uint)_bucketCount));
        _buckets.EnsureCapacity(++_bucketCount);
        int slot = _buckets[split] - 1;
        _buckets[split] = 0;
        while (slot != None)
        {
            int next = _slots[slot].Link;
            Push(BucketOf(_slots[slot].Key), slot);
            slot = next;
        }
    }
}

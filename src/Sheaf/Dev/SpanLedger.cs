using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>What a run was given, and what came out of it. A mutable struct with public fields on purpose: millions are kept in place.</summary>
internal struct LedgerEntry
{
    public ulong ContentHash;
    public SpanId SpanId;
    public SpanId EffectiveParent;
    public int Trace;

    /// <summary>Line of the first delivery.</summary>
    public uint Line;
    public uint SegmentAttributeHash;

    /// <summary>Index of the expected segment, from 1; 0 = none.</summary>
    public int Expected;

    /// <summary>Deliveries: the same span more than once.</summary>
    public ushort Deliveries;

    /// <summary>How often it came out.</summary>
    public ushort Out;
    public bool IsRoot;

    /// <summary>The input rules forbid to hand it on.</summary>
    public bool Unusable;
}

/// <summary>The distinct spans of an input, found again by project, trace and span id: about 60 bytes for each. One thread.</summary>
internal sealed class SpanLedger
{
    private const int ChunkBits = 14;
    private const int ChunkSize = 1 << ChunkBits;

    private readonly List<LedgerEntry[]> _chunks = []; // so that growing copies nothing
    private readonly Dictionary<TraceKey, int> _traceIndexes = [];
    private readonly List<TraceKey> _traces = [];
    private int[] _slots = new int[1 << 16]; // entry + 1; linear probing

    public int Count { get; private set; }

    public int TraceCount => _traces.Count;

    public ref LedgerEntry this[int entry] => ref _chunks[entry >> ChunkBits][entry & (ChunkSize - 1)];

    public TraceKey TraceOf(in LedgerEntry entry) => _traces[entry.Trace];

    /// <summary>Notes one delivery of a span.</summary>
    public void Add(in SpanDigest digest, uint line)
    {
        if (!_traceIndexes.TryGetValue(digest.Trace, out int trace))
        {
            trace = _traces.Count;
            _traceIndexes.Add(digest.Trace, trace);
            _traces.Add(digest.Trace);
        }
        int slot = FirstSlot(trace, digest.SpanId);
        for (; _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            ref LedgerEntry known = ref this[_slots[slot] - 1];
            if (known.Trace != trace || known.SpanId != digest.SpanId || known.ContentHash != digest.ContentHash
                || known.EffectiveParent != digest.EffectiveParent || known.SegmentAttributeHash != digest.SegmentAttributeHash)
                continue;
            if (known.Deliveries < ushort.MaxValue) known.Deliveries++;
            return;
        }
        if (Count == _chunks.Count * ChunkSize) _chunks.Add(new LedgerEntry[ChunkSize]);
        this[Count] = new LedgerEntry
        {
            ContentHash = digest.ContentHash,
            SpanId = digest.SpanId,
            EffectiveParent = digest.EffectiveParent,
            Trace = trace,
            Line = line,
            SegmentAttributeHash = digest.SegmentAttributeHash,
            Deliveries = 1,
            IsRoot = digest.IsRoot,
            Unusable = !digest.Usable,
        };
        _slots[slot] = ++Count;
        if (Count > _slots.Length / 4 * 3) Rehash();
    }

    /// <summary>Finds the spans with this id, in order of delivery. <paramref name="entries"/> is emptied first.</summary>
    public void Find(TraceKey key, SpanId id, List<int> entries)
    {
        entries.Clear();
        if (!_traceIndexes.TryGetValue(key, out int trace)) return;
        for (int slot = FirstSlot(trace, id); _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            ref LedgerEntry entry = ref this[_slots[slot] - 1];
            if (entry.Trace == trace && entry.SpanId == id) entries.Add(_slots[slot] - 1);
        }
    }

    private int FirstSlot(int trace, SpanId id) =>
        (int)SeededRandom.Mix(id.Value + (ulong)trace * 0x9E3779B97F4A7C15) & (_slots.Length - 1);

    private void Rehash()
    {
        _slots = new int[2 * _slots.Length];
        for (int i = 0; i < Count; i++)
        {
            int slot = FirstSlot(this[i].Trace, this[i].SpanId);
            while (_slots[slot] != 0) slot = (slot + 1) & (_slots.Length - 1);
            _slots[slot] = i + 1;
        }
    }
}

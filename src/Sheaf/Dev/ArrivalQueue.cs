namespace Sheaf.Dev;

/// <summary>
/// Puts planned spans into the order of their arrival: a ring of milliseconds, each a list of spans, sorted when it is taken. Memory
/// follows what is waiting, not what has passed. One thread.
/// </summary>
internal sealed class ArrivalQueue
{
    private readonly int[] _heads;
    private PlannedSpan[] _spans = new PlannedSpan[4096];
    private int[] _next = new int[4096];
    private int _used;
    private int _free = None;
    private long _takenMs = -1;
    private long[] _keys = new long[256];
    private int[] _order = new int[256];

    private const int None = -1;

    /// <param name="horizonMs">No span may arrive later than this after the last millisecond taken.</param>
    public ArrivalQueue(int horizonMs)
    {
        _heads = new int[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)horizonMs + 2)];
        Array.Fill(_heads, None);
    }

    /// <summary>Spans waiting.</summary>
    public int Count { get; private set; }

    public void Add(in PlannedSpan span)
    {
        long ms = span.ArrivalUs / 1000;
        if (ms <= _takenMs || ms > _takenMs + _heads.Length)
            throw new InvalidOperationException($"A span arrives at {ms} ms, outside of {_takenMs + 1} to {_takenMs + _heads.Length}.");
        int slot = _free;
        if (slot != None)
        {
            _free = _next[slot];
        }
        else
        {
            slot = _used++;
            if (slot == _spans.Length)
            {
                Array.Resize(ref _spans, 2 * slot);
                Array.Resize(ref _next, 2 * slot);
            }
        }
        ref int head = ref _heads[ms & (_heads.Length - 1)];
        _spans[slot] = span;
        _next[slot] = head;
        head = slot;
        Count++;
    }

    /// <summary>Takes the spans of the next millisecond, in order of arrival. Look them up with <see cref="this"/> before the next <see cref="Add"/>.</summary>
    public ReadOnlySpan<int> TakeMillisecond()
    {
        _takenMs++;
        ref int head = ref _heads[_takenMs & (_heads.Length - 1)];
        int count = 0;
        for (int slot = head; slot != None; slot = _next[slot])
        {
            if (count == _keys.Length)
            {
                Array.Resize(ref _keys, 2 * count);
                Array.Resize(ref _order, 2 * count);
            }
            // Spans of one microsecond stay in an order that depends on nothing but the plan.
            _keys[count] = ((_spans[slot].ArrivalUs % 1000) << 32) | (uint)count;
            _order[count++] = slot;
        }
        if (count == 0) return [];
        Array.Sort(_keys, _order, 0, count);
        for (int i = 0; i < count; i++)
        {
            _next[_order[i]] = _free;
            _free = _order[i];
        }
        head = None;
        Count -= count;
        return _order.AsSpan(0, count);
    }

    /// <summary>A span that was taken last.</summary>
    public ref readonly PlannedSpan this[int slot] => ref _spans[slot];
}

using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Flushing;

/// <summary>
/// Sees to it that a worker counts each message and each copy once, although it may die between counting and removing, and its successor then meets the
/// same spans again. What is counted but not removed is kept in the control block, which outlives the worker. Owner: one flusher worker.
/// </summary>
/// <remarks>
/// Counted means published: identities are put first, then <see cref="Publish"/> and the counters follow at once. A worker that is killed right
/// between these two is the only one that leaves a count behind by a batch.
/// </remarks>
internal sealed class Accounting
{
    private const ulong CopyMark = 0x9E3779B97F4A7C15;
    private const ulong AssignmentMark = 0xC2B2AE3D27D4EB4F;

    private readonly AccountedCells _cells;
    private int _inheritedCount;
    private readonly HashSet<UInt128> _inherited = [];
    private int _count;

    /// <param name="cells">As the worker before has left them.</param>
    public Accounting(AccountedCells cells)
    {
        _cells = cells;
        Inherit();
    }

    /// <summary>Whatever counts and is not removed may come again: left by a worker before this one, or by this one when the buffer failed it.</summary>
    public void Inherit()
    {
        _inherited.Clear();
        _count = _cells.Count;
        for (int i = 0; i < _count; i++) _inherited.Add(_cells[i]);
        _inheritedCount = _count;
    }

    /// <summary>Notes a produced message. False when a worker before this one has counted it.</summary>
    /// <param name="assignment">Of the shard: what is read again under another one was received again too, and counts again.</param>
    public bool TryAdd(in SegmentMessage message, long assignment) =>
        // The same spans that came again later make the same message again, which is no repeat: their offsets differ.
        TryAdd(message.FlushId ^ new UInt128((ulong)message.LowestOffset * CopyMark, (ulong)message.HighestOffset), assignment);

    /// <summary>Notes a copy of a span that is about to be removed. False when a worker before this one has counted it.</summary>
    /// <param name="assignment">Of the shard, as above.</param>
    public bool TryAddCopy(in TraceKey trace, long sourceOffset, long assignment) =>
        TryAdd(new UInt128(trace.TraceId.High ^ ((ulong)trace.ProjectId * CopyMark), trace.TraceId.Low ^ ~((ulong)sourceOffset * CopyMark)), assignment);

    /// <summary>What was noted counts.</summary>
    public void Publish() => _cells.Publish(_count);

    /// <summary>Little more can be noted.</summary>
    public bool IsNearlyFull => _count > AccountedCells.Capacity / 2;

    /// <summary>What was noted is settled and cannot come again.</summary>
    public void Forget()
    {
        _count = _inheritedCount;
        Publish();
    }

    /// <summary>All that was due is flushed, and with it whatever the worker before had left behind. False where that was nothing.</summary>
    public bool ForgetInherited()
    {
        if (_inheritedCount == 0) return false;
        _inherited.Clear();
        _inheritedCount = 0;
        Forget();
        return true;
    }

    private bool TryAdd(UInt128 identity, long assignment)
    {
        identity ^= (ulong)assignment * AssignmentMark;
        if (_inherited.Count > 0 && _inherited.Contains(identity)) return false;
        _cells.Put(_count++, identity);
        return true;
    }
}

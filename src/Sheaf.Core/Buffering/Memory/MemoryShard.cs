using System.Diagnostics;
using System.Runtime.CompilerServices;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// One shard of a <see cref="MemoryBuffer"/>: its traces, their spans and payloads, and the deadlines. Two threads meet here, the ingest
/// pipeline and the shard's flusher worker; each operation on a batch takes the shard's one lock once. Payloads of claimed spans are read
/// without it: their slots stay where they are until their claimer removes them.
/// </summary>
/// <remarks>
/// Closing is decided by the assembler alone; what is armed here only says when to ask it. That includes size: a trace that grows past
/// <see cref="SegmentRules.MaxSegmentBytes"/> is armed to be looked at now, so that the memory it takes stays bounded. If nothing closes (many
/// segments, each below the limit), the next look is an eighth of the limit later, not at each span.
/// </remarks>
internal sealed class MemoryShard(ShardId id, SegmentRules rules, bool keepsProgress)
{
    private const int None = SlotPool<SpanSlot>.None;
    private const int PrefetchGroup = 32; // misses under way at a time, and few enough to be still there when their turn comes

    private readonly Lock _gate = new();
    private TraceTable _traces = new();
    private SlotPool<SpanSlot> _spans = new();
    private PayloadSlabs _payloads = new();
    private DeadlineQueue _deadlines = new();
    private readonly ShardProgress? _progress = keepsProgress ? new ShardProgress() : null;
    private long _payloadBytes;
    private long _usedBytes;
    private long _epoch;
    private uint _lastClaimId;
    private int _operations;

    /// <summary>Bytes in use by what is buffered. Any thread, at any time.</summary>
    public long UsedBytes => Volatile.Read(ref _usedBytes);

    /// <summary>Bytes taken from the system, in use or not. Not while an operation runs.</summary>
    public long AllocatedBytes => _payloads.AllocatedBytes + _spans.AllocatedBytes + _traces.AllocatedBytes + _deadlines.AllocatedBytes;

    /// <summary>Stores a batch and arms its traces.</summary>
    public void Append(SpanBatch batch)
    {
        lock (_gate)
        {
            for (Span<TraceSpan> rest = batch.Spans; !rest.IsEmpty;)
            {
                Span<TraceSpan> group = rest[..Math.Min(PrefetchGroup, rest.Length)];
                PrefetchNeedsLock(group);
                foreach (ref readonly TraceSpan span in group) AppendNeedsLock(span, batch.PayloadOf(span));
                rest = rest[group.Length..];
            }
            _progress?.Stored(batch.Spans, batch.Through.Offset, batch.ClockBefore, batch.Through.Clock);
            EndNeedsLock();
        }
    }

    /// <summary>Arms whatever is claimed for the time for which it was, and refuses every earlier claimer. The answer is the new claimer's epoch.</summary>
    public long TakeOver()
    {
        lock (_gate)
        {
            // Through all traces: this happens when a worker starts, and a list of claims would have to be kept at every other time.
            for (int slot = 0; slot < _traces.End; slot++)
            {
                ref TraceSlot trace = ref _traces[slot];
                if (trace.SpanCount == 0 || !trace.IsClaimed) continue;
                trace.ClaimId = TraceSlot.Unclaimed;
                // Its claimer may have died after what it had produced was committed, and before it removed it.
                if (_progress is not null) RemoveSettledNeedsLock(ref trace, _progress);
                if (trace.SpanCount == 0) _traces.Remove(slot);
                else ArmNeedsLock(ref trace, slot, Math.Min(trace.DeadlineMs, trace.ArrivedDeadlineMs));
            }
            EndNeedsLock();
            return ++_epoch;
        }
    }

    /// <inheritdoc cref="ISpanClaimer.ClaimAsync"/>
    public void Claim(long epoch, long beforeMs, int maxTraces, ClaimBatch into)
    {
        into.Reset(id);
        lock (_gate)
        {
            ThrowIfLapsed(epoch);
            Span<int> due = stackalloc int[PrefetchGroup];
            for (int left = maxTraces, count = due.Length; count == due.Length && left > 0; left -= count)
            {
                count = PopNeedsLock(beforeMs, due[..Math.Min(left, due.Length)]);
                ClaimNeedsLock(due[..count], into);
            }
            EndNeedsLock();
        }
    }

    /// <inheritdoc cref="ISpanClaimer.RemoveAsync"/>
    public void Remove(long epoch, ClaimBatch batch, Range traces)
    {
        lock (_gate)
        {
            ThrowIfLapsed(epoch);
            Span<ClaimedTrace> range = batch.Traces[traces];
            foreach (ref readonly ClaimedTrace claimed in range)
            {
                _traces.PrefetchBucket(claimed.Key);
                Prefetch.Element(ref _traces[(int)claimed.Token]);
            }
            foreach (ref readonly ClaimedTrace claimed in range)
            {
                int last = _traces[(int)claimed.Token].LastSpan; // of another trace by now, where the claim has ended before
                if (last != None) Prefetch.Element(ref _spans[last]);
            }
            foreach (ref readonly ClaimedTrace claimed in range)
            {
                int slot = (int)claimed.Token;
                ref TraceSlot trace = ref _traces[slot];
                if (trace.ClaimId != (uint)(claimed.Token >> 32)) continue; // removed before: doing it again is allowed
                trace.ClaimId = TraceSlot.Unclaimed;
                RemoveSpansNeedsLock(ref trace, slot, claimed, batch);
            }
            EndNeedsLock();
        }
    }

    /// <summary>A payload of a claimed span, without the lock.</summary>
    public ReadOnlySpan<byte> Payload(in BufferedSpan span)
    {
        if (!_payloads.TryRead(span.PayloadRef, span.PayloadLength, out ReadOnlySpan<byte> payload)) throw Lapsed();
        return payload;
    }

    /// <summary>The payload of this span will be read soon.</summary>
    public void PrefetchPayload(in BufferedSpan span)
    {
        if (_payloads.TryRead(span.PayloadRef, span.PayloadLength, out ReadOnlySpan<byte> payload)) Prefetch.Bytes(payload);
    }

    /// <inheritdoc cref="ISpanBuffer.MeasureAsync"/>
    public BufferDepth Measure()
    {
        lock (_gate) return new BufferDepth(_spans.Count, _traces.Count, _payloadBytes, _deadlines.EarliestMs() ?? SegmentRules.Never);
    }

    /// <summary>The shard's input is read from here on, but for these offsets. Before its first append.</summary>
    public void Begin(StoredPosition stored, SettledOffsets settled)
    {
        lock (_gate) Progress.Begin(stored.Offset + 1, stored.Clock, settled);
    }

    /// <inheritdoc cref="ShardProgress.Take"/>
    public void TakeProgress(ClaimBatch? claim, Range traces, ProgressSnapshot into)
    {
        into.Reset(id);
        lock (_gate) Progress.Take(claim, traces, into);
    }

    /// <inheritdoc cref="ShardProgress.Acknowledge"/>
    public void AcknowledgeProgress(ProgressSnapshot snapshot)
    {
        lock (_gate) Progress.Acknowledge(snapshot);
    }

    /// <inheritdoc cref="ShardProgress.ForgetAcknowledged"/>
    public void ForgetAcknowledged()
    {
        lock (_gate) Progress.ForgetAcknowledged();
    }

    /// <inheritdoc cref="MemoryBuffer.CountWaiting"/>
    public long CountWaiting(long after, long through)
    {
        lock (_gate) return Progress.CountUnsettled(after + 1, through + 1);
    }

    /// <summary>Forgets everything, gives its memory back and refuses every earlier claimer. Not while a claimer reads payloads.</summary>
    public void Drop()
    {
        lock (_gate)
        {
            (_traces, _spans, _payloads, _deadlines) = (new(), new(), new(), new());
            _payloadBytes = 0;
            _epoch++;
            EndNeedsLock();
        }
    }

    /// <summary>Throws when the shard has been taken over since this epoch. Any thread, at any time.</summary>
    public void ThrowIfLapsed(long epoch)
    {
        if (epoch != Volatile.Read(ref _epoch)) throw Lapsed();
    }

    private ShardProgress Progress => _progress ?? throw new InvalidOperationException("this buffer keeps no progress");

    private ClaimLapsedException Lapsed() =>
        new($"This client does not hold shard {id}: it has not taken it over, or another client has done so since.");

    // What each span leads to, one step for all of them before the next step: so their misses overlap.
    private void PrefetchNeedsLock(ReadOnlySpan<TraceSpan> group)
    {
        Span<int> slots = stackalloc int[PrefetchGroup];
        foreach (ref readonly TraceSpan span in group) _traces.PrefetchBucket(span.Trace);
        for (int i = 0; i < group.Length; i++) slots[i] = _traces.PrefetchSlot(group[i].Trace);
        foreach (int slot in slots[..group.Length])
        {
            if (slot != None) Prefetch.Element(ref _spans[_traces[slot].LastSpan]);
        }
    }

    private int PopNeedsLock(long beforeMs, Span<int> due)
    {
        int count = 0;
        while (count < due.Length && _deadlines.TryPop(beforeMs, out due[count]))
        {
            Prefetch.Element(ref _traces[due[count]]);
            count++;
        }
        return count;
    }

    // The spans of a trace are a chain through memory, one miss after the other. So the traces of a group are followed side by side: while one
    // waits for its next span, the others are copied.
    private void ClaimNeedsLock(Span<int> slots, ClaimBatch into)
    {
        foreach (int slot in slots) Prefetch.Element(ref _spans[_traces[slot].FirstSpan]);
        Span<int> next = stackalloc int[PrefetchGroup];
        Span<int> destination = stackalloc int[PrefetchGroup];
        for (int i = 0; i < slots.Length; i++)
        {
            ref TraceSlot trace = ref _traces[slots[i]];
            trace.ClaimId = NextClaimIdNeedsLock();
            trace.ArrivedDeadlineMs = SegmentRules.Never;
            next[i] = trace.FirstSpan;
            destination[i] = into.AddTrace(trace.Key, ((long)trace.ClaimId << 32) | (uint)slots[i], trace.SpanCount);
        }
        for (int open = slots.Length; open > 0;)
        {
            for (int i = 0; i < open;)
            {
                ref SpanSlot span = ref _spans[next[i]];
                into.SpanAt(destination[i]++) = span.Span;
                next[i] = span.Link;
                if (next[i] != None)
                {
                    Prefetch.Element(ref _spans[next[i++]]);
                    continue;
                }
                open--;
                (next[i], destination[i]) = (next[open], destination[open]);
            }
        }
    }

    private void AppendNeedsLock(in TraceSpan span, ReadOnlySpan<byte> payload)
    {
        long reference = _payloads.Store(payload);
        int at = _spans.Take();
        ref SpanSlot stored = ref _spans[at];
        stored.Link = None;
        stored.Span = new BufferedSpan
        {
            SpanId = span.SpanId,
            EffectiveParent = span.EffectiveParent,
            SourceOffset = span.SourceOffset,
            StreamTimeMs = span.StreamTimeMs,
            LeaptMs = span.LeaptMs,
            PayloadHash = span.PayloadHash,
            PayloadRef = reference,
            PayloadLength = span.PayloadLength,
            Edits = span.Edits,
            IsSegmentRoot = span.IsSegmentRoot,
        };

        int slot = _traces.Find(span.Trace);
        bool isNew = slot == None;
        if (isNew) slot = _traces.Add(span.Trace);
        ref TraceSlot trace = ref _traces[slot];
        if (isNew)
        {
            trace.FirstSpan = at;
            trace.LookAtBytes = rules.MaxSegmentBytes;
        }
        else
            _spans[trace.LastSpan].Link = at;
        trace.LastSpan = at;
        trace.SpanCount++;
        trace.PayloadBytes += span.PayloadLength;
        _payloadBytes += span.PayloadLength;

        long arrivedMs = span.StreamTimeMs - span.AheadMs;
        long deadline = rules.EarliestDeadline(arrivedMs, span.IsSegmentRoot);
        if (trace.IsClaimed)
            trace.ArrivedDeadlineMs = Math.Min(trace.ArrivedDeadlineMs, deadline);
        else
        {
            deadline = Math.Min(deadline, SizeDeadlineNeedsLock(ref trace, arrivedMs - 1));
            if (isNew)
                ArmNeedsLock(ref trace, slot, deadline);
            else if (deadline < trace.DeadlineMs)
            {
                _deadlines.Disarm(slot);
                ArmNeedsLock(ref trace, slot, deadline);
            }
        }
    }

    // The deadline of a trace that has grown past the size at which it is to be looked at.
    private static long SizeDeadlineNeedsLock(ref TraceSlot trace, long dueMs)
    {
        if (trace.PayloadBytes <= trace.LookAtBytes) return SegmentRules.Never;
        trace.LookAtBytes = long.MaxValue; // until the next claim
        return dueMs;
    }

    private void RemoveSpansNeedsLock(ref TraceSlot trace, int slot, in ClaimedTrace claimed, ClaimBatch batch)
    {
        ReadOnlySpan<BufferedSpan> spans = batch.SpansOf(claimed);
        ReadOnlySpan<bool> removed = batch.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
        if (trace.SpanCount == claimed.SpanCount && !removed.Contains(false))
        {
            foreach (ref readonly BufferedSpan span in spans)
            {
                _payloads.Release(span.PayloadRef);
                _progress?.Settle(span.SourceOffset);
            }
            _payloadBytes -= trace.PayloadBytes;
            _spans.FreeChain(trace.FirstSpan, trace.LastSpan, trace.SpanCount);
            _traces.Remove(slot);
            return;
        }

        // The claimed spans are the first of the trace: what has arrived since lies behind them.
        long stayedBytes = 0;
        int before = None;
        int at = trace.FirstSpan;
        for (int i = 0; i < spans.Length; i++)
        {
            if (removed[i])
            {
                at = UnlinkNeedsLock(ref trace, before, at);
                continue;
            }
            stayedBytes += spans[i].PayloadLength;
            before = at;
            at = _spans[at].Link;
        }

        if (trace.SpanCount == 0)
        {
            _traces.Remove(slot);
            return;
        }
        trace.LookAtBytes = Math.Max(rules.MaxSegmentBytes, stayedBytes + (rules.MaxSegmentBytes / 8));
        long deadline = Math.Min(claimed.NextDeadlineMs, trace.ArrivedDeadlineMs);
        // What it was due for when it was claimed is due still.
        ArmNeedsLock(ref trace, slot, Math.Min(deadline, SizeDeadlineNeedsLock(ref trace, Math.Min(trace.DeadlineMs, _spans[trace.LastSpan].Span.StreamTimeMs - 1))));
    }

    private void RemoveSettledNeedsLock(ref TraceSlot trace, ShardProgress progress)
    {
        int before = None;
        for (int at = trace.FirstSpan; at != None;)
        {
            if (progress.IsSettled(_spans[at].Span.SourceOffset)) at = UnlinkNeedsLock(ref trace, before, at);
            else (before, at) = (at, _spans[at].Link);
        }
    }

    /// <summary>Takes a span out of its trace. Returns the one behind it.</summary>
    private int UnlinkNeedsLock(ref TraceSlot trace, int before, int at)
    {
        BufferedSpan span = _spans[at].Span;
        int next = _spans[at].Link;
        if (before == None)
            trace.FirstSpan = next;
        else
            _spans[before].Link = next;
        if (trace.LastSpan == at) trace.LastSpan = before;
        trace.SpanCount--;
        trace.PayloadBytes -= span.PayloadLength;
        _payloadBytes -= span.PayloadLength;
        _payloads.Release(span.PayloadRef);
        _progress?.Settle(span.SourceOffset);
        _spans.Free(at);
        return next;
    }

    private void ArmNeedsLock(ref TraceSlot trace, int slot, long deadlineMs)
    {
        // A claim of everything is for what is before Never: nothing that is buffered may lie there.
        trace.DeadlineMs = Math.Min(deadlineMs, SegmentRules.Never - 1);
        _deadlines.Arm(slot, trace.DeadlineMs);
    }

    private uint NextClaimIdNeedsLock()
    {
        if (++_lastClaimId == TraceSlot.Unclaimed) _lastClaimId++;
        return _lastClaimId;
    }

    private void EndNeedsLock()
    {
        long tables = ((long)_spans.Count * Unsafe.SizeOf<SpanSlot>()) + ((long)_traces.Count * (Unsafe.SizeOf<TraceSlot>() + DeadlineQueue.BytesPerItem));
        Volatile.Write(ref _usedBytes, _payloads.UsedBytes + tables);
        AssertInvariants();
    }

    // Everything while the shard is small, as in most tests; now and then when it is large.
    [Conditional("DEBUG")]
    private void AssertInvariants()
    {
        if (_spans.Count > 256 && ++_operations % 1024 != 0) return;
        int traces = 0, spans = 0, claimed = 0;
        long bytes = 0;
        for (int slot = 0; slot < _traces.End; slot++)
        {
            ref TraceSlot trace = ref _traces[slot];
            if (trace.SpanCount == 0) continue;
            traces++;
            if (trace.IsClaimed) claimed++;
            int ofTrace = 0;
            int last = None;
            for (int at = trace.FirstSpan; at != None; at = _spans[at].Link)
            {
                bytes += _spans[at].Span.PayloadLength;
                ofTrace++;
                last = at;
            }
            Debug.Assert(ofTrace == trace.SpanCount && last == trace.LastSpan, "a trace knows its spans");
            Debug.Assert(_traces.Find(trace.Key) == slot, "the table finds every trace");
            spans += ofTrace;
        }
        Debug.Assert(traces == _traces.Count && spans == _spans.Count && bytes == _payloadBytes, "the counts are those of the traces");
        Debug.Assert(_deadlines.Count == traces - claimed, "a trace is armed or claimed");
        _deadlines.AssertInvariants();
    }
}

using System.Numerics;
using System.Runtime.InteropServices;
using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>
/// Which source offsets of a shard are settled, between the lowest that is not and the last that was read: what has left the buffer, or never came into it. It is what makes the memory
/// engine durable by replay: a reader that begins at <see cref="ProgressSnapshot.ReadOnFrom"/> and passes the settled offsets over finds exactly what is buffered here. Owner: the shard,
/// under its lock.
/// </summary>
/// <remarks>
/// It begins at the start of a batch, not at the lowest unsettled offset itself, since the clock is known there: stream times are a running maximum, and what is read again shall get the same ones.
/// Costs a bit per offset of that window, and a step per removed span.
/// </remarks>
internal sealed class ShardProgress
{
    private readonly List<Chunk?> _chunks = []; // of the window; null: no bit is set
    private readonly Queue<BatchStart> _laterBatches = new();
    private BatchStart? _firstBatch; // the one with the lowest unsettled offset; null where there is none
    private readonly List<long> _outdated = [];
    private long _firstChunk;
    private long _next; // the first offset that was not read
    private long _low; // nothing below it is unsettled
    private StreamClock _clock = StreamClock.NotStarted; // behind the last batch
    private long _savedReadOn = -1;
    private int _life;

    /// <summary>Where a batch begins, and the clock before it.</summary>
    private readonly record struct BatchStart(long Offset, StreamClock Clock);

    private sealed class Chunk
    {
        public readonly ulong[] Words = new ulong[SettledOffsets.ChunkBytes / sizeof(ulong)];

        /// <summary>Counts changes.</summary>
        public long Change;

        /// <summary>The <see cref="Change"/> that is kept elsewhere; -1: nothing of it is.</summary>
        public long Saved = -1;

        /// <summary>The snapshot that is being taken has set bits of it for itself.</summary>
        public bool IsClaimed;
    }

    /// <summary>Begins anew: the input is read from <paramref name="next"/> on, and of what follows these offsets are settled.</summary>
    public void Begin(long next, StreamClock clock, SettledOffsets settled)
    {
        _chunks.Clear();
        _laterBatches.Clear();
        _firstBatch = null;
        _outdated.Clear();
        _life++;
        _firstChunk = next / SettledOffsets.ChunkOffsets;
        (_next, _low, _clock, _savedReadOn) = (next, next, clock, -1);
        foreach ((long index, ulong[] words) in settled.Chunks)
        {
            if (index < _firstChunk)
            {
                _outdated.Add(index);
                continue;
            }
            Chunk chunk = ChunkAt(index * SettledOffsets.ChunkOffsets);
            words.CopyTo(chunk.Words, 0);
            chunk.Saved = chunk.Change;
        }
    }

    /// <summary>The messages up to <paramref name="through"/> were read; of them these spans are buffered now.</summary>
    public void Stored(ReadOnlySpan<TraceSpan> spans, long through, StreamClock clockBefore, StreamClock clock)
    {
        if (through < _next) return;
        var start = new BatchStart(_next, clockBefore);
        if (_firstBatch is null) _firstBatch = start;
        else _laterBatches.Enqueue(start);
        foreach (ref readonly TraceSpan span in spans)
        {
            SettleUpTo(span.SourceOffset);
            _next = Math.Max(_next, span.SourceOffset + 1);
        }
        SettleUpTo(through + 1);
        _clock = clock;
    }

    /// <summary>The span with this offset has left the buffer.</summary>
    public void Settle(long offset)
    {
        if (offset < _low) return;
        Chunk chunk = ChunkAt(offset);
        if (TrySet(chunk, offset)) chunk.Change++;
    }

    /// <summary>Whether what came with an offset has left, or was never to come in.</summary>
    public bool IsSettled(long offset)
    {
        if (offset < _low) return true;
        long index = (offset / SettledOffsets.ChunkOffsets) - _firstChunk;
        return index < _chunks.Count && _chunks[(int)index] is { } chunk && (SettledOffsets.WordOf(chunk.Words, offset) & SettledOffsets.BitOf(offset)) != 0;
    }

    /// <summary>How far the shard is, or would be if what is marked as removed in these traces had left.</summary>
    public void Take(ClaimBatch? claim, Range traces, ProgressSnapshot into)
    {
        into.Life = _life;
        if (claim is not null) SetClaimed(claim, traces, into);
        long low = Math.Min(FirstUnsettled(_low), _next);
        BatchStart start = low == _next ? new BatchStart(_next, _clock) : StartBefore(low);
        (into.ReadOnFrom, into.Clock) = (start.Offset, start.Clock);
        long firstChunk = start.Offset / SettledOffsets.ChunkOffsets;
        for (int i = 0; i < _chunks.Count; i++)
        {
            if (_chunks[i] is not { } chunk) continue;
            long index = _firstChunk + i;
            if (index < firstChunk)
            {
                if (chunk.Saved >= 0) into.OutdatedChunks.Add(index);
                continue;
            }
            if (chunk.Change > Math.Max(chunk.Saved, 0) || chunk.IsClaimed) into.Add(index, chunk.Change, MemoryMarshal.AsBytes(chunk.Words.AsSpan()));
            chunk.IsClaimed = false;
        }
        into.OutdatedChunks.AddRange(_outdated);
        into.HasChanged = into.Chunks.Count + into.OutdatedChunks.Count > 0 || into.ReadOnFrom != _savedReadOn;
        foreach (long offset in into.Claimed) Clear(ChunkAt(offset), offset);
    }

    /// <summary>What the snapshot says is kept elsewhere now, and what it goes with has happened.</summary>
    public void Acknowledge(ProgressSnapshot snapshot)
    {
        if (snapshot.Life != _life) return;
        foreach (long offset in snapshot.Claimed) TrySet(ChunkAt(offset), offset);
        foreach (ProgressSnapshot.Chunk saved in snapshot.Chunks)
        {
            Chunk chunk = ChunkAt(saved.Index * SettledOffsets.ChunkOffsets);
            chunk.Saved = Math.Max(chunk.Saved, saved.Change);
        }
        _savedReadOn = snapshot.ReadOnFrom;
        _outdated.RemoveAll(snapshot.OutdatedChunks.Contains);
        // What lies before the place to read on from is forgotten.
        _low = Math.Min(FirstUnsettled(_low), _next);
        while (_laterBatches.TryPeek(out BatchStart later) && later.Offset <= _low) _firstBatch = _laterBatches.Dequeue();
        if (_low == _next) _firstBatch = null;
        long firstChunk = (_firstBatch?.Offset ?? _next) / SettledOffsets.ChunkOffsets;
        int count = (int)Math.Min(firstChunk - _firstChunk, _chunks.Count);
        for (int i = 0; i < count; i++)
            if (_chunks[i]?.Saved >= 0 && !snapshot.OutdatedChunks.Contains(_firstChunk + i)) _outdated.Add(_firstChunk + i);
        _chunks.RemoveRange(0, count);
        _firstChunk = firstChunk;
    }

    /// <summary>What was acknowledged is gone: the next snapshot has everything.</summary>
    public void ForgetAcknowledged()
    {
        foreach (Chunk? chunk in _chunks)
            if (chunk is not null) (chunk.Saved, chunk.Change) = (-1, Math.Max(chunk.Change, 1));
        _outdated.Clear();
        _savedReadOn = -1;
    }

    /// <summary>Offsets that were read and are not settled.</summary>
    /// <param name="end">Exclusive.</param>
    public long CountUnsettled(long from, long end)
    {
        long count = 0;
        end = Math.Min(end, _next);
        for (from = Math.Max(from, _low); from < end;)
        {
            long wordEnd = Math.Min((from / 64 * 64) + 64, end);
            ulong range = (wordEnd - from == 64 ? ulong.MaxValue : (1UL << (int)(wordEnd - from)) - 1) << (int)(from % 64);
            long index = (from / SettledOffsets.ChunkOffsets) - _firstChunk;
            ulong settled = index < _chunks.Count && _chunks[(int)index] is { } chunk ? SettledOffsets.WordOf(chunk.Words, from) : 0;
            count += BitOperations.PopCount(~settled & range);
            from = wordEnd;
        }
        return count;
    }

    private BatchStart StartBefore(long low)
    {
        BatchStart found = _firstBatch!.Value;
        foreach (BatchStart batch in _laterBatches)
        {
            if (batch.Offset > low) break;
            found = batch;
        }
        return found;
    }

    private void SettleUpTo(long end)
    {
        while (_next < end)
        {
            Chunk chunk = ChunkAt(_next);
            chunk.Change++;
            ref ulong word = ref SettledOffsets.WordOf(chunk.Words, _next);
            if (_next % 64 == 0 && end - _next >= 64)
            {
                word = ulong.MaxValue;
                _next += 64;
                continue;
            }
            word |= SettledOffsets.BitOf(_next);
            _next++;
        }
    }

    private void SetClaimed(ClaimBatch claim, Range traces, ProgressSnapshot into)
    {
        ReadOnlySpan<bool> removed = claim.Removed;
        ReadOnlySpan<BufferedSpan> spans = claim.Spans;
        foreach (ref readonly ClaimedTrace trace in claim.Traces[traces])
        {
            for (int i = trace.FirstSpan; i < trace.FirstSpan + trace.SpanCount; i++)
            {
                long offset = spans[i].SourceOffset;
                if (!removed[i] || offset < _low || ChunkAt(offset) is var chunk && !TrySet(chunk, offset)) continue;
                chunk.IsClaimed = true;
                into.Claimed.Add(offset);
            }
        }
    }

    private Chunk ChunkAt(long offset)
    {
        long index = (offset / SettledOffsets.ChunkOffsets) - _firstChunk;
        while (_chunks.Count <= index) _chunks.Add(null);
        return _chunks[(int)index] ??= new Chunk();
    }

    private static bool TrySet(Chunk chunk, long offset)
    {
        ref ulong word = ref SettledOffsets.WordOf(chunk.Words, offset);
        ulong bit = SettledOffsets.BitOf(offset);
        if ((word & bit) != 0) return false;
        word |= bit;
        return true;
    }

    private static void Clear(Chunk chunk, long offset) => SettledOffsets.WordOf(chunk.Words, offset) &= ~SettledOffsets.BitOf(offset);

    private long FirstUnsettled(long from)
    {
        while (true)
        {
            long index = (from / SettledOffsets.ChunkOffsets) - _firstChunk;
            if (index >= _chunks.Count || _chunks[(int)index] is not { } chunk) return from;
            int word = (int)(from % SettledOffsets.ChunkOffsets / 64);
            ulong unset = ~chunk.Words[word] & (ulong.MaxValue << (int)(from % 64));
            while (unset == 0 && ++word < chunk.Words.Length) unset = ~chunk.Words[word];
            from = (_firstChunk + index) * SettledOffsets.ChunkOffsets;
            if (unset != 0) return from + (word * 64L) + BitOperations.TrailingZeroCount(unset);
            from += SettledOffsets.ChunkOffsets;
        }
    }
}

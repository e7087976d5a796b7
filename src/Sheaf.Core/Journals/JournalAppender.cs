using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Spans;

namespace Sheaf.Journals;

/// <summary>
/// The reader's side of a journal: the ingest pipeline stores its batches here, and the flusher workers take them from the journal. For one shard one
/// call after the other; any thread.
/// </summary>
/// <remarks>
/// What holds at each moment: an entry that was acknowledged is in the journal, and in the memory of one process besides: here until the shard's worker
/// has taken it (<see cref="ShardCells.ReadThrough"/>), then there until its spans are settled. So where the journal comes back with less than it
/// had acknowledged, the worker writes it anew from what it has, this side appends what the worker had not taken, and nothing is lost unless the
/// worker has died in the same moment.
/// </remarks>
public sealed class JournalAppender : ISpanAppender, IDisposable
{
    private readonly IJournal _journal;
    private readonly ControlBlock _control;
    private readonly Action<ShardId, string> _lost;
    private readonly Shard[] _shards;

    /// <param name="lost">Told of a shard of which something is gone for good, and why.</param>
    public JournalAppender(IJournal journal, ControlBlock control, Action<ShardId, string> lost)
    {
        _journal = journal;
        _control = control;
        _lost = lost;
        _shards = [.. Enumerable.Range(0, control.ShardCount).Select(_ => new Shard())];
    }

    /// <summary>Opens the reader's side of a shard: from here on no other process appends to it. Before its first append.</summary>
    public async ValueTask<JournalShard> OpenAsync(ShardId id, CancellationToken cancel)
    {
        Shard shard = _shards[id.Value];
        JournalShard opened = await _journal.OpenAsync(id, JournalSide.Appender, cancel);
        shard.NotTaken.Clear();
        shard.Generation = opened.Generation;
        shard.Stored = opened.Stored ?? StoredPosition.BeforeFirst;
        shard.NeedsRejoining = false;
        shard.ReleasedThrough = shard.Stored.Offset;
        return opened;
    }

    /// <summary>The shard's input is read from behind here on, but for these offsets. For a shard of which the journal holds nothing.</summary>
    /// <exception cref="ClaimLapsedException">Another process was given the shard.</exception>
    public async ValueTask BeginAsync(ShardId id, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        Shard shard = _shards[id.Value];
        JournalOutcome outcome = await _journal.BeginAsync(id, shard.Generation!, stored, settled, cancel);
        if (outcome == JournalOutcome.Superseded) throw Lapsed(id);
        if (outcome != JournalOutcome.Done) throw new BufferUnavailableException($"journal of shard {id}: it has changed since it was opened");
        shard.Stored = stored;
    }

    /// <summary>Appends again what a worker misses in the journal. Beside appends; one call after the other.</summary>
    public async ValueTask ResendAsync(CancellationToken cancel)
    {
        for (int s = 0; s < _shards.Length; s++)
        {
            var id = new ShardId(s);
            Shard shard = _shards[s];
            long wanted = _control.Shard(id).ResendsWanted;
            if (wanted == shard.ResendsSeen || shard.Generation is null) continue;
            await shard.Turn.WaitAsync(cancel);
            try
            {
                await RejoinAsync(id, shard, cancel);
                shard.ResendsSeen = wanted;
            }
            finally
            {
                shard.Turn.Release();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel)
    {
        Shard shard = _shards[batch.Shard.Value];
        await shard.Turn.WaitAsync(cancel);
        try
        {
            await AppendInTurnAsync(batch, shard, cancel);
        }
        finally
        {
            shard.Turn.Release();
        }
    }

    private async ValueTask AppendInTurnAsync(SpanBatch batch, Shard shard, CancellationToken cancel)
    {
        Release(batch.Shard, shard);
        while (shard.Stored.Offset < batch.Through.Offset)
        {
            // Where the batch was cut before and its second part was not stored, only that is left.
            if (shard.NeedsRejoining) Keep(batch, await RejoinAsync(batch.Shard, shard, cancel), shard);
            else await AppendAsync(batch, IndexBehind(batch, shard.Stored.Offset).., batch.Through, shard, cancel);
        }
    }

    /// <summary>The fuller of the journal and the worker that has least room.</summary>
    public async ValueTask<double> LoadAsync(CancellationToken cancel)
    {
        double load = await _journal.LoadAsync(cancel);
        for (int worker = 0; worker < _control.WorkerCount; worker++) load = Math.Max(load, _control.Worker(worker).BufferLoad);
        return load;
    }

    public void Dispose()
    {
        foreach (Shard shard in _shards) shard.Turn.Dispose();
    }

    private async ValueTask AppendAsync(SpanBatch batch, Range range, StoredPosition through, Shard shard, CancellationToken cancel)
    {
        JournalEntry entry = _journal.Pack(batch, range, shard.Stored.Offset, through);
        switch (await _journal.AppendAsync(batch.Shard, entry, shard.Generation!, cancel))
        {
            case JournalOutcome.Done:
                shard.Stored = through;
                if (entry.Spans > 0) shard.NotTaken.Enqueue(entry);
                return;
            case JournalOutcome.Superseded:
                throw Lapsed(batch.Shard);
            case JournalOutcome.Lost:
                shard.NeedsRejoining = true;
                return; // and once more, from where the journal is then
            case JournalOutcome.TooLarge:
                await AppendHalvesAsync(batch, range, through, shard, cancel);
                return;
        }
    }

    /// <summary>The server takes no command of that size.</summary>
    private async ValueTask AppendHalvesAsync(SpanBatch batch, Range range, StoredPosition through, Shard shard, CancellationToken cancel)
    {
        (int start, int count) = range.GetOffsetAndLength(batch.Count);
        if (count < 2)
            throw new SpanTooLargeException(batch.Spans[start].SourceOffset);
        int middle = start + (count / 2);
        StoredPosition half = PositionOf(batch.Spans[middle - 1]);
        await AppendAsync(batch, start..middle, half, shard, cancel);
        if (shard.Stored == half) await AppendAsync(batch, middle..(start + count), through, shard, cancel);
    }

    /// <summary>
    /// The journal is not where this side has left it. Goes on where the worker has written it anew, with what the worker had not taken.
    /// </summary>
    /// <returns>How far the input is stored then.</returns>
    /// <exception cref="BufferUnavailableException">The worker has not done so yet.</exception>
    private async ValueTask<StoredPosition> RejoinAsync(ShardId id, Shard shard, CancellationToken cancel)
    {
        ShardCells cells = _control.Shard(id);
        JournalShard now = await _journal.LookAsync(id, cancel);
        long taken = cells.TakenThrough;
        if (!now.IsWhole || now.Stored is not { } stored || stored.Offset < taken)
        {
            cells.RestoresWanted++;
            throw new BufferUnavailableException(
                $"journal of shard {id}: the server came back without what it had acknowledged; the flusher worker writes it anew, the input waits");
        }
        if (await _journal.RenewAsync(id, shard.Generation!, cancel) == JournalOutcome.Superseded) throw Lapsed(id);
        StoredPosition before = shard.Stored;
        long at = stored.Offset;
        if (at < shard.ReleasedThrough)
            _lost(id, $"the messages behind {at} up to {shard.ReleasedThrough} are gone: the journal and the memory of the flusher worker were lost at once");
        // What the worker has not taken stays here, also where the journal has it: until the worker has noticed the loss too, it may still write it anew.
        foreach (JournalEntry entry in shard.NotTaken)
        {
            if (entry.Through.Offset <= at) continue;
            await AppendAgainAsync(id, entry with { First = at }, shard, cancel);
            at = entry.Through.Offset;
        }
        if (at < before.Offset) await AppendAgainAsync(id, new JournalEntry(0, at, before, 0, default, ""), shard, cancel);
        shard.NeedsRejoining = false;
        return stored.Offset > before.Offset ? stored : before;
    }

    /// <summary>Where a part of the batch is stored already, since the answer to an append of it has not come, it is kept as others are.</summary>
    private void Keep(SpanBatch batch, StoredPosition stored, Shard shard)
    {
        if (stored.Offset <= shard.Stored.Offset) return;
        JournalEntry entry = _journal.Pack(batch, IndexBehind(batch, shard.Stored.Offset)..IndexBehind(batch, stored.Offset), shard.Stored.Offset, stored);
        if (entry.Spans > 0) shard.NotTaken.Enqueue(entry);
        shard.Stored = stored;
    }

    /// <summary>The index of the first span behind an offset.</summary>
    private static int IndexBehind(SpanBatch batch, long offset)
    {
        int index = 0;
        while (index < batch.Count && batch.Spans[index].SourceOffset <= offset) index++;
        return index;
    }

    private async ValueTask AppendAgainAsync(ShardId id, JournalEntry entry, Shard shard, CancellationToken cancel)
    {
        JournalOutcome outcome = await _journal.AppendAsync(id, entry, shard.Generation!, cancel);
        if (outcome == JournalOutcome.Superseded) throw Lapsed(id);
        if (outcome != JournalOutcome.Done) throw new BufferUnavailableException($"journal of shard {id}: it has lost once more what it had acknowledged");
    }

    /// <summary>The clock as far as the span tells it: which traces were far ahead of it is not known there.</summary>
    private static StoredPosition PositionOf(in TraceSpan span) =>
        new(span.SourceOffset, new StreamClock(span.StreamTimeMs - span.AheadMs, span.LeaptMs - span.AheadMs, 0, 0));

    private void Release(ShardId id, Shard shard)
    {
        long taken = _control.Shard(id).TakenThrough;
        while (shard.NotTaken.TryPeek(out JournalEntry first) && first.Through.Offset <= taken)
            shard.ReleasedThrough = shard.NotTaken.Dequeue().Through.Offset;
    }

    private static ClaimLapsedException Lapsed(ShardId id) =>
        new($"journal of shard {id}: another process has begun to append to it. What was not stored here is that one's to read");

    private sealed class Shard
    {
        public JournalGeneration? Generation { get; set; }

        /// <summary>What the journal has acknowledged last.</summary>
        public StoredPosition Stored { get; set; } = StoredPosition.BeforeFirst;

        /// <summary>What was appended, and the worker has not taken yet.</summary>
        public Queue<JournalEntry> NotTaken { get; } = new();

        /// <summary>What is not kept here any more: the worker has taken it, or it was stored before the shard was opened.</summary>
        public long ReleasedThrough { get; set; } = StoredPosition.BeforeFirst.Offset;

        /// <summary>The journal is not where this side has left it.</summary>
        public bool NeedsRejoining { get; set; }

        /// <summary>See <see cref="ShardCells.ResendsWanted"/>.</summary>
        public long ResendsSeen { get; set; }

        /// <summary>Of the one who appends.</summary>
        public SemaphoreSlim Turn { get; } = new(1, 1);
    }
}

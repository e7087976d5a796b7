using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Spans;

namespace Sheaf.Journals;

/// <summary>What a <see cref="JournaledBuffer"/> needs to know. Immutable.</summary>
/// <param name="Format">How the messages are written.</param>
/// <param name="VerifyInterval">How often the journal of a shard is looked at in which nothing happens, so that it does not expire.</param>
public sealed record JournaledBufferOptions(SpanFormat Format, TimeSpan VerifyInterval)
{
    /// <summary>How often what has left is settled. A crash repeats at most what has left since.</summary>
    public TimeSpan SettleInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Entries that together are smaller than this, in bytes, are not carried forward.</summary>
    public long LeastCarriedBytes { get; init; } = 256 << 10;
}

/// <summary>
/// A flusher worker's client of a buffer that a journal makes durable: the spans wait in the memory of the worker's process, which is filled from the
/// journal, and what has left is settled there. Owner: one worker, but for <see cref="Fence"/>.
/// </summary>
/// <remarks>
/// What holds at each moment:
/// <list type="bullet">
/// <item>The memory has everything up to <see cref="ShardCells.ReadThrough"/> that is not settled. A claim is given only when it has everything
/// that was stored before the clock moved that the claim is made for: so no segment leaves in part.</item>
/// <item>An entry of the journal is kept here, packed as it came, until all its spans are settled. A journal that has lost something is written anew from that.</item>
/// <item>What was removed and is not settled leaves once more after a crash, with the same flush ids.</item>
/// </list>
/// </remarks>
public sealed class JournaledBuffer : ISpanClaimer
{
    private const int MostEntriesAtOnce = 64;

    /// <summary>Entries are carried forward when they are so many times as large as what waits in them.</summary>
    private const int MostDead = 4;

    /// <summary>Spans of an entry that others were carried into: as many as make the compression good.</summary>
    private const int GoodSpans = 1000;

    /// <summary>The same in packed bytes.</summary>
    private const int GoodBytes = 512 << 10;

    private readonly IJournal _journal;
    private readonly MemoryBuffer _memory;
    private readonly MemorySpanBuffer _client;
    private readonly ISpanParser _parser;
    private readonly ControlBlock _control;
    private readonly WorkerCells _worker;
    private readonly JournaledBufferOptions _options;
    private readonly TimeProvider _time;
    private readonly Action<SheafException> _trouble;
    private readonly Dictionary<ShardId, Shard> _shards = [];
    private readonly JournalMessages _messages = new();
    private readonly List<long> _removed = [];
    private readonly List<Shard> _superseded = [];
    private long _settledAt;
    private volatile bool _isFenced;

    /// <param name="memory">Of this worker alone; keeps progress.</param>
    /// <param name="worker">Its number in the control block.</param>
    /// <param name="trouble">Told of what the journal has lost.</param>
    public JournaledBuffer(
        IJournal journal, MemoryBuffer memory, ControlBlock control, int worker, JournaledBufferOptions options, TimeProvider time,
        Action<SheafException> trouble)
    {
        _journal = journal;
        _memory = memory;
        _client = memory.OpenClient();
        _parser = options.Format.CreateParser();
        _control = control;
        _worker = control.Worker(worker);
        _options = options;
        _time = time;
        _trouble = trouble;
    }

    /// <summary>Takes from this client the right to do anything more. Any thread; does not wait.</summary>
    public void Fence()
    {
        _isFenced = true;
        _client.Fence();
    }

    /// <inheritdoc/>
    public async ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel)
    {
        for (int i = 0; i < shards.Length; i++)
        {
            ThrowIfFenced();
            ShardId id = shards.Span[i];
            // Memory that was there before is as good as ever, unless another worker has had the shard since.
            if (_shards.TryGetValue(id, out Shard? shard) && !await IsCurrentAsync(shard, cancel)) Drop(shard);
            if (!_shards.ContainsKey(id)) await OpenAsync(id, cancel);
            await CatchUpAsync(_shards[id], cancel);
        }
        await _client.TakeOverAsync(shards, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel)
    {
        ThrowIfFenced();
        await CatchUpAsync(Held(shard), cancel);
        await _client.ClaimAsync(shard, beforeMs, maxTraces, into, cancel);
    }

    /// <inheritdoc/>
    public ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel) => _client.ReadPayloadsAsync(batch, spans, cancel);

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span) => _client.Payload(batch, span);

    /// <inheritdoc/>
    public ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel)
    {
        Held(batch.Shard).HasUnsettled = true;
        return _client.RemoveAsync(batch, traces, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> SettleAsync(bool now, CancellationToken cancel)
    {
        ShowLoad();
        // All at once, so that there are moments at which nothing is left to be settled.
        bool isDue = now || _time.GetElapsedTime(_settledAt) >= _options.SettleInterval;
        bool isSettled = true;
        _superseded.Clear();
        foreach (Shard shard in _shards.Values)
        {
            bool isWanted = now || shard.RestoresSeen != _control.Shard(shard.Id).RestoresWanted;
            if (shard.HasUnsettled ? isDue || isWanted : isWanted || _time.GetElapsedTime(shard.SettledAt) >= _options.VerifyInterval)
                await SettleOrVerifyAsync(shard, cancel);
            isSettled &= !shard.HasUnsettled;
        }
        if (isDue) _settledAt = _time.GetTimestamp();
        // The next claim says so.
        foreach (Shard shard in _superseded) Drop(shard);
        return isSettled;
    }

    /// <inheritdoc/>
    public async ValueTask LetGoAsync(ShardId shard, bool settles, CancellationToken cancel)
    {
        if (!_shards.TryGetValue(shard, out Shard? held)) return;
        try
        {
            if (settles && held.HasUnsettled && !_isFenced) await SettleAsync(held, cancel);
        }
        catch (SheafException e) when (e is BufferUnavailableException or ClaimLapsedException)
        {
            _trouble(e); // whoever has the shard next repeats what has left since it was settled last
        }
        Drop(held);
        Show(held);
        ShowLoad();
    }

    /// <summary>Ends this client; the journal is its owner's.</summary>
    public ValueTask DisposeAsync() => _client.DisposeAsync();

    private async ValueTask SettleOrVerifyAsync(Shard shard, CancellationToken cancel)
    {
        ThrowIfFenced();
        try
        {
            if (shard.HasUnsettled) await SettleAsync(shard, cancel);
            else await VerifyAsync(shard, cancel);
            Show(shard);
        }
        catch (ClaimLapsedException e)
        {
            _trouble(e);
            shard.HasUnsettled = false;
            _superseded.Add(shard);
        }
    }

    /// <summary>Whether this client still is the shard's worker, as far as the journal knows. A journal that has lost something is written anew.</summary>
    private async ValueTask<bool> IsCurrentAsync(Shard shard, CancellationToken cancel)
    {
        JournalOutcome outcome = await _journal.VerifyAsync(shard.Id, shard.ReadThrough, shard.Generation, cancel);
        if (outcome == JournalOutcome.Superseded) return false;
        if (outcome == JournalOutcome.Lost || shard.NeedsRestoring) await RestoreAsync(shard, cancel);
        return true;
    }

    /// <summary>Begins this worker's generation, and reads what the journal holds into the memory.</summary>
    private async ValueTask OpenAsync(ShardId id, CancellationToken cancel)
    {
        ShardCells cells = _control.Shard(id);
        JournalShard opened = await _journal.OpenAsync(id, JournalSide.Worker, cancel);
        var shard = new Shard(id, opened.Generation) { AppendedSpans = opened.AppendedSpans, RestoresSeen = cells.RestoresWanted };
        for (IReadOnlyList<JournalEntry> page; (page = await _journal.ReadAsync(id, shard.LastId, MostEntriesAtOnce, cancel)).Count > 0;)
        {
            shard.Entries.AddRange(page);
            shard.LastId = page[^1].Id;
        }
        // Entries that were carried forward were added after later ones.
        shard.Entries.Sort((one, other) => one.First.CompareTo(other.First));
        // What a worker before this one had taken, of the same life of the shard.
        long taken = cells.TakenThrough;
        bool isWhole = opened.IsWhole && opened.Stored is not null;
        long readOn = opened.Stored is not null ? opened.ReadOn : shard.Entries is [var oldest, ..] ? oldest.First : taken;
        _memory.Drop(id);
        _memory.Begin(id, new StoredPosition(readOn, StreamClock.NotStarted), opened.Settled);
        _shards.Add(id, shard);
        cells.ReadThrough = shard.ReadThrough = readOn;
        shard.Clock = opened.Stored?.Clock ?? new StreamClock(cells.ClockMs, cells.LeaptMs, 0, 0);
        foreach (JournalEntry entry in shard.Entries)
        {
            if (entry.Id > opened.LastEntry) (shard.AppendedSpans, shard.Clock) = (shard.AppendedSpans + entry.Spans, entry.Through.Clock); // came meanwhile
            Take(shard, entry, opened.Settled);
        }
        long stored = Math.Max(opened.Stored?.Offset ?? taken, shard.ReadThrough);
        if (isWhole && stored >= taken)
        {
            ReadUpTo(shard, stored);
            return;
        }
        // The journal has lost something and no memory has it any more: what is there is all that there is.
        CountLoss(shard, $"journal of shard {id}: the server came back without a part of what it had acknowledged, and the flusher worker that had it in its "
            + "memory is gone. What could be read again goes on; the ledger tells how many spans are lost");
        ReadUpTo(shard, isWhole ? stored : Math.Max(stored, taken));
        if (!isWhole) await RestoreAsync(shard, cancel);
    }

    /// <summary>Takes what was stored since. Afterwards the memory has everything that the parent had stored when this began.</summary>
    /// <exception cref="BufferUnavailableException">The journal has lost something of it, which has to come again first.</exception>
    private async ValueTask CatchUpAsync(Shard shard, CancellationToken cancel)
    {
        ShardCells cells = _control.Shard(shard.Id);
        long target = cells.StoredThrough;
        while (shard.ReadThrough < target)
        {
            ThrowIfFenced();
            IReadOnlyList<JournalEntry> page = await _journal.ReadAsync(shard.Id, shard.LastId, MostEntriesAtOnce, cancel);
            foreach (JournalEntry entry in page)
            {
                shard.LastId = entry.Id;
                if (entry.Through.Offset <= shard.ReadThrough)
                {
                    NoteCarried(shard, entry);
                    continue;
                }
                shard.AppendedSpans += entry.Spans;
                shard.Entries.Add(entry);
                shard.Clock = entry.Through.Clock;
                Take(shard, entry, SettledOffsets.None);
            }
            if (page.Count > 0) continue;
            // Messages without a span have no entry. Otherwise something is gone.
            JournalOutcome outcome = await _journal.VerifyAsync(shard.Id, target, shard.Generation, cancel);
            if (outcome == JournalOutcome.Superseded) throw Lapsed(shard.Id);
            if (outcome == JournalOutcome.Done)
            {
                ReadUpTo(shard, target);
                break;
            }
            if (!await IsCurrentAsync(shard, cancel)) throw Lapsed(shard.Id);
            cells.ResendsWanted++;
            throw new BufferUnavailableException(
                $"journal of shard {shard.Id}: the server came back without what it had acknowledged. It was written anew; the rest comes again from the reader");
        }
    }

    /// <summary>An entry that this worker has carried others into, and whose spans it has: the answer to that may not have come.</summary>
    private static void NoteCarried(Shard shard, JournalEntry carried)
    {
        if (shard.Entries.Exists(entry => entry.Id == carried.Id)) return;
        shard.Entries.RemoveAll(entry => entry.First >= carried.First && entry.Through.Offset <= carried.Through.Offset);
        int at = shard.Entries.FindIndex(entry => entry.First >= carried.First);
        shard.Entries.Insert(at < 0 ? shard.Entries.Count : at, carried);
    }

    /// <summary>Puts the spans of an entry into the memory.</summary>
    private void Take(Shard shard, in JournalEntry entry, SettledOffsets settled)
    {
        try
        {
            _journal.Unpack(entry, _messages);
        }
        catch (InvalidDataException e)
        {
            CountLoss(shard, $"journal of shard {shard.Id}: its entry {entry.Id}, with {entry.Spans} spans behind {entry.First}, cannot be read: {e.Message}");
            return;
        }
        SpanBatch batch = shard.Batch;
        batch.Reset(_messages.Bytes);
        TraceSpan span = default;
        foreach (ref readonly JournalMessage message in _messages.Messages)
        {
            if (message.SourceOffset <= shard.ReadThrough || settled.Contains(message.SourceOffset)) continue;
            if (!_parser.TryParse(_messages.BytesOf(message), ref span, out SpanFault fault))
            {
                CountLoss(shard, $"journal of shard {shard.Id}: the message at {message.SourceOffset}, which was accepted when it was stored, is refused now: "
                    + fault.Describe(_messages.BytesOf(message)));
                continue;
            }
            Place(ref span, message, message.Start);
            batch.Add() = span;
        }
        Append(shard, batch, entry.Through.Offset);
    }

    /// <summary>What a span has of its message and not of its text.</summary>
    /// <param name="start">Where its bytes begin in the batch's block.</param>
    private static void Place(ref TraceSpan span, in JournalMessage message, int start)
    {
        (span.SourceOffset, span.StreamTimeMs) = (message.SourceOffset, message.StreamTimeMs);
        (span.LeaptMs, span.AheadMs) = (message.LeaptMs, message.AheadMs);
        (span.PayloadStart, span.PayloadLength) = (start, message.Length);
    }

    /// <summary>What lies up to here has no span that waits.</summary>
    private void ReadUpTo(Shard shard, long through)
    {
        if (through > shard.ReadThrough)
        {
            shard.Batch.Reset(default);
            Append(shard, shard.Batch, through);
        }
        Show(shard);
    }

    private void Append(Shard shard, SpanBatch batch, long through)
    {
        if (through <= shard.ReadThrough && batch.Count == 0) return;
        // The clock of the shard is with its messages: progress needs none.
        batch.Through = new StoredPosition(Math.Max(through, shard.ReadThrough), StreamClock.NotStarted);
        _memory.Shard(shard.Id).Append(batch);
        shard.ReadThrough = batch.Through.Offset;
        ShardCells cells = _control.Shard(shard.Id);
        cells.ReadThrough = shard.ReadThrough;
    }

    private async ValueTask VerifyAsync(Shard shard, CancellationToken cancel)
    {
        shard.RestoresSeen = _control.Shard(shard.Id).RestoresWanted;
        if (!await IsCurrentAsync(shard, cancel)) throw Lapsed(shard.Id);
        shard.SettledAt = _time.GetTimestamp();
    }

    private async ValueTask SettleAsync(Shard shard, CancellationToken cancel)
    {
        if (shard.NeedsRestoring)
        {
            await RestoreAsync(shard, cancel);
            return;
        }
        shard.RestoresSeen = _control.Shard(shard.Id).RestoresWanted;
        _memory.TakeProgress(shard.Id, shard.Progress);
        _removed.Clear();
        foreach (JournalEntry entry in shard.Entries)
            if (_memory.CountWaiting(shard.Id, entry.First, entry.Through.Offset) == 0) _removed.Add(entry.Id);
        long settled = shard.AppendedSpans - _memory.Measure(shard.Id).Spans;
        JournalOutcome outcome = await _journal.SettleAsync(
            shard.Progress, _removed.ToArray(), settled, shard.ReadThrough, shard.Generation, cancel);
        switch (outcome)
        {
            case JournalOutcome.Done:
                _memory.AcknowledgeProgress(shard.Progress);
                var gone = new HashSet<long>(_removed);
                shard.Entries.RemoveAll(entry => gone.Contains(entry.Id));
                break;
            case JournalOutcome.Lost:
                await RestoreAsync(shard, cancel);
                break;
            case JournalOutcome.Superseded:
                throw Lapsed(shard.Id);
            case JournalOutcome.TooLarge:
                throw new BufferUnavailableException($"journal of shard {shard.Id}: the server takes no command as large as what is settled");
        }
        shard.HasUnsettled = false;
        shard.SettledAt = _time.GetTimestamp();
        await CarryForwardAsync(shard, cancel);
    }

    /// <summary>Where the entries hold little that waits, what waits in the oldest of them goes on into a new one: a long trace must not keep all that came with it.</summary>
    private async ValueTask CarryForwardAsync(Shard shard, CancellationToken cancel)
    {
        // Entries in a row, so that what is between the first and the last of them is in the new one.
        for (int first = 0, end; first < shard.Entries.Count; first = end)
        {
            long bytes = 0, waitingBytes = 0, waitingSpans = 0;
            for (end = first; end < shard.Entries.Count && waitingSpans < GoodSpans && waitingBytes < GoodBytes; end++)
            {
                JournalEntry entry = shard.Entries[end];
                long waiting = _memory.CountWaiting(shard.Id, entry.First, entry.Through.Offset);
                bytes += entry.Packed.Length;
                waitingBytes += entry.Packed.Length * waiting / entry.Spans;
                waitingSpans += waiting;
            }
            if (end - first < 2 || bytes < _options.LeastCarriedBytes || bytes <= MostDead * waitingBytes) continue;
            await CarryForwardAsync(shard, first, end - first, cancel);
            return; // one at a time: what is due must not wait for it
        }
    }

    private async ValueTask CarryForwardAsync(Shard shard, int first, int count, CancellationToken cancel)
    {
        SpanBatch batch = shard.Batch;
        var messages = new MemoryStream();
        batch.Reset(default);
        for (int e = first; e < first + count; e++)
        {
            _journal.Unpack(shard.Entries[e], _messages);
            foreach (ref readonly JournalMessage message in _messages.Messages)
            {
                if (!_memory.IsWaiting(shard.Id, message.SourceOffset)) continue;
                ref TraceSpan span = ref batch.Add();
                span = default;
                Place(ref span, message, (int)messages.Length);
                messages.Write(_messages.BytesOf(message));
            }
        }
        batch.Refer(messages.GetBuffer().AsMemory(0, (int)messages.Length));
        JournalEntry carried = _journal.Pack(batch, .., shard.Entries[first].First, shard.Entries[first + count - 1].Through);
        long[] replaced = [.. shard.Entries.GetRange(first, count).Select(entry => entry.Id)];
        (JournalOutcome outcome, long id) = await _journal.CarryForwardAsync(shard.Id, carried, replaced, shard.ReadThrough, shard.Generation, cancel);
        if (outcome == JournalOutcome.Superseded) throw Lapsed(shard.Id);
        if (outcome != JournalOutcome.Done) return; // the next settling tells
        shard.Entries.RemoveRange(first, count);
        shard.Entries.Insert(first, carried with { Id = id });
    }

    /// <summary>Writes the journal of a shard anew: the memory has everything that waits.</summary>
    private async ValueTask RestoreAsync(Shard shard, CancellationToken cancel)
    {
        ShardCells cells = _control.Shard(shard.Id);
        shard.RestoresSeen = cells.RestoresWanted;
        _memory.ForgetAcknowledged(shard.Id);
        _memory.TakeProgress(shard.Id, shard.Progress);
        shard.Entries.RemoveAll(entry => _memory.CountWaiting(shard.Id, entry.First, entry.Through.Offset) == 0);
        long waiting = _memory.Measure(shard.Id).Spans;
        shard.NeedsRestoring = true; // where the answer does not come, the entries may have their new ids already
        JournalOutcome outcome = await _journal.RestoreAsync(
            shard.Progress, new StoredPosition(shard.ReadThrough, shard.Clock), shard.Entries, waiting, shard.Generation, cancel);
        if (outcome == JournalOutcome.Superseded) throw Lapsed(shard.Id);
        if (outcome != JournalOutcome.Done)
            throw new BufferUnavailableException($"journal of shard {shard.Id}: it could not be written anew ({outcome})");
        shard.NeedsRestoring = false;
        for (int i = 0; i < shard.Entries.Count; i++) shard.Entries[i] = shard.Entries[i] with { Id = i + 1 };
        (shard.LastId, shard.AppendedSpans, shard.HasUnsettled) = (shard.Entries.Count, waiting, false);
        _memory.AcknowledgeProgress(shard.Progress);
        cells.RestoredJournals++;
        _trouble(new BufferLostException(string.Create(
            CultureInfo.InvariantCulture,
            $"journal of shard {shard.Id}: the server came back without a part of what it had acknowledged (a failover, an old file, or removed keys). It was written anew from memory, with {waiting} spans: nothing is lost")) { IsMadeGood = true });
    }

    private void CountLoss(Shard shard, string what)
    {
        ShardCells cells = _control.Shard(shard.Id);
        cells.Losses++;
        _trouble(new BufferLostException(what));
    }

    private void Drop(Shard shard)
    {
        _shards.Remove(shard.Id);
        _memory.Drop(shard.Id);
    }

    /// <summary>Shows what waits in a shard, for metrics.</summary>
    private void Show(Shard shard)
    {
        BufferDepth depth = _memory.Measure(shard.Id);
        ShardCells cells = _control.Shard(shard.Id);
        cells.BufferedTraces = depth.Traces;
        cells.BufferedBytes = depth.PayloadBytes;
        cells.EarliestDeadlineMs = depth.EarliestDeadlineMs;
    }

    private void ShowLoad()
    {
        WorkerCells worker = _worker;
        worker.BufferLoad = _memory.Load;
    }

    private Shard Held(ShardId shard) => _shards.TryGetValue(shard, out Shard? held) ? held : throw Lapsed(shard);

    private void ThrowIfFenced()
    {
        if (_isFenced) throw new ClaimLapsedException("This client of the buffer was fenced: its worker was replaced.");
    }

    private static ClaimLapsedException Lapsed(ShardId shard) => new($"journal of shard {shard}: another worker has taken the shard over");

    private sealed class Shard(ShardId id, JournalGeneration generation)
    {
        public ShardId Id { get; } = id;

        public JournalGeneration Generation { get; } = generation;

        /// <summary>Entries with spans that wait, by position.</summary>
        public List<JournalEntry> Entries { get; } = [];

        /// <summary>The id of the last entry that was taken.</summary>
        public long LastId { get; set; }

        /// <summary>The offset up to which the memory has everything.</summary>
        public long ReadThrough { get; set; }

        /// <summary>The shard's clock behind the last entry.</summary>
        public StreamClock Clock { get; set; }

        /// <summary>Spans that the journal has had since it began.</summary>
        public long AppendedSpans { get; set; }

        /// <summary>Something was removed since it was settled last.</summary>
        public bool HasUnsettled { get; set; }

        /// <summary>The journal is being written anew, and has not said yet that it is.</summary>
        public bool NeedsRestoring { get; set; }

        /// <summary>When the journal was written to last, as a timestamp.</summary>
        public long SettledAt { get; set; }

        /// <summary>See <see cref="ShardCells.RestoresWanted"/>.</summary>
        public long RestoresSeen { get; set; }

        public ProgressSnapshot Progress { get; } = new();

        public SpanBatch Batch { get; } = new(id);
    }
}

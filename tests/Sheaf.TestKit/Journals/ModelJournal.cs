using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Journals;
using Sheaf.Spans;

namespace Sheaf.TestKit.Journals;

/// <summary>
/// The contract of a journal in its plainest form: what the others are compared with. It keeps everything in the memory of the test, and can lose what a server can lose.
/// One thread at a time.
/// </summary>
public sealed class ModelJournal(JournalOrigin origin) : IJournal
{
    private readonly Dictionary<ShardId, Shard> _shards = [];
    private readonly Dictionary<ShardId, Shard> _saved = [];

    private sealed record Entry(long Id, long First, long Through, byte[] Messages, int Spans);

    private sealed record Shard
    {
        public Dictionary<JournalSide, long> Generations { get; init; } = [];
        public StoredPosition? Stored { get; set; }
        public StoredPosition ReadOn { get; set; } = StoredPosition.BeforeFirst;
        public SortedDictionary<long, byte[]> Settled { get; init; } = [];
        public long Appended { get; set; }
        public long SettledSpans { get; set; }
        public long LastEntry { get; set; }
        public List<Entry> Entries { get; init; } = [];

        public Shard Copy() => this with { Generations = new(Generations), Settled = new(Settled), Entries = [.. Entries] };
    }

    public ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel)
    {
        Shard known = Of(shard);
        known.Generations[side] = known.Generations.GetValueOrDefault(side) + 1;
        var settled = new SettledOffsets(known.Settled.Select(c => KeyValuePair.Create(c.Key, (ReadOnlyMemory<byte>)c.Value)));
        return new(new JournalShard(
            known.Generations[side], known.Stored, known.ReadOn, settled, known.Appended, known.SettledSpans, IsWhole: true, known.Stored is null ? default : origin));
    }

    public ValueTask<JournalOutcome> BeginAsync(
        ShardId shard, JournalSide side, long generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        Shard known = Of(shard);
        if (Refusal(known, side, generation) is { } refusal) return new(refusal);
        known = _shards[shard] = new Shard { Generations = known.Generations, Stored = stored, ReadOn = stored };
        foreach ((long index, ReadOnlyMemory<byte> bits) in settled.ToChunks()) known.Settled[index] = bits.ToArray();
        return new(JournalOutcome.Done);
    }

    public ValueTask<JournalOutcome> AppendAsync(SpanBatch batch, long storedBefore, long generation, CancellationToken cancel)
    {
        Shard known = Of(batch.Shard);
        if (Refusal(known, JournalSide.Appender, generation) is { } refusal) return new(refusal);
        if (known.Stored?.Offset >= batch.Through.Offset) return new(JournalOutcome.Done);
        if (known.Stored?.Offset != storedBefore) return new(JournalOutcome.Lost);
        if (batch.Count > 0) Add(known, batch, storedBefore, batch.Through.Offset);
        known.Appended += batch.Count;
        known.Stored = batch.Through;
        return new(JournalOutcome.Done);
    }

    public ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel) =>
        new([.. Of(shard).Entries.Where(e => e.Id > after).Take(most).Select(e => new JournalEntry(e.Id, e.First, e.Through, e.Spans, e.Messages, "none"))]);

    public void Unpack(in JournalEntry entry, JournalMessages into)
    {
        entry.Packed.Span.CopyTo(into.Begin(entry.Packed.Length));
        into.Read();
    }

    public ValueTask<JournalOutcome> SettleAsync(
        ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, long generation, CancellationToken cancel)
    {
        Shard known = Of(progress.Shard);
        if (Refusal(known, JournalSide.Worker, generation) is { } refusal) return new(refusal);
        if (!(known.Stored?.Offset >= readThrough)) return new(JournalOutcome.Lost);
        known.ReadOn = new StoredPosition(progress.ReadOnFrom - 1, progress.ClockMs);
        foreach (ProgressSnapshot.Chunk chunk in progress.Chunks) known.Settled[chunk.Index] = chunk.Bits.ToArray();
        foreach (long index in progress.Outdated) known.Settled.Remove(index);
        long[] ids = removed.ToArray();
        known.Entries.RemoveAll(entry => ids.Contains(entry.Id));
        known.SettledSpans = settledSpans;
        return new(JournalOutcome.Done);
    }

    public ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
        SpanBatch waiting, ReadOnlyMemory<long> replaced, long readThrough, long generation, CancellationToken cancel)
    {
        Shard known = Of(waiting.Shard);
        if (Refusal(known, JournalSide.Worker, generation) is { } refusal) return new((refusal, 0));
        if (!(known.Stored?.Offset >= readThrough)) return new((JournalOutcome.Lost, 0));
        long[] ids = replaced.ToArray();
        known.Entries.RemoveAll(entry => ids.Contains(entry.Id));
        Add(known, waiting, waiting.Spans[0].SourceOffset - 1, waiting.Spans[^1].SourceOffset);
        return new((JournalOutcome.Done, known.LastEntry));
    }

    public ValueTask RemoveAsync(ShardId shard, CancellationToken cancel)
    {
        _shards.Remove(shard);
        return default;
    }

    public ValueTask<double> LoadAsync(CancellationToken cancel) => new(0);

    public ValueTask DisposeAsync() => default;

    /// <summary>What is there now is what a server would have on its disk.</summary>
    public void Save(ShardId shard) => _saved[shard] = Of(shard).Copy();

    /// <summary>The server came back with what it had on its disk; nothing, where nothing was saved.</summary>
    public void Restore(ShardId shard)
    {
        if (_saved.TryGetValue(shard, out Shard? saved)) _shards[shard] = saved.Copy();
        else _shards.Remove(shard);
    }

    private static JournalOutcome? Refusal(Shard shard, JournalSide side, long generation) => shard.Generations.GetValueOrDefault(side).CompareTo(generation) switch
    {
        > 0 => JournalOutcome.Superseded,
        < 0 => JournalOutcome.Lost,
        _ => null,
    };

    private static void Add(Shard shard, SpanBatch batch, long first, long through)
    {
        byte[] messages = new byte[JournalMessages.MostBytes(batch)];
        int length = JournalMessages.Write(batch, messages);
        shard.Entries.Add(new Entry(++shard.LastEntry, first, through, messages[..length], batch.Count));
    }

    private Shard Of(ShardId shard)
    {
        if (!_shards.TryGetValue(shard, out Shard? known)) _shards[shard] = known = new Shard();
        return known;
    }
}

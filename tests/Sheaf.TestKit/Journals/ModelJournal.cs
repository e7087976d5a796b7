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

    private long _lastGeneration;
    private long _lastStep;

    private sealed record Shard
    {
        public Dictionary<JournalSide, long> Generations { get; init; } = [];
        public Dictionary<JournalSide, long> Steps { get; init; } = [];
        public StoredPosition? Stored { get; set; }
        public long ReadOn { get; set; } = StoredPosition.BeforeFirst.Offset;
        public SortedDictionary<long, byte[]> Settled { get; init; } = [];
        public long Appended { get; set; }
        public long SettledSpans { get; set; }
        public long LastEntry { get; set; }
        public List<JournalEntry> Entries { get; init; } = [];

        public Shard Copy() => this with { Generations = new(Generations), Steps = new(Steps), Settled = new(Settled), Entries = [.. Entries] };
    }

    public ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel)
    {
        Shard known = Of(shard);
        known.Generations[side] = Math.Max(known.Generations.GetValueOrDefault(side), _lastGeneration) + 1;
        _lastGeneration = known.Generations[side];
        return new(Look(known, new JournalGeneration(side, known.Generations[side])));
    }

    public ValueTask<JournalOutcome> RenewAsync(ShardId shard, JournalGeneration generation, CancellationToken cancel)
    {
        Shard known = Of(shard);
        if (known.Generations.GetValueOrDefault(generation.Side) > generation.Number) return new(JournalOutcome.Superseded);
        known.Generations[generation.Side] = generation.Number;
        return Done(known, generation);
    }

    public ValueTask<JournalShard> LookAsync(ShardId shard, CancellationToken cancel) => new(Look(Of(shard), new JournalGeneration(JournalSide.Appender, 0)));

    private JournalShard Look(Shard known, JournalGeneration generation)
    {
        var settled = new SettledOffsets(known.Settled.Select(c => KeyValuePair.Create(c.Key, (ReadOnlyMemory<byte>)c.Value)));
        return new JournalShard(
            generation, known.Stored, known.ReadOn, settled, known.Appended, known.SettledSpans, known.LastEntry, IsWhole: true, known.Stored is null ? default : origin);
    }

    public ValueTask<JournalOutcome> BeginAsync(
        ShardId shard, JournalGeneration generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        Shard known = Of(shard);
        if (Refusal(known, generation) is { } refusal) return new(refusal);
        known = _shards[shard] = new Shard { Generations = known.Generations, Steps = known.Steps, Stored = stored, ReadOn = stored.Offset };
        foreach ((long index, ReadOnlyMemory<byte> bits) in settled.ToChunks()) known.Settled[index] = bits.ToArray();
        return Done(known, generation);
    }

    public JournalEntry Pack(SpanBatch batch, Range range, long first, StoredPosition through)
    {
        (int start, int count) = range.GetOffsetAndLength(batch.Count);
        byte[] messages = new byte[JournalMessages.MostBytes(batch, start, count)];
        int length = JournalMessages.Write(batch, start, count, messages);
        return new JournalEntry(0, first, through, count, messages.AsMemory(0, length), "none");
    }

    public ValueTask<JournalOutcome> AppendAsync(ShardId shard, JournalEntry entry, JournalGeneration generation, CancellationToken cancel)
    {
        Shard known = Of(shard);
        if (Refusal(known, generation) is { } refusal) return new(refusal);
        if (known.Stored?.Offset >= entry.Through.Offset) return Done(known, generation);
        if (known.Stored?.Offset != entry.First) return new(JournalOutcome.Lost);
        if (entry.Spans > 0) known.Entries.Add(entry with { Id = ++known.LastEntry });
        known.Appended += entry.Spans;
        known.Stored = entry.Through;
        return Done(known, generation);
    }

    public ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel) =>
        new([.. Of(shard).Entries.Where(e => e.Id > after).Take(most)]);

    public void Unpack(in JournalEntry entry, JournalMessages into)
    {
        entry.Packed.Span.CopyTo(into.Begin(entry.Packed.Length));
        into.Read();
    }

    public ValueTask<JournalOutcome> SettleAsync(
        ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, JournalGeneration generation, CancellationToken cancel)
    {
        Shard known = Of(progress.Shard);
        if (Refusal(known, generation, readThrough) is { } refusal) return new(refusal);
        Keep(known, progress);
        foreach (long index in progress.Outdated) known.Settled.Remove(index);
        long[] ids = removed.ToArray();
        known.Entries.RemoveAll(entry => ids.Contains(entry.Id));
        known.SettledSpans = settledSpans;
        return Done(known, generation);
    }

    public ValueTask<JournalOutcome> VerifyAsync(ShardId shard, long readThrough, JournalGeneration generation, CancellationToken cancel)
    {
        Shard known = Of(shard);
        return Refusal(known, generation, readThrough) is { } refusal ? new(refusal) : Done(known, generation);
    }

    public ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
        ShardId shard, JournalEntry waiting, ReadOnlyMemory<long> replaced, long readThrough, JournalGeneration generation, CancellationToken cancel)
    {
        Shard known = Of(shard);
        if (Refusal(known, generation, readThrough) is { } refusal) return new((refusal, 0));
        long[] ids = replaced.ToArray();
        known.Entries.RemoveAll(entry => ids.Contains(entry.Id));
        known.Entries.Add(waiting with { Id = ++known.LastEntry });
        Count(known, generation);
        return new((JournalOutcome.Done, known.LastEntry));
    }

    public ValueTask<JournalOutcome> RestoreAsync(
        ProgressSnapshot progress, StoredPosition stored, IReadOnlyList<JournalEntry> entries, long waitingSpans, JournalGeneration generation,
        CancellationToken cancel)
    {
        Shard known = Of(progress.Shard);
        if (known.Generations.GetValueOrDefault(generation.Side) > generation.Number) return new(JournalOutcome.Superseded);
        known.Generations[generation.Side] = generation.Number;
        known = _shards[progress.Shard] = new Shard
        {
            Generations = known.Generations, Steps = known.Steps, Stored = stored, Appended = waitingSpans, LastEntry = entries.Count,
            Entries = [.. entries.Select((entry, i) => entry with { Id = i + 1 })],
        };
        Keep(known, progress);
        return Done(known, generation);
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

    private static JournalOutcome? Refusal(Shard shard, JournalGeneration generation, long readThrough = -2)
    {
        long own = shard.Generations.GetValueOrDefault(generation.Side);
        if (own > generation.Number) return JournalOutcome.Superseded;
        bool isLost = own < generation.Number || shard.Steps.GetValueOrDefault(generation.Side) < generation.AcknowledgedStep || (shard.Stored?.Offset ?? -2) < readThrough;
        return isLost ? JournalOutcome.Lost : null;
    }

    private ValueTask<JournalOutcome> Done(Shard shard, JournalGeneration generation)
    {
        Count(shard, generation);
        return new(JournalOutcome.Done);
    }

    private void Count(Shard shard, JournalGeneration generation) => shard.Steps[generation.Side] = generation.AcknowledgedStep = ++_lastStep;

    private static void Keep(Shard known, ProgressSnapshot progress)
    {
        known.ReadOn = progress.ReadOnFrom - 1;
        foreach (ProgressSnapshot.Chunk chunk in progress.Chunks) known.Settled[chunk.Index] = chunk.Bits.ToArray();
    }

    private Shard Of(ShardId shard)
    {
        if (!_shards.TryGetValue(shard, out Shard? known)) _shards[shard] = known = new Shard();
        return known;
    }
}

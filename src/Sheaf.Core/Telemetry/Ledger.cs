namespace Sheaf.Telemetry;

/// <summary>
/// What became of the spans that were received. <c>received + carried over = produced + buffered + dead letters + duplicates + dropped + lost + handed over</c> in
/// every run, at its end and (give or take what is between two steps) while it goes on. In a healthy one nothing is lost.
/// </summary>
/// <param name="Received">Messages read, usable or not.</param>
/// <param name="Produced">Spans in messages that the output has taken.</param>
/// <param name="Buffered">Spans that wait.</param>
/// <param name="DeadLetters">Messages that could not be used.</param>
/// <param name="Duplicates">Copies of a span, removed (ARCHITECTURE.md, rule 7).</param>
/// <param name="Dropped">Spans that a drop rule took out.</param>
/// <param name="CarriedOver">Spans that waited in the buffer when the run began.</param>
/// <param name="Lost">Spans that the buffer has lost: a Redis server that came back without its data.</param>
/// <param name="HandedOver">Spans that waited in a shard when it went to another process, which has them now or reads them again.</param>
public readonly record struct LedgerCounts(
    long Received, long Produced, long Buffered, long DeadLetters, long Duplicates, long Dropped, long CarriedOver = 0, long Lost = 0,
    long HandedOver = 0)
{
    /// <summary>0 when the equation holds; positive: so many spans are unaccounted for; negative: so many were counted twice.</summary>
    public long Balance => Received + CarriedOver - (Produced + Buffered + DeadLetters + Duplicates + Dropped + Lost + HandedOver);

    public static LedgerCounts operator +(LedgerCounts a, LedgerCounts b) => new(
        a.Received + b.Received,
        a.Produced + b.Produced,
        a.Buffered + b.Buffered,
        a.DeadLetters + b.DeadLetters,
        a.Duplicates + b.Duplicates,
        a.Dropped + b.Dropped,
        a.CarriedOver + b.CarriedOver,
        a.Lost + b.Lost,
        a.HandedOver + b.HandedOver);

    public static LedgerCounts Add(LedgerCounts left, LedgerCounts right) => left + right;
}

/// <summary>One row of a ledger.</summary>
/// <param name="Shard">Null for messages that never had a shard: those whose trace could not be read.</param>
public readonly record struct ShardLedger(Spans.ShardId? Shard, LedgerCounts Counts);

/// <summary>Where every span of a run went, per shard. Immutable.</summary>
/// <param name="Shards">In the order in which they are shown.</param>
public sealed record Ledger(IReadOnlyList<ShardLedger> Shards)
{
    /// <summary>The sum over all rows.</summary>
    public LedgerCounts Total
    {
        get
        {
            LedgerCounts total = default;
            foreach (ShardLedger row in Shards)
                total += row.Counts;
            return total;
        }
    }

    /// <summary>0 when the ledger adds up, in total and in every row; else the sum of what each row is off by, signs left out, so that two errors cannot hide each other.</summary>
    public long Balance
    {
        get
        {
            long off = 0;
            foreach (ShardLedger row in Shards)
                off += Math.Abs(row.Counts.Balance);
            return off;
        }
    }

    public bool AddsUp => Balance == 0;
}

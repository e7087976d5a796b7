using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Spans;

namespace Sheaf.Journals;

/// <summary>
/// What makes the buffer of a shard durable: it keeps the accepted messages in order, it keeps the progress, and it refuses callers that have lost
/// the shard. It does not know what a trace is: segments are a pure function of a shard's input (ARCHITECTURE.md, rule 4), so the same messages
/// read again, without those that are settled, give the same segments.
/// </summary>
/// <remarks>
/// <para>
/// Per shard there is one appender (the process that reads the input) and one worker (the process that flushes). Each opens its side first and so
/// begins the next generation of that side; callers of earlier generations are refused from then on. Both sides work at the same time.
/// </para>
/// <para>
/// Every step happens as a whole or not at all, and may be sent again when its answer did not come: doing it twice is doing it once. So after a
/// crash of either side, at any moment, what was acknowledged is there, and nothing that was settled comes again.
/// </para>
/// <para>
/// Thread-safety: shards are independent; for one side of one shard one call after the other.
/// </para>
/// </remarks>
/// <exception cref="BufferUnavailableException">
/// By every step: the journal cannot be reached, or has no room (<see cref="BufferUnavailableException.IsFull"/>). The step may have happened: send
/// it again.
/// </exception>
public interface IJournal : IAsyncDisposable
{
    /// <summary>Begins the next generation of a side, and tells what the journal holds. Nobody of an earlier generation changes it afterwards.</summary>
    ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel);

    /// <summary>
    /// Makes the journal of a shard begin here: no entries, everything up to <paramref name="stored"/> is stored, and these later positions are
    /// settled. For a shard of which the journal holds nothing, or less than it has acknowledged.
    /// </summary>
    /// <returns><see cref="JournalOutcome.Done"/> or <see cref="JournalOutcome.Superseded"/>.</returns>
    ValueTask<JournalOutcome> BeginAsync(ShardId shard, JournalSide side, long generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel);

    /// <summary>Keeps the spans of a batch and <see cref="SpanBatch.Through"/>, in one step. A batch without spans keeps only the position.</summary>
    /// <param name="storedBefore">The offset that the caller has seen stored last: the batch holds what lies behind it.</param>
    /// <returns>
    /// <see cref="JournalOutcome.Done"/> also where the batch is stored already; <see cref="JournalOutcome.Lost"/> where the journal is not where the
    /// caller has left it; <see cref="JournalOutcome.TooLarge"/> where the server takes no command of that size.
    /// </returns>
    ValueTask<JournalOutcome> AppendAsync(SpanBatch batch, long storedBefore, long generation, CancellationToken cancel);

    /// <summary>The entries that were added behind another one, in the order in which they were added.</summary>
    /// <param name="after">An <see cref="JournalEntry.Id"/>; 0 = from the first.</param>
    /// <param name="most">At least 1.</param>
    ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel);

    /// <summary>The messages of an entry, each with its offset and its stream time. Any thread.</summary>
    /// <exception cref="InvalidDataException">It was written by a version that this one does not know, or is damaged.</exception>
    void Unpack(in JournalEntry entry, JournalMessages into);

    /// <summary>
    /// Keeps what is settled, and removes entries all of whose messages are. The worker's; after the output has acknowledged what has left.
    /// </summary>
    /// <param name="settledSpans">How many spans of the shard have left since its journal began (<see cref="JournalShard.SettledSpans"/> and those since).</param>
    /// <param name="readThrough">The offset up to which the worker knows the input to be stored.</param>
    ValueTask<JournalOutcome> SettleAsync(
        ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, long generation, CancellationToken cancel);

    /// <summary>
    /// Carries forward: adds an entry with the spans of others that are still waiting, and removes those others, in one step. The worker's.
    /// </summary>
    /// <param name="waiting">The spans, in input order; <see cref="SpanBatch.Through"/> is not kept.</param>
    /// <returns>The new entry's id beside <see cref="JournalOutcome.Done"/>.</returns>
    ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
        SpanBatch waiting, ReadOnlyMemory<long> replaced, long readThrough, long generation, CancellationToken cancel);

    /// <summary>Removes everything that the journal holds of a shard, generations too. For the end of a file, and for a run that begins anew.</summary>
    ValueTask RemoveAsync(ShardId shard, CancellationToken cancel);

    /// <summary>Share of the memory that the journal may use: 1 or more is full. Cheap; may be as old as a fraction of a second.</summary>
    ValueTask<double> LoadAsync(CancellationToken cancel);
}

/// <summary>The two sides of a shard's journal.</summary>
public enum JournalSide
{
    /// <summary>The process that reads the input.</summary>
    Appender,

    /// <summary>The process that flushes.</summary>
    Worker,
}

/// <summary>What became of a step.</summary>
public enum JournalOutcome
{
    /// <summary>It has happened.</summary>
    Done,

    /// <summary>A later generation has the side: the caller stops acting on the shard. Nothing was changed.</summary>
    Superseded,

    /// <summary>The journal holds less than it has acknowledged: a server came back without its last writes, or without a key. Nothing was changed.</summary>
    Lost,

    /// <summary>The server takes no command of that size: the batch is to be cut smaller. Nothing was changed.</summary>
    TooLarge,
}

/// <summary>What a journal holds of a shard when a side opens it.</summary>
/// <param name="Generation">The caller's from now on.</param>
/// <param name="Stored">How far the input is stored; null where the journal holds nothing of the shard.</param>
/// <param name="ReadOn">Every position up to here is settled.</param>
/// <param name="Settled">Settled positions behind it.</param>
/// <param name="AppendedSpans">Spans that were appended since the shard's journal began.</param>
/// <param name="SettledSpans">How many of them have left.</param>
/// <param name="IsWhole">False where a part of it is gone that was acknowledged: it must be begun anew, and what was waiting in it is lost unless it can be read again.</param>
/// <param name="Origin">What the shard's input is.</param>
public sealed record JournalShard(
    long Generation, StoredPosition? Stored, StoredPosition ReadOn, SettledOffsets Settled, long AppendedSpans, long SettledSpans, bool IsWhole, JournalOrigin Origin)
{
    /// <summary>Spans that wait in it.</summary>
    public long WaitingSpans => AppendedSpans - SettledSpans;
}

/// <summary>Which input a journal holds: with another one, or dealt to another number of shards, it is of no use.</summary>
/// <param name="Source">A file's full name, or topic and group.</param>
/// <param name="Shards">How many shards the input is dealt to.</param>
public readonly record struct JournalOrigin(string Source, int Shards);

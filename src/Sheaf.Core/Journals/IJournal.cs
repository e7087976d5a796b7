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
    /// <summary>Begins the next generation of a side, and tells what the journal holds. Callers of earlier generations change nothing afterwards.</summary>
    ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel);

    /// <summary>
    /// Goes on with a generation that the journal may have forgotten together with what it has lost: the caller has seen what it holds now, and its next step begins there.
    /// </summary>
    /// <returns><see cref="JournalOutcome.Done"/> or <see cref="JournalOutcome.Superseded"/>.</returns>
    ValueTask<JournalOutcome> RenewAsync(ShardId shard, JournalGeneration generation, CancellationToken cancel);

    /// <summary>What the journal holds. Changes nothing; the answer's generation is of no use.</summary>
    ValueTask<JournalShard> LookAsync(ShardId shard, CancellationToken cancel);

    /// <summary>
    /// Makes the journal of a shard begin here: no entries, everything up to <paramref name="stored"/> is stored, and these later positions are
    /// settled. For a shard of which the journal holds nothing.
    /// </summary>
    /// <returns><see cref="JournalOutcome.Done"/> or <see cref="JournalOutcome.Superseded"/>.</returns>
    ValueTask<JournalOutcome> BeginAsync(
        ShardId shard, JournalGeneration generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel);

    /// <summary>Packs the spans of a batch from one of them on. Any thread.</summary>
    /// <param name="first">Where the entry begins (<see cref="JournalEntry.First"/>).</param>
    /// <param name="range">Which of the batch's spans, in order.</param>
    /// <param name="through">Where the entry ends.</param>
    JournalEntry Pack(SpanBatch batch, Range range, long first, StoredPosition through);

    /// <summary>
    /// Keeps an entry and that its end is stored, in one step. An entry without spans keeps only the position.
    /// </summary>
    /// <param name="entry">It begins where the caller has seen the input stored last.</param>
    /// <returns>
    /// <see cref="JournalOutcome.Done"/> also where the entry is stored already; <see cref="JournalOutcome.Lost"/> where the journal is not where the
    /// caller has left it; <see cref="JournalOutcome.TooLarge"/> where the server takes no command of that size.
    /// </returns>
    ValueTask<JournalOutcome> AppendAsync(ShardId shard, JournalEntry entry, JournalGeneration generation, CancellationToken cancel);

    /// <summary>The entries that were added behind another one, in the order in which they were added.</summary>
    /// <param name="after">An <see cref="JournalEntry.Id"/>; 0 = from the first.</param>
    /// <param name="most">At least 1.</param>
    ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel);

    /// <summary>The messages of an entry, each with its offset and its times. Any thread.</summary>
    /// <exception cref="InvalidDataException">It was written by a version that this one does not know, or is damaged.</exception>
    void Unpack(in JournalEntry entry, JournalMessages into);

    /// <summary>
    /// Keeps what is settled, and removes entries all of whose messages are. The worker's; after the output has acknowledged what has left.
    /// </summary>
    /// <param name="removed">Ids of entries.</param>
    /// <param name="settledSpans">How many spans of the shard have left since its journal began (<see cref="JournalShard.SettledSpans"/> and those since).</param>
    /// <param name="readThrough">The offset up to which the worker knows the input to be stored.</param>
    ValueTask<JournalOutcome> SettleAsync(
        ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, JournalGeneration generation, CancellationToken cancel);

    /// <summary>
    /// Looks whether the journal still is where the worker has left it, and keeps it from expiring.
    /// </summary>
    /// <param name="readThrough">The offset up to which the worker knows the input to be stored.</param>
    ValueTask<JournalOutcome> VerifyAsync(ShardId shard, long readThrough, JournalGeneration generation, CancellationToken cancel);

    /// <summary>
    /// Carries forward: adds an entry with the spans of others that are still waiting, and removes those others, in one step. The worker's.
    /// </summary>
    /// <param name="waiting">The spans, in input order.</param>
    /// <param name="replaced">Ids of entries; at least one.</param>
    /// <returns>The new entry's id beside <see cref="JournalOutcome.Done"/>.</returns>
    ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
        ShardId shard, JournalEntry waiting, ReadOnlyMemory<long> replaced, long readThrough, JournalGeneration generation, CancellationToken cancel);

    /// <summary>
    /// Writes the journal of a shard anew, where it has lost a part of what it had acknowledged. The worker's, which has everything that waits. Until it
    /// is complete, whoever opens the shard is told that it is not whole.
    /// </summary>
    /// <param name="progress">All of what is settled.</param>
    /// <param name="stored">How far the input is stored then.</param>
    /// <param name="entries">Everything that waits, in input order. They get the ids from 1 on.</param>
    /// <param name="waitingSpans">How many spans wait in the entries.</param>
    ValueTask<JournalOutcome> RestoreAsync(
        ProgressSnapshot progress, StoredPosition stored, IReadOnlyList<JournalEntry> entries, long waitingSpans, JournalGeneration generation,
        CancellationToken cancel);

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

/// <summary>
/// The right to one side of a shard's journal, as it was given at an opening: whoever opens the side later has a higher number, and this one is refused
/// from then on. One caller at a time.
/// </summary>
/// <param name="number">At least 1.</param>
public sealed class JournalGeneration(JournalSide side, long number)
{
    public JournalSide Side { get; } = side;

    public long Number { get; } = number;

    /// <summary>The number of the last step that was acknowledged: a journal that knows less has lost it. The journal's own.</summary>
    public long AcknowledgedStep { get; set; }
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
/// <param name="ReadOn">The offset up to which every position is settled.</param>
/// <param name="Settled">Settled positions behind it.</param>
/// <param name="AppendedSpans">Spans that were appended since the shard's journal began.</param>
/// <param name="SettledSpans">How many of them have left.</param>
/// <param name="LastEntry">The id of the last entry that was added; 0 where none was.</param>
/// <param name="IsWhole">False where a part of it is gone that was acknowledged.</param>
/// <param name="Origin">What the shard's input is.</param>
public sealed record JournalShard(
    JournalGeneration Generation, StoredPosition? Stored, long ReadOn, SettledOffsets Settled, long AppendedSpans, long SettledSpans, long LastEntry,
    bool IsWhole, JournalOrigin Origin)
{
    /// <summary>Spans that wait in it.</summary>
    public long WaitingSpans => AppendedSpans - SettledSpans;
}

/// <summary>Which input a journal holds: with another one, or dealt to another number of shards, it is of no use.</summary>
/// <param name="Source">A file's full name, or topic and group.</param>
/// <param name="Shards">How many shards the input is dealt to.</param>
public readonly record struct JournalOrigin(string Source, int Shards);

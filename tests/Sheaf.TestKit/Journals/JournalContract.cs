using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Journals;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Buffering;
using Xunit;

namespace Sheaf.TestKit.Journals;

/// <summary>What every journal does. A journal's tests derive from it; each test gets an instance of its own and so, through <see cref="OpenAsync"/>, an empty journal.</summary>
public abstract class JournalContract
{
    /// <summary>What the journal under test is to be told that it holds.</summary>
    public static readonly JournalOrigin Origin = new("topic spans, group g", 3);

    private protected static readonly ShardId Zero = new(0);

    private readonly SpanInput _input = new();

    /// <summary>One more client of this test's journal, as another process has it.</summary>
    protected abstract ValueTask<IJournal> OpenAsync();

    [Fact]
    public async Task Of_a_shard_without_a_journal_nothing_is_stored()
    {
        IJournal journal = await OpenAsync();

        JournalShard opened = await journal.OpenAsync(Zero, JournalSide.Appender, default);

        Assert.Null(opened.Stored);
        Assert.True(opened.IsWhole);
        Assert.Equal(0, opened.WaitingSpans);
        Assert.Empty(await journal.ReadAsync(Zero, 0, 10, default));
    }

    [Fact]
    public async Task What_was_appended_is_read_in_order_byte_for_byte_with_offsets_and_times()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration generation = await BeginAsync(journal);
        SpanBatch first = Batch(new SpanDraft(1, 1000), new SpanDraft(2, -5, Size: 1), new SpanDraft(1, long.MaxValue, Size: 3000));
        SpanBatch second = Batch(new SpanDraft(3, 2000));

        Assert.Equal(JournalOutcome.Done, await AppendAsync(journal, first, 0, generation));
        Assert.Equal(JournalOutcome.Done, await AppendAsync(journal, second, 3, generation));

        IReadOnlyList<JournalEntry> entries = await journal.ReadAsync(Zero, 0, 10, default);
        Assert.Equal([(0, 3, 3), (3, 4, 1)], entries.Select(e => (e.First, e.Through.Offset, e.Spans)));
        Assert.Equal([first.Through.Clock, second.Through.Clock], entries.Select(e => e.Through.Clock));
        AssertHolds(journal, entries[0], first);
        AssertHolds(journal, entries[1], second);
        Assert.Equal([entries[1].Id], (await journal.ReadAsync(Zero, entries[0].Id, 10, default)).Select(e => e.Id));
        Assert.Equal([entries[0].Id], (await journal.ReadAsync(Zero, 0, 1, default)).Select(e => e.Id));
    }

    [Fact]
    public async Task The_next_process_finds_how_far_the_input_is_stored_and_how_much_waits()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration generation = await BeginAsync(journal);
        await AppendAsync(journal, Batch(new SpanDraft(1, 1000), new SpanDraft(2, 1500)), 0, generation);

        JournalShard opened = await (await OpenAsync()).OpenAsync(Zero, JournalSide.Worker, default);

        Assert.Equal(new StoredPosition(2, 1500), opened.Stored);
        Assert.Equal(Origin, opened.Origin);
        Assert.Equal(2, opened.WaitingSpans);
        Assert.Equal(0, opened.ReadOn);
    }

    [Fact]
    public async Task Appending_a_batch_again_adds_nothing()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration generation = await BeginAsync(journal);
        SpanBatch batch = Batch(new SpanDraft(1, 1000));

        for (int i = 0; i < 3; i++) Assert.Equal(JournalOutcome.Done, await AppendAsync(journal, batch, 0, generation));

        Assert.Single(await journal.ReadAsync(Zero, 0, 10, default));
        Assert.Equal(1, (await journal.OpenAsync(Zero, JournalSide.Worker, default)).AppendedSpans);
    }

    [Fact]
    public async Task A_batch_without_spans_moves_the_stored_position_alone()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration generation = await BeginAsync(journal);
        var settledOnly = new SpanBatch(Zero) { Through = new StoredPosition(41, 5) };

        Assert.Equal(JournalOutcome.Done, await AppendAsync(journal, settledOnly, 0, generation));

        Assert.Empty(await journal.ReadAsync(Zero, 0, 10, default));
        Assert.Equal(new StoredPosition(41, 5), (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Stored);
    }

    [Fact]
    public async Task A_clock_that_has_not_begun_is_kept_as_that()
    {
        IJournal journal = await OpenAsync();
        await BeginAsync(journal, StoredPosition.BeforeFirst);

        JournalShard opened = await journal.OpenAsync(Zero, JournalSide.Worker, default);

        Assert.Equal(StoredPosition.BeforeFirst, opened.Stored);
        Assert.Equal(-1, opened.ReadOn);
    }

    [Fact]
    public async Task An_append_that_leaves_a_gap_is_refused_since_something_is_gone()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration generation = await BeginAsync(journal);
        SpanBatch lost = Batch(new SpanDraft(1, 1000));
        SpanBatch next = Batch(new SpanDraft(1, 1001));

        Assert.Equal(JournalOutcome.Lost, await AppendAsync(journal, next, lost.Through.Offset, generation));

        Assert.Empty(await journal.ReadAsync(Zero, 0, 10, default));
    }

    [Fact]
    public async Task An_earlier_generation_of_a_side_is_refused_and_changes_nothing()
    {
        IJournal zombie = await OpenAsync(), heir = await OpenAsync();
        JournalGeneration old = await BeginAsync(zombie);
        JournalGeneration oldWorker = (await zombie.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch batch = Batch(new SpanDraft(1, 1000));
        await AppendAsync(zombie, batch, 0, old);
        long id = Assert.Single(await zombie.ReadAsync(Zero, 0, 10, default)).Id;
        JournalGeneration present = (await heir.OpenAsync(Zero, JournalSide.Appender, default)).Generation;
        await heir.OpenAsync(Zero, JournalSide.Worker, default);

        Assert.True(present.Number > old.Number);
        Assert.Equal(JournalOutcome.Superseded, await AppendAsync(zombie, Batch(new SpanDraft(1, 1001)), 1, old));
        Assert.Equal(JournalOutcome.Superseded, await zombie.BeginAsync(Zero, old, new StoredPosition(9, 9), SettledOffsets.None, default));
        Assert.Equal(JournalOutcome.Superseded, await zombie.SettleAsync(await AllLeftAsync(batch), new[] { id }, 1, 1, oldWorker, default));
        Assert.Equal((JournalOutcome.Superseded, 0), await CarryAsync(zombie, batch, new[] { id }, 1, oldWorker));

        Assert.Equal(id, Assert.Single(await heir.ReadAsync(Zero, 0, 10, default)).Id);
        Assert.Equal(JournalOutcome.Done, await AppendAsync(heir, Batch(new SpanDraft(1, 1001)) is var next ? next : next, 1, present));
    }

    [Fact]
    public async Task The_two_sides_have_generations_of_their_own()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal);
        JournalGeneration worker = (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch batch = Batch(new SpanDraft(1, 1000));

        Assert.Equal(JournalOutcome.Done, await AppendAsync(journal, batch, 0, appender));
        Assert.Equal(JournalOutcome.Done, await journal.SettleAsync(await AllLeftAsync(batch), new[] { 1L }, 1, 1, worker, default));
    }

    [Fact]
    public async Task What_is_settled_is_kept_and_entries_of_which_all_is_settled_are_gone()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal), worker = (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch first = Batch(new SpanDraft(1, 1000)), second = Batch(new SpanDraft(2, 2000), new SpanDraft(3, 2001));
        await AppendAsync(journal, first, 0, appender);
        await AppendAsync(journal, second, 1, appender);
        MemoryBuffer buffer = await BufferOfAsync(first, second);
        ProgressSnapshot progress = await RemoveAsync(buffer, 1, 3);
        long firstId = (await journal.ReadAsync(Zero, 0, 1, default))[0].Id;

        Assert.Equal(JournalOutcome.Done, await journal.SettleAsync(progress, new[] { firstId }, 2, 3, worker, default));

        JournalEntry left = Assert.Single(await journal.ReadAsync(Zero, 0, 10, default));
        AssertHolds(journal, left, second);
        JournalShard opened = await journal.OpenAsync(Zero, JournalSide.Worker, default);
        Assert.Equal(1, opened.ReadOn);
        Assert.Equal([false, true], new[] { 2L, 3L }.Select(opened.Settled.Contains));
        Assert.Equal(1, opened.WaitingSpans);
        Assert.True(opened.IsWhole);
    }

    [Fact]
    public async Task Settling_twice_is_settling_once()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal), worker = (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch batch = Batch(new SpanDraft(1, 1000));
        await AppendAsync(journal, batch, 0, appender);
        long id = (await journal.ReadAsync(Zero, 0, 1, default))[0].Id;

        for (int i = 0; i < 2; i++) Assert.Equal(JournalOutcome.Done, await journal.SettleAsync(await AllLeftAsync(batch), new[] { id }, 1, 1, worker, default));

        JournalShard opened = await journal.OpenAsync(Zero, JournalSide.Appender, default);
        Assert.Equal((0, 1, true), (opened.WaitingSpans, opened.SettledSpans, opened.IsWhole));
    }

    [Fact]
    public async Task Settled_positions_far_apart_are_all_kept_and_outdated_ones_go()
    {
        IJournal journal = await OpenAsync();
        var settled = new SettledOffsets([KeyValuePair.Create(0L, (ReadOnlyMemory<byte>)new byte[] { 2 }), KeyValuePair.Create(7L, (ReadOnlyMemory<byte>)new byte[] { 0, 128 })]);
        long far = (7 * SettledOffsets.ChunkOffsets) + 15;
        await BeginAsync(journal, new StoredPosition(0, 0), settled);

        JournalShard opened = await journal.OpenAsync(Zero, JournalSide.Worker, default);
        Assert.Equal([false, true, false, true], new[] { 0, 1, 2, far }.Select(opened.Settled.Contains));

        var progress = new MemoryBuffer(new SegmentRules(60_000, 10_000), 1, 1 << 20, keepsProgress: true);
        progress.Begin(Zero, new StoredPosition(far, 5), opened.Settled);
        var snapshot = new ProgressSnapshot();
        progress.TakeProgress(Zero, snapshot);
        Assert.Equal([0], snapshot.Outdated);
        Assert.Equal(JournalOutcome.Done, await journal.SettleAsync(snapshot, Array.Empty<long>(), 0, 0, opened.Generation, default));

        JournalShard later = await journal.OpenAsync(Zero, JournalSide.Worker, default);
        Assert.Equal([false, true], new[] { 1, far }.Select(later.Settled.Contains));
        Assert.Equal(far, later.ReadOn);
    }

    [Fact]
    public async Task Carrying_forward_replaces_entries_by_one_with_what_waits()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal), worker = (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch first = Batch(new SpanDraft(1, 1000), new SpanDraft(2, 1001)), second = Batch(new SpanDraft(1, 1002)), third = Batch(new SpanDraft(4, 1003));
        await AppendAsync(journal, first, 0, appender);
        await AppendAsync(journal, second, 2, appender);
        await AppendAsync(journal, third, 3, appender);
        IReadOnlyList<JournalEntry> before = await journal.ReadAsync(Zero, 0, 10, default);
        SpanBatch waiting = Keep(first, 1, second, 0);

        (JournalOutcome outcome, long id) = await CarryAsync(journal, waiting, before.Take(2).Select(e => e.Id).ToArray(), 4, worker);

        Assert.Equal(JournalOutcome.Done, outcome);
        IReadOnlyList<JournalEntry> after = await journal.ReadAsync(Zero, 0, 10, default);
        Assert.Equal([before[2].Id, id], after.Select(e => e.Id));
        Assert.Equal((1, 3), (after[1].First, after[1].Through.Offset));
        AssertHolds(journal, after[1], waiting);
        JournalShard opened = await journal.OpenAsync(Zero, JournalSide.Appender, default);
        Assert.Equal((4, true), (opened.Stored!.Value.Offset, opened.IsWhole));
    }

    [Fact]
    public async Task A_worker_that_has_read_further_than_the_journal_reaches_is_told_that_something_is_gone()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal), worker = (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch batch = Batch(new SpanDraft(1, 1000));
        await AppendAsync(journal, batch, 0, appender);

        Assert.Equal(JournalOutcome.Lost, await journal.SettleAsync(await AllLeftAsync(batch), Array.Empty<long>(), 1, 2, worker, default));
        Assert.Equal((JournalOutcome.Lost, 0), await CarryAsync(journal, batch, new[] { 1L }, 2, worker));

        Assert.Equal(0, (await journal.OpenAsync(Zero, JournalSide.Worker, default)).SettledSpans);
    }

    [Fact]
    public async Task A_journal_that_begins_anew_has_nothing_of_before_and_both_sides_go_on()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal), worker = (await journal.OpenAsync(Zero, JournalSide.Worker, default)).Generation;
        SpanBatch batch = Batch(new SpanDraft(1, 1000));
        await AppendAsync(journal, batch, 0, appender);

        Assert.Equal(JournalOutcome.Done, await journal.BeginAsync(Zero, worker, new StoredPosition(0, 7), SettledOffsets.None, default));

        Assert.Empty(await journal.ReadAsync(Zero, 0, 10, default));
        Assert.Equal(JournalOutcome.Done, await AppendAsync(journal, batch, 0, appender));
        Assert.Equal(JournalOutcome.Done, await journal.SettleAsync(await AllLeftAsync(batch), Array.Empty<long>(), 1, 1, worker, default));
    }

    [Fact]
    public async Task After_a_removal_nothing_is_left()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration appender = await BeginAsync(journal);
        await AppendAsync(journal, Batch(new SpanDraft(1, 1000)), 0, appender);

        await journal.RemoveAsync(Zero, default);

        Assert.Equal(JournalOutcome.Lost, await AppendAsync(journal, Batch(new SpanDraft(1, 1000)), 1, appender));
        Assert.Null((await journal.OpenAsync(Zero, JournalSide.Appender, default)).Stored);
        Assert.Empty(await journal.ReadAsync(Zero, 0, 10, default));
    }

    [Fact]
    public async Task Shards_know_nothing_of_each_other()
    {
        IJournal journal = await OpenAsync();
        JournalGeneration zero = await BeginAsync(journal);
        var one = new ShardId(1);
        JournalGeneration other = (await journal.OpenAsync(one, JournalSide.Appender, default)).Generation;
        await journal.BeginAsync(one, other, new StoredPosition(100, 0), SettledOffsets.None, default);
        await AppendAsync(journal, Batch(new SpanDraft(1, 1000)), 0, zero);

        await journal.RemoveAsync(Zero, default);

        Assert.Equal(100, (await journal.OpenAsync(one, JournalSide.Worker, default)).Stored!.Value.Offset);
    }

    /// <summary>The model check.</summary>
    [Fact]
    public async Task Whatever_dies_or_forgets_in_whatever_step_nothing_is_lost_and_no_trace_is_torn()
    {
        long restored = 0, carried = 0;
        for (int seed = 1; seed <= ModelRuns; seed++)
        {
            IJournal journal = await OpenAsync();
            await journal.RemoveAsync(Zero, default);
            await Server.Save(); // of nothing
            var model = new JournaledBufferModel(seed, OpenAsync, Server);
            try
            {
                await model.RunAsync(steps: 300);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, after:\n{string.Join('\n', model.Steps.TakeLast(2000))}", e);
            }
            restored += model.Restored;
            carried += model.Carried;
        }
        Assert.NotEqual(0, restored);
        Assert.True(carried > 0 || ModelRuns < 50, "nothing was carried forward");
    }

    /// <summary>How many runs the model check makes.</summary>
    protected abstract int ModelRuns { get; }

    /// <summary>The server of this test's journal, shard 0.</summary>
    protected abstract JournalServer Server { get; }

    private protected SpanBatch Batch(params ReadOnlySpan<SpanDraft> drafts)
    {
        SpanBatch batch = _input.Batch(Zero.Value, drafts);
        long clock = long.MinValue;
        foreach (ref readonly TraceSpan span in batch.Spans) clock = Math.Max(clock, span.StreamTimeMs);
        batch.Through = new StoredPosition(batch.Spans[^1].SourceOffset, clock);
        return batch;
    }

    private protected static ValueTask<JournalOutcome> AppendAsync(IJournal journal, SpanBatch batch, long storedBefore, JournalGeneration generation) =>
        journal.AppendAsync(batch.Shard, journal.Pack(batch, .., storedBefore, batch.Through), generation, default);

    private protected static ValueTask<(JournalOutcome Outcome, long Id)> CarryAsync(
        IJournal journal, SpanBatch waiting, long[] replaced, long readThrough, JournalGeneration generation)
    {
        var through = new StoredPosition(waiting.Spans[^1].SourceOffset, new StreamClock(5));
        return journal.CarryForwardAsync(waiting.Shard, journal.Pack(waiting, .., waiting.Spans[0].SourceOffset - 1, through), replaced, readThrough, generation, default);
    }

    private protected static async Task<JournalGeneration> BeginAsync(IJournal journal, StoredPosition? stored = null, SettledOffsets? settled = null)
    {
        JournalGeneration generation = (await journal.OpenAsync(Zero, JournalSide.Appender, default)).Generation;
        Assert.Equal(
            JournalOutcome.Done,
            await journal.BeginAsync(Zero, generation, stored ?? new StoredPosition(0, 0), settled ?? SettledOffsets.None, default));
        return generation;
    }

    private protected static void AssertHolds(IJournal journal, in JournalEntry entry, SpanBatch batch)
    {
        var messages = new JournalMessages();
        journal.Unpack(entry, messages);
        Assert.Equal(batch.Count, messages.Messages.Length);
        for (int i = 0; i < batch.Count; i++)
        {
            JournalMessage message = messages.Messages[i];
            Assert.Equal(
                (batch.Spans[i].SourceOffset, batch.Spans[i].StreamTimeMs, batch.Spans[i].LeaptMs, batch.Spans[i].AheadMs),
                (message.SourceOffset, message.StreamTimeMs, message.LeaptMs, message.AheadMs));
            Assert.True(batch.PayloadOf(batch.Spans[i]).SequenceEqual(messages.BytesOf(message)));
        }
    }

    /// <summary>The progress of a buffer that got a batch of which everything has left.</summary>
    private protected static async Task<ProgressSnapshot> AllLeftAsync(SpanBatch batch) =>
        await RemoveAsync(await BufferOfAsync(batch), [.. batch.Spans.ToArray().Select(span => span.Trace.TraceId.Low).Distinct()]);

    private protected static async Task<MemoryBuffer> BufferOfAsync(params SpanBatch[] batches)
    {
        var buffer = new MemoryBuffer(new SegmentRules(60_000, 10_000), 1, 1 << 20, keepsProgress: true);
        buffer.Begin(Zero, new StoredPosition(batches[0].Spans[0].SourceOffset - 1, 0), SettledOffsets.None);
        MemorySpanBuffer client = buffer.OpenClient();
        StreamClock clock = new(0);
        foreach (SpanBatch batch in batches)
        {
            batch.ClockBefore = clock;
            await client.AppendAsync(batch, default);
            clock = batch.Through.Clock;
        }
        return buffer;
    }

        private protected static async Task<ProgressSnapshot> RemoveAsync(MemoryBuffer buffer, params ulong[] traces)
    {
        MemorySpanBuffer client = buffer.OpenClient();
        var claim = new ClaimBatch();
        await client.TakeOverAsync(new[] { Zero }, default);
        await client.ClaimAsync(Zero, long.MaxValue, 1000, claim, default);
        for (int t = 0; t < claim.TraceCount; t++)
        {
            ref ClaimedTrace claimed = ref claim.Traces[t];
            claimed.NextDeadlineMs = 1_000_000;
            if (traces.Contains(claimed.Key.TraceId.Low)) claim.Removed.Slice(claimed.FirstSpan, claimed.SpanCount).Fill(true);
        }
        await client.RemoveAsync(claim, .., default);
        var progress = new ProgressSnapshot();
        buffer.TakeProgress(Zero, progress);
        return progress;
    }

    private static SpanBatch Keep(SpanBatch first, int ofFirst, SpanBatch second, int ofSecond)
    {
        TraceSpan one = first.Spans[ofFirst], two = second.Spans[ofSecond];
        byte[] block = [.. first.PayloadOf(one), .. second.PayloadOf(two)];
        var batch = new SpanBatch(Zero);
        batch.Reset(block);
        one.PayloadStart = 0;
        two.PayloadStart = one.PayloadLength;
        batch.Add() = one;
        batch.Add() = two;
        return batch;
    }
}

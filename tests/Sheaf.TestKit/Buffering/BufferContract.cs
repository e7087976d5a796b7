using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.TestKit.Buffering;

/// <summary>
/// What every buffer engine does. An engine's tests derive from it; each test gets an instance of its own and so, through
/// <see cref="OpenAsync"/>, an empty buffer.
/// </summary>
public abstract class BufferContract
{
    public const int ShardCount = 3;

    /// <summary>What the engine under test is to be opened with: max-buffer-bytes.</summary>
    public const long MaxBytes = 64 << 20;

    private const long Timeout = 60_000;
    private const long RootTimeout = 10_000;
    private static readonly ShardId Zero = new(0);
    private static readonly ShardId One = new(1);

    private readonly SpanInput _input = new();

    /// <summary>The rules that the engine under test is to be opened with.</summary>
    public static SegmentRules Rules { get; } = new(Timeout, RootTimeout, MaxSegmentAgeMs: 600_000, MaxSegmentBytes: 1 << 20);

    /// <summary>One more client of this test's buffer.</summary>
    protected abstract ValueTask<ISpanBuffer> OpenAsync();

    [Fact]
    public async Task A_trace_is_claimed_after_its_deadline_and_not_at_it()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, AtMs: 1000));

        await AssertClaimsAsync(buffer, 1000 + Timeout, []);
        await AssertClaimsAsync(buffer, 1000 + Timeout + 1, [1]);
    }

    [Fact]
    public async Task A_segment_root_brings_the_deadline_of_its_trace_forward()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, AtMs: 1000));
        await AppendAsync(buffer, new SpanDraft(1, AtMs: 2000, Root: true), new SpanDraft(2, AtMs: 2000));

        await AssertClaimsAsync(buffer, 2000 + RootTimeout, []);
        await AssertClaimsAsync(buffer, 2000 + RootTimeout + 1, [1]);
    }

    [Fact]
    public async Task A_later_span_does_not_put_the_deadline_off()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, AtMs: 1000, Root: true));
        await AppendAsync(buffer, new SpanDraft(1, AtMs: 9000));

        await AssertClaimsAsync(buffer, 1000 + RootTimeout + 1, [1]);
    }

    [Fact]
    public async Task The_earliest_deadlines_are_claimed_first_and_no_more_than_asked_for()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000), new SpanDraft(2, 1001), new SpanDraft(3, 1002, Root: true), new SpanDraft(4, 1003));

        await AssertClaimsAsync(buffer, 100_000, [3, 1], maxTraces: 2);
        await AssertClaimsAsync(buffer, 100_000, [2, 4], maxTraces: 2);
        await AssertClaimsAsync(buffer, 100_000, [], maxTraces: 2);
    }

    [Fact]
    public async Task The_end_of_time_claims_every_trace_earliest_first()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        const long sixtyDays = 60L * 24 * 3600 * 1000;
        await AppendAsync(buffer, new SpanDraft(3, sixtyDays));
        await AppendAsync(buffer, new SpanDraft(1, -5), new SpanDraft(2, 0));

        await AssertClaimsAsync(buffer, long.MaxValue, [1, 2, 3]);
    }

    [Fact]
    public async Task A_span_far_ahead_of_the_clock_lets_its_trace_be_looked_at_by_the_clock()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, AtMs: 9_000_000, LeaptMs: 8_000_000, AheadMs: 8_000_000));
        await AssertClaimsAsync(buffer, 1_000_000 + Rules.TimeoutMs, []);
        await AssertClaimsAsync(buffer, 1_000_001 + Rules.TimeoutMs, [1]);
    }

    [Fact]
    public async Task Spans_come_in_input_order_with_all_that_assembling_needs()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        SpanBatch first = _input.Batch(0, new(1, 1000), new(2, 1000), new(1, 1001, Root: true), new(1, 90_000, LeaptMs: 88_999, AheadMs: 88_999));
        SpanBatch second = _input.Batch(0, new(2, 1002), new(1, 1003), new(1, 1003));
        await buffer.AppendAsync(first, default);
        await buffer.AppendAsync(second, default);

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);

        List<TraceSpan> appended = [.. first.Spans, .. second.Spans];
        Assert.Equal(2, claim.TraceCount);
        foreach (ClaimedTrace trace in claim.Traces.ToArray())
        {
            TraceSpan[] expected = [.. appended.Where(s => s.Trace == trace.Key)];
            BufferedSpan[] spans = claim.SpansOf(trace).ToArray();
            Assert.Equal(expected.Select(Appended), spans.Select(Claimed));
        }

        static string Appended(TraceSpan s) =>
            $"{s.SpanId} {s.EffectiveParent} {s.IsSegmentRoot} {s.Edits} {s.PayloadHash} {s.SourceOffset} {s.StreamTimeMs} {s.LeaptMs} {s.PayloadLength}";
        static string Claimed(BufferedSpan s) =>
            $"{s.SpanId} {s.EffectiveParent} {s.IsSegmentRoot} {s.Edits} {s.PayloadHash} {s.SourceOffset} {s.StreamTimeMs} {s.LeaptMs} {s.PayloadLength}";
    }

    [Fact]
    public async Task Payloads_come_back_byte_for_byte_whatever_their_size()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        int[] sizes = [0, 1, 63, 64, 65, 1123, 65_535, 65_536, 65_537, 1 << 20, 12 << 20];
        foreach (int size in sizes) await AppendAsync(buffer, new SpanDraft(1, 1000, Size: size), new SpanDraft(2, 1000, Size: size));

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        await AssertPayloadsAsync(buffer, claim);
        Assert.Equal(2 * sizes.Length, claim.SpanCount);
    }

    [Fact]
    public async Task The_block_of_a_batch_may_be_used_again_after_the_append()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        SpanBatch batch = _input.Batch(0, new SpanDraft(1, 1000));
        await buffer.AppendAsync(batch, default);
        System.Runtime.InteropServices.MemoryMarshal.AsMemory(batch.Block).Span.Clear();

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 1, claim, default);
        await AssertPayloadsAsync(buffer, claim);
    }

    [Fact]
    public async Task The_same_trace_id_in_two_projects_is_two_traces()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000, Project: 1), new SpanDraft(1, 1000, Project: 2));

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        Assert.Equal([1L, 2L], claim.Traces.ToArray().Select(t => t.Key.ProjectId).Order());
    }

    [Fact]
    public async Task Shards_do_not_see_each_other()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await buffer.AppendAsync(_input.Batch(0, new SpanDraft(1, 1000)), default);
        await buffer.AppendAsync(_input.Batch(1, new SpanDraft(1, 1000), new SpanDraft(2, 1000)), default);

        await AssertClaimsAsync(buffer, long.MaxValue, [1], shard: 0);
        Assert.Equal(2, (await buffer.MeasureAsync(One, default)).Spans);
        await AssertClaimsAsync(buffer, long.MaxValue, [1, 2], shard: 1);
        await AssertClaimsAsync(buffer, long.MaxValue, [], shard: 2);
    }

    [Fact]
    public async Task A_claimed_trace_is_not_claimed_again_even_when_spans_arrive()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000));
        await AssertClaimsAsync(buffer, long.MaxValue, [1]);
        await AppendAsync(buffer, new SpanDraft(1, 2000, Root: true));

        await AssertClaimsAsync(buffer, long.MaxValue, []);
    }

    [Fact]
    public async Task Spans_that_arrive_during_a_flush_stay_for_the_next_segment_with_their_deadline()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000), new SpanDraft(1, 1000));
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, 100_000, 10, claim, default);
        await AppendAsync(buffer, new SpanDraft(1, 100_000, Root: true), new SpanDraft(1, 100_001));
        await RemoveAllAsync(buffer, claim);

        Assert.Equal(new BufferDepth(2, 1, 200, 100_000 + RootTimeout), await buffer.MeasureAsync(Zero, default));
        await buffer.ClaimAsync(Zero, 100_000 + RootTimeout, 10, claim, default);
        Assert.Equal(0, claim.TraceCount);
        await buffer.ClaimAsync(Zero, 100_000 + RootTimeout + 1, 10, claim, default);
        Assert.Equal([3L, 4L], Offsets(claim));
        await AssertPayloadsAsync(buffer, claim);
    }

    [Theory]
    [InlineData(0b0001)]
    [InlineData(0b0110)]
    [InlineData(0b1000)]
    [InlineData(0b1010)]
    [InlineData(0b0111)]
    [InlineData(0b0000)]
    public async Task Removing_some_spans_of_a_trace_keeps_the_others(int removed)
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000), new SpanDraft(1, 1001), new SpanDraft(1, 1002), new SpanDraft(1, 1003));
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        await AppendAsync(buffer, new SpanDraft(1, 1004));
        for (int i = 0; i < 4; i++) claim.Removed[i] = (removed & (1 << i)) != 0;
        claim.Traces[0].NextDeadlineMs = 5000;
        await buffer.RemoveAsync(claim, .., default);
        await AppendAsync(buffer, new SpanDraft(1, 1005));

        List<long> expected = [.. Enumerable.Range(0, 4).Where(i => (removed & (1 << i)) == 0).Select(i => i + 1L), 5, 6];
        Assert.Equal(expected.Count, (await buffer.MeasureAsync(Zero, default)).Spans);
        await buffer.ClaimAsync(Zero, 5001, 10, claim, default);
        Assert.Equal(expected, Offsets(claim));
        await AssertPayloadsAsync(buffer, claim);
    }

    [Fact]
    public async Task The_next_deadline_arms_a_trace_again()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000, Root: true));
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, 11_001, 10, claim, default);
        claim.Traces[0].NextDeadlineMs = 15_000;
        await buffer.RemoveAsync(claim, .., default);

        await AssertClaimsAsync(buffer, 15_000, []);
        await AssertClaimsAsync(buffer, 15_001, [1]);
    }

    [Fact]
    public async Task A_removal_ends_the_claim_of_the_traces_in_its_range_only()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000), new SpanDraft(2, 1001), new SpanDraft(3, 1002));
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        claim.Removed.Fill(true);
        await buffer.RemoveAsync(claim, 0..1, default);
        Assert.Equal(2, (await buffer.MeasureAsync(Zero, default)).Traces);
        await buffer.RemoveAsync(claim, 1..3, default);

        Assert.Equal(new BufferDepth(0, 0, 0, SegmentRules.Never), await buffer.MeasureAsync(Zero, default));
    }

    [Fact]
    public async Task Removing_the_same_claim_twice_changes_nothing_more()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        await AppendAsync(buffer, new SpanDraft(1, 1000));
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        await RemoveAllAsync(buffer, claim);
        await AppendAsync(buffer, new SpanDraft(2, 1000));
        var other = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, other, default);
        await RemoveAllAsync(buffer, claim);

        Assert.Equal(1, (await buffer.MeasureAsync(Zero, default)).Spans);
        await AssertPayloadsAsync(buffer, other);
    }

    [Fact]
    public async Task A_takeover_makes_claims_due_again_and_refuses_the_earlier_claimer()
    {
        ISpanBuffer dead = await OpenClaimerAsync();
        await AppendAsync(dead, new SpanDraft(1, 1000), new SpanDraft(2, 1001), new SpanDraft(1, 1002));
        var claim = new ClaimBatch();
        await dead.ClaimAsync(Zero, 62_000, 10, claim, default);
        await AppendAsync(dead, new SpanDraft(1, 2000));

        ISpanBuffer successor = await OpenAsync();
        await successor.TakeOverAsync(new[] { Zero }, default);

        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await dead.ClaimAsync(Zero, long.MaxValue, 10, new ClaimBatch(), default));
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await dead.ReadPayloadsAsync(claim, new[] { 0 }, default));
        claim.Removed.Fill(true);
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await dead.RemoveAsync(claim, .., default));

        var again = new ClaimBatch();
        await successor.ClaimAsync(Zero, 62_000, 10, again, default);
        Assert.Equal([1L, 3L, 4L, 2L], Offsets(again));
        await AssertPayloadsAsync(successor, again);
    }

    [Fact]
    public async Task A_takeover_arms_a_trace_for_what_has_arrived_since_it_was_claimed()
    {
        ISpanBuffer dead = await OpenClaimerAsync();
        await AppendAsync(dead, new SpanDraft(1, 1000));
        await AssertClaimsAsync(dead, long.MaxValue, [1]); // long before its deadline, as when the buffer is full
        await AppendAsync(dead, new SpanDraft(1, 2000, Root: true));

        ISpanBuffer successor = await OpenClaimerAsync();

        await AssertClaimsAsync(successor, 2000 + RootTimeout, []);
        await AssertClaimsAsync(successor, 2000 + RootTimeout + 1, [1]);
    }

    [Fact]
    public async Task A_takeover_touches_the_given_shards_only()
    {
        ISpanBuffer first = await OpenClaimerAsync();
        await first.AppendAsync(_input.Batch(1, new SpanDraft(1, 1000)), default);
        var claim = new ClaimBatch();
        await first.ClaimAsync(One, long.MaxValue, 10, claim, default);
        ISpanBuffer second = await OpenAsync();
        await second.TakeOverAsync(new[] { Zero }, default);

        await RemoveAllAsync(first, claim);
        Assert.Equal(0, (await second.MeasureAsync(One, default)).Spans);
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await second.ClaimAsync(One, long.MaxValue, 10, claim, default));
    }

    [Fact]
    public async Task The_appender_goes_on_through_a_takeover()
    {
        ISpanBuffer appender = await OpenAsync();
        ISpanBuffer claimer = await OpenClaimerAsync();
        await AppendAsync(appender, new SpanDraft(1, 1000));
        await (await OpenAsync()).TakeOverAsync(new[] { Zero }, default);
        claimer = await OpenClaimerAsync();
        await AppendAsync(appender, new SpanDraft(1, 1001));

        var claim = new ClaimBatch();
        await claimer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        Assert.Equal([1L, 2L], Offsets(claim));
    }

    [Fact]
    public async Task A_trace_that_outgrows_a_segment_is_claimed_at_once_but_not_for_each_span_that_follows()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        int half = (int)Rules.MaxSegmentBytes / 2;
        await AppendAsync(buffer, new SpanDraft(1, 1000, Size: half), new SpanDraft(1, 1001, Size: half));
        await AssertClaimsAsync(buffer, 1001, []);
        await AppendAsync(buffer, new SpanDraft(1, 1002, Size: 1));
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, 1002, 10, claim, default);
        Assert.Equal(3, claim.SpanCount);

        // Nothing closes: many small segments, say.
        claim.Traces[0].NextDeadlineMs = 61_000;
        await buffer.RemoveAsync(claim, .., default);
        await AppendAsync(buffer, new SpanDraft(1, 1003, Size: (int)Rules.MaxSegmentBytes / 8));
        await AssertClaimsAsync(buffer, 1004, []);
        await AppendAsync(buffer, new SpanDraft(1, 1004, Size: 1));
        await AssertClaimsAsync(buffer, 1004, [1]);
    }

    [Fact]
    public async Task A_batch_that_is_appended_again_is_there_once_or_twice_but_never_lost()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        SpanBatch batch = _input.Batch(0, new(1, 1000), new(2, 1000), new(1, 1001));
        await buffer.AppendAsync(batch, default);
        await buffer.AppendAsync(batch, default);

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        Assert.Equal([1L, 2L, 3L], Offsets(claim).Distinct().Order());
        Assert.All(Offsets(claim).GroupBy(offset => offset), copies => Assert.InRange(copies.Count(), 1, 2));
        await AssertPayloadsAsync(buffer, claim);
        await RemoveAllAsync(buffer, claim);
        Assert.Equal(0, (await buffer.MeasureAsync(Zero, default)).Spans);
    }

    [Fact]
    public async Task Depth_adds_up_at_every_step()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        Assert.Equal(new BufferDepth(0, 0, 0, SegmentRules.Never), await buffer.MeasureAsync(Zero, default));
        await AppendAsync(buffer, new SpanDraft(1, 1000, Size: 10), new SpanDraft(2, 1500, Size: 20), new SpanDraft(1, 2000, Size: 30));
        Assert.Equal(new BufferDepth(3, 2, 60, 1000 + Timeout), await buffer.MeasureAsync(Zero, default));

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(Zero, long.MaxValue, 1, claim, default);
        Assert.Equal(new BufferDepth(3, 2, 60, 1500 + Timeout), await buffer.MeasureAsync(Zero, default));
        claim.Removed[0] = true;
        claim.Traces[0].NextDeadlineMs = 2000 + Timeout;
        await buffer.RemoveAsync(claim, .., default);
        Assert.Equal(new BufferDepth(2, 2, 50, 1500 + Timeout), await buffer.MeasureAsync(Zero, default));

        await buffer.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        await RemoveAllAsync(buffer, claim);
        Assert.Equal(new BufferDepth(0, 0, 0, SegmentRules.Never), await buffer.MeasureAsync(Zero, default));
    }

    [Fact]
    public async Task Load_grows_and_shrinks_with_what_is_buffered_in_all_shards()
    {
        ISpanBuffer buffer = await OpenClaimerAsync();
        double empty = await buffer.LoadAsync(default);
        await buffer.AppendAsync(_input.Batch(0, Megabytes(16)), default);
        double one = await buffer.LoadAsync(default);
        await buffer.AppendAsync(_input.Batch(1, Megabytes(48)), default);
        double full = await buffer.LoadAsync(default);
        Assert.InRange(one - empty, 0.2, 0.4);
        Assert.True(full >= 1, $"64 MB of 64 MB are buffered, and the load is {full}");

        var claim = new ClaimBatch();
        await buffer.ClaimAsync(One, long.MaxValue, 100, claim, default);
        await RemoveAllAsync(buffer, claim);
        Assert.InRange(await buffer.LoadAsync(default) - empty, 0.2, 0.4);

        // As many traces, since an engine may keep what came at once in one piece of memory for a while.
        static SpanDraft[] Megabytes(int count) => [.. Enumerable.Range(1, count).Select(trace => new SpanDraft((ulong)trace, 1000, Size: 1 << 20))];
    }

    [Fact]
    public async Task Appending_and_removing_at_the_same_time_loses_nothing()
    {
        const int batches = 1500;
        const int perBatch = 20;
        ISpanBuffer appender = await OpenAsync();
        ISpanBuffer claimer = await OpenClaimerAsync();
        long clock = long.MinValue;
        Task appending = Task.Run(async () =>
        {
            var random = new Random(1);
            var drafts = new SpanDraft[perBatch];
            for (int b = 0; b < batches; b++)
            {
                for (int i = 0; i < perBatch; i++)
                    drafts[i] = new SpanDraft((ulong)random.Next(b, b + 60), b * 1000L, random.Next(10) == 0, random.Next(1, 3000));
                await appender.AppendAsync(_input.Batch(0, drafts), default);
                Volatile.Write(ref clock, b * 1000L);
            }
            Volatile.Write(ref clock, long.MaxValue);
        });

        var choice = new Random(2);
        var claim = new ClaimBatch();
        var seen = new List<long>();
        while (true)
        {
            long now = Volatile.Read(ref clock);
            await claimer.ClaimAsync(Zero, now, 50, claim, default);
            if (claim.TraceCount == 0 && now == long.MaxValue) break;
            await AssertPayloadsAsync(claimer, claim);
            foreach (ref ClaimedTrace trace in claim.Traces)
            {
                long stays = SegmentRules.Never;
                for (int i = trace.FirstSpan; i < trace.FirstSpan + trace.SpanCount; i++)
                {
                    claim.Removed[i] = choice.Next(4) != 0;
                    if (claim.Removed[i])
                        seen.Add(claim.Spans[i].SourceOffset);
                    else
                        stays = Math.Min(stays, now == long.MaxValue ? now - 1 : now + 100);
                }
                trace.NextDeadlineMs = stays;
            }
            await claimer.RemoveAsync(claim, .., default);
            await Task.Yield();
        }
        await appending;

        Assert.Equal(Enumerable.Range(1, batches * perBatch).Select(i => (long)i), seen.Order());
        Assert.Equal(new BufferDepth(0, 0, 0, SegmentRules.Never), await claimer.MeasureAsync(Zero, default));
    }

    [Fact]
    public async Task Random_work_with_crashes_gives_the_segments_of_the_model()
    {
        for (int round = 0; round < 60; round++)
        {
            int seed = Random.Shared.Next();
            var model = new BufferModel(seed, OpenAsync, shard: round % ShardCount, Rules);
            await model.RunAsync(steps: 200);
        }
    }

    private async Task<ISpanBuffer> OpenClaimerAsync()
    {
        ISpanBuffer buffer = await OpenAsync();
        await buffer.TakeOverAsync(Enumerable.Range(0, ShardCount).Select(s => new ShardId(s)).ToArray(), default);
        return buffer;
    }

    private ValueTask AppendAsync(ISpanBuffer buffer, params ReadOnlySpan<SpanDraft> drafts) => buffer.AppendAsync(_input.Batch(0, drafts), default);

    // Claims, and compares the traces that come, by their number in the drafts.
    private static async Task AssertClaimsAsync(ISpanBuffer buffer, long beforeMs, ulong[] traces, int maxTraces = 100, int shard = 0)
    {
        var claim = new ClaimBatch();
        await buffer.ClaimAsync(new ShardId(shard), beforeMs, maxTraces, claim, default);
        Assert.Equal(new ShardId(shard), claim.Shard);
        Assert.Equal(traces, claim.Traces.ToArray().Select(t => t.Key.TraceId.Low));
    }

    private static long[] Offsets(ClaimBatch claim) => [.. claim.Spans.ToArray().Select(s => s.SourceOffset)];

    private static async Task RemoveAllAsync(ISpanBuffer buffer, ClaimBatch claim)
    {
        claim.Removed.Fill(true);
        await buffer.RemoveAsync(claim, .., default);
    }

    private static async Task AssertPayloadsAsync(ISpanBuffer buffer, ClaimBatch claim)
    {
        await buffer.ReadPayloadsAsync(claim, Enumerable.Range(0, claim.SpanCount).ToArray(), default);
        for (int i = 0; i < claim.SpanCount; i++)
        {
            BufferedSpan span = claim.Spans[i];
            Assert.True(
                buffer.Payload(claim, i).SequenceEqual(SpanInput.PayloadOf(span.SourceOffset, span.PayloadLength)),
                $"the payload of the span at offset {span.SourceOffset} with {span.PayloadLength} bytes");
        }
    }
}

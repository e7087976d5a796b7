using Sheaf.TestKit;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.TestKit.Running;
using static Sheaf.Tests.Flushing.SingleWorker;

namespace Sheaf.Tests.Flushing;

public class FlusherWorkerTests
{
    private const long Due = Start + 100_000;

    // One segment each, all of them due at Due.
    private static readonly TestMessage[] FiveTraces = [.. Enumerable.Range(1, 5).Select(trace => Root(trace, Start + trace))];

    private static readonly SegmentRules Rules = new();

    [Fact]
    public async Task It_is_behind_from_the_first_full_claim_that_leaves_more_until_a_claim_that_does_not()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 2));
        await worker.FillAsync(Due, FiveTraces);
        var behindSince = new List<long>();
        worker.At = point =>
        {
            if (point != FaultPoint.AfterClaim) return;
            behindSince.Add(worker.Cells.BackpressureSince);
            worker.Clock.Advance(TimeSpan.FromSeconds(1));
        };
        long begun = worker.Clock.GetTimestamp();

        await worker.RunUntilIdleAsync();

        Assert.Equal([0, 1, 1], behindSince.Select(since => since == 0 ? 0 : worker.Clock.GetElapsedTime(begun, since).TotalSeconds));
        Assert.Equal(0, worker.Cells.BackpressureSince);
    }

    [Fact]
    public async Task Nothing_counts_as_flushed_through_while_more_may_be_due()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 2));
        await worker.FillAsync(Due, FiveTraces);
        var flushedThrough = new List<long>();
        worker.At = point =>
        {
            if (point == FaultPoint.AfterRemove) flushedThrough.Add(worker.Shard.FlushedThroughMs);
        };

        await worker.RunUntilIdleAsync();

        Assert.Equal([long.MinValue, long.MinValue, long.MinValue], flushedThrough);
        Assert.Equal(Due, worker.Shard.FlushedThroughMs);
        Assert.Equal(5, worker.Sink.Messages.Count);
    }

    [Fact]
    public async Task A_stop_finishes_what_is_claimed_and_claims_no_more()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 3) { ProduceBytes = 1 });
        await worker.FillAsync(Due, FiveTraces);
        worker.At = point =>
        {
            if (point == FaultPoint.BeforeProduce) worker.Tell(WorkerCommand.Stop); // at the first of three batches
        };

        await worker.RunAsync();

        Assert.Equal(3, worker.Sink.Messages.Count);
        Assert.Equal(2, worker.BufferedSpans);
        Assert.Equal(3, worker.Shard.ProducedSpans);
        Assert.Equal(WorkerPhase.Ended, worker.Cells.Phase);
    }

    [Fact]
    public async Task A_drain_flushes_what_is_not_due_over_as_many_claims_as_it_takes()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 2));
        await worker.FillAsync(clockMs: Start + 5, FiveTraces);
        worker.Tell(WorkerCommand.Drain);

        await worker.RunAsync();

        Assert.Equal(Enumerable.Repeat(FlushReason.Shutdown, 5), worker.Sink.Messages.Select(m => m.Header.Reason));
        Assert.Equal(0, worker.BufferedSpans);
        Assert.Equal(5, worker.Shard.Segments(FlushReason.Shutdown));
    }

    [Fact]
    public async Task A_reload_of_max_flush_segments_takes_effect_with_the_next_claim()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 1));
        await worker.FillAsync(Due, FiveTraces);
        var left = new List<long>();
        worker.At = point =>
        {
            if (point != FaultPoint.AfterRemove) return;
            left.Add(worker.BufferedSpans);
            worker.Options = worker.Options with { MaxFlushSegments = 3 };
        };

        await worker.RunUntilIdleAsync();

        Assert.Equal([4, 1, 0], left);
    }

    [Fact]
    public async Task Spans_stay_buffered_until_the_output_has_acknowledged_them()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        await worker.FillAsync(Due, FiveTraces);
        long atProduce = 0;
        worker.Sink.BeforeProduce = () =>
        {
            atProduce = worker.BufferedSpans;
            throw new SinkException("disk full");
        };

        await Assert.ThrowsAsync<SinkException>(worker.RunAsync);

        Assert.Equal(5, atProduce);
        Assert.Equal(5, worker.BufferedSpans);
        Assert.Equal((0, 0), (worker.Shard.ProducedSpans, worker.Shard.Segments(FlushReason.RootTimeout)));
    }

    [Fact]
    public async Task The_bytes_produced_are_those_of_the_messages_with_their_line_feeds()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 2) { ProduceBytes = 1 });
        await worker.FillAsync(Due, FiveTraces);

        await worker.RunUntilIdleAsync();

        Assert.Equal(5, worker.Sink.Messages.Count);
        Assert.Equal(worker.Sink.Messages.Sum(m => m.Body.Length), worker.Shard.ProducedBytes);
    }

    [Fact]
    public async Task A_segment_that_leaves_in_parts_is_one_oversized_segment()
    {
        // Together the first two do not pass the limit, but their message would; the third does.
        TestMessage[] large = [Root(1, Start, 900), Span(1, id: 2, parent: 1, Start + 1, 900), Span(1, id: 3, parent: 1, Start + 2, 900)];
        var rules = new SegmentRules(MaxSegmentBytes: large[0].Bytes.Length + large[1].Bytes.Length + 1);
        using var worker = new SingleWorker(new FlusherOptions(rules, MaxFlushSegments: 1));
        await worker.FillAsync(Due, [.. large, Root(4, Start + 3), Root(5, Start + 4)]);

        await worker.RunUntilIdleAsync();

        Assert.Equal([1, 1, 1, 4, 5], worker.Sink.Messages.Select(m => (int)m.Header.Trace.TraceId.Low));
        Assert.Equal(1, worker.Shard.OversizedSegments);
        Assert.Equal((1, 2), (worker.Shard.Segments(FlushReason.MaxBytes), worker.Shard.Segments(FlushReason.RootTimeout)));
    }

    [Fact]
    public async Task Copies_leave_the_buffer_with_their_segment_and_are_counted()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        await worker.FillAsync(Due, Root(1, Start), Root(1, Start + 1), Root(1, Start + 2));

        await worker.RunUntilIdleAsync();

        Assert.Equal(1, Assert.Single(worker.Sink.Messages).Header.SpanCount);
        Assert.Equal((1, 2, 0), (worker.Shard.ProducedSpans, worker.Shard.DuplicateSpans, worker.BufferedSpans));
    }

    [Fact]
    public async Task What_does_not_close_yet_is_claimed_again_after_its_own_deadline()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        await worker.FillAsync(clockMs: Start + 10_001, Root(1, Start), Span(1, id: 2, parent: null, Start + 5000));
        var clocks = new Queue<long>([Start + 15_000, Start + 15_001]);
        var left = new List<long>();
        worker.At = point =>
        {
            if (point == FaultPoint.AfterClaim) left.Add(worker.BufferedSpans);
            if (point == FaultPoint.AfterClaim && clocks.TryDequeue(out long clock)) worker.MoveClock(clock);
        };

        await worker.RunUntilIdleAsync();

        Assert.Equal([2, 1, 1], left); // at the deadline itself nothing closes
        Assert.Equal([1UL, 2UL], worker.Sink.Messages.Select(m => m.Header.SegmentId.Value));
        Assert.Equal(2, worker.Shard.Segments(FlushReason.RootTimeout));
    }

    [Fact]
    public async Task A_full_buffer_takes_the_oldest_early_but_only_when_nothing_is_due()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules, MaxFlushSegments: 2));
        await worker.FillAsync(clockMs: Start + 10_002, Root(1, Start), Root(2, Start + 8000), Root(3, Start + 9000), Root(4, Start + 10_002));
        worker.FlushOldest(true);
        worker.At = point =>
        {
            if (point == FaultPoint.AfterRemove && worker.BufferedSpans == 1) worker.Tell(WorkerCommand.Stop); // room enough
        };

        await worker.RunAsync();

        Assert.Equal(
            [FlushReason.RootTimeout, FlushReason.BufferFull, FlushReason.BufferFull], worker.Sink.Messages.Select(m => m.Header.Reason));
        Assert.Equal(1, worker.BufferedSpans);
    }

    [Fact]
    public async Task Every_step_is_a_sign_of_life()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        await worker.FillAsync(Due, FiveTraces);
        var steps = new List<(FaultPoint, WorkerPhase, TimeSpan)>();
        worker.At = point =>
        {
            steps.Add((point, worker.Cells.Phase, worker.Clock.GetElapsedTime(worker.Cells.Heartbeat)));
            worker.Clock.Advance(TimeSpan.FromSeconds(1));
        };

        await worker.RunUntilIdleAsync();

        Assert.Equal(
            [
                (FaultPoint.AfterClaim, WorkerPhase.Claiming, TimeSpan.Zero),
                (FaultPoint.BeforeProduce, WorkerPhase.Assembling, TimeSpan.Zero),
                (FaultPoint.AfterProduceBeforeRemove, WorkerPhase.Producing, TimeSpan.Zero),
                (FaultPoint.AfterRemove, WorkerPhase.Removing, TimeSpan.Zero),
                (FaultPoint.AfterSettle, WorkerPhase.Removing, TimeSpan.FromSeconds(1)),
            ],
            steps);
    }

    [Fact]
    public async Task An_output_that_makes_its_writers_wait_is_no_hang_but_the_worker_is_behind()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        await worker.FillAsync(Due, FiveTraces);
        var ready = new TaskCompletionSource();
        worker.Sink.Ready = ready.Task;

        Task running = worker.RunUntilIdleAsync();
        await Eventually.TrueAsync(() => worker.Cells.Phase == WorkerPhase.Producing && worker.Cells.BackpressureSince != 0, "the wait");
        long waitingSince = worker.Clock.GetTimestamp();
        // Moved on in steps: a worker that shows no more signs of life never gets there.
        await Eventually.TrueAsync(
            () => worker.Clock.GetElapsedTime(waitingSince, worker.Cells.Heartbeat) > TimeSpan.FromMinutes(2), "signs of life for two minutes",
            () => worker.Clock.Advance(TimeSpan.FromSeconds(1)));

        Assert.InRange(worker.Clock.GetElapsedTime(worker.Cells.BackpressureSince), TimeSpan.FromMinutes(2), TimeSpan.MaxValue);
        Assert.Empty(worker.Sink.Messages);
        ready.SetResult();
        await running;
        Assert.Equal(0, worker.Cells.BackpressureSince);
        Assert.NotEmpty(worker.Sink.Messages);
    }

    [Fact]
    public async Task What_a_shard_that_was_let_go_had_produced_and_not_removed_stays_known_until_the_shard_comes_back_and_counts_again_then()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        worker.Assign(2);
        await worker.FillAsync(Due, FiveTraces);
        bool failed = false;
        worker.At = point =>
        {
            if (point != FaultPoint.AfterProduceBeforeRemove || failed) return;
            failed = true;
            worker.Assign(-2);
            throw new TransactionAbortedException("the group has gone on");
        };

        Task running = worker.RunAsync();
        await worker.EventuallyAsync(() => worker.Shard.HeldAssignment == -2 && worker.Cells.Phase == WorkerPhase.Waiting, "the shard to be let go");

        Assert.Equal((5, 5), (worker.Shard.ProducedSpans, worker.Shard.UnremovedSpans));

        worker.Assign(3);
        await worker.EventuallyAsync(() => worker.BufferedSpans == 0, "the shard to be flushed");
        worker.Tell(WorkerCommand.Stop);
        await running;
        Assert.Equal((10, 0), (worker.Shard.ProducedSpans, worker.Shard.UnremovedSpans));
    }

    [Fact]
    public async Task It_is_healthy_when_it_has_taken_its_shards_over_and_not_before()
    {
        using var worker = new SingleWorker(new FlusherOptions(Rules));
        await worker.FillAsync(Due, FiveTraces);
        worker.Client.Fence();

        await Assert.ThrowsAsync<ClaimLapsedException>(worker.RunAsync);

        Assert.Equal(0, worker.Cells.HealthySince);

        using var other = new SingleWorker(new FlusherOptions(Rules));
        await other.RunUntilIdleAsync();
        Assert.NotEqual(0, other.Cells.HealthySince);
    }
}

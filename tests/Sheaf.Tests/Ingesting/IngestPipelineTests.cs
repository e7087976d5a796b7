using System.Collections.Frozen;
using System.Text;
using Sheaf.TestKit;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Running;
using Sheaf.Tests.Supervision;

namespace Sheaf.Tests.Ingesting;

public class IngestPipelineTests
{
    private static readonly SegmentRules Rules = new();

    [Fact]
    public async Task A_bad_message_is_a_dead_letter_with_its_place_and_the_run_goes_on()
    {
        TestMessage[] input = [.. RandomInput.Messages(1, 50, shards: 1)];
        input[17] = input[17] with { Bytes = "{\"trace_id\":"u8.ToArray() };
        using var run = new PipelineRun(input, Rules);
        await run.RunAsync();

        (DeadLetter letter, byte[] message) = Assert.Single(run.DeadLetters.Letters);
        Assert.Equal(17, letter.SourceOffset);
        Assert.Equal(SpanFaultKind.Truncated, letter.Fault.Kind);
        Assert.Equal("{\"trace_id\":", Encoding.UTF8.GetString(message));
        Assert.Equal(50, run.Counters.Received(new ShardId(0)));
        run.AssertLedgerAddsUp();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Dead_letters_come_in_input_order_whatever_the_lanes(int lanes)
    {
        TestMessage[] input = [.. Enumerable.Range(0, 400).Select(i => new TestMessage(Encoding.UTF8.GetBytes($"bad {i}")))];
        using var run = new PipelineRun(input, Rules, shards: 2, lanes: lanes, chance: new Random(lanes));
        await run.RunAsync();
        Assert.Equal(Enumerable.Range(0, 400).Select(i => $"bad {i}"), run.DeadLetters.Letters.Select(l => Encoding.UTF8.GetString(l.Message)));
        run.AssertLedgerAddsUp();
    }

    [Theory]
    [InlineData(3, 3, false)]
    [InlineData(3, 4, true)]
    public async Task More_bad_messages_in_a_row_than_allowed_stop_the_run(long allowed, int bad, bool stops)
    {
        List<TestMessage> input = [.. RandomInput.Messages(1, 40, shards: 1)];
        // Not in a row with the others.
        input.Insert(0, new TestMessage("bad"u8.ToArray(), 0, 0));
        for (int i = 0; i < bad; i++) input.Insert(20, new TestMessage("bad"u8.ToArray(), 0, 0));
        using var run = new PipelineRun(input, Rules, lanes: 2, chance: new Random(1)) { IngestRules = new(DropRules.None, new DeadLetterLimits(1, allowed)) };
        if (!stops)
        {
            await run.RunAsync();
            return;
        }
        RunStoppedException e = await Assert.ThrowsAsync<RunStoppedException>(() => run.RunAsync());
        Assert.Contains("dead-letter-max-consecutive", e.Message, StringComparison.Ordinal);
        Assert.Equal(bad + 1, run.DeadLetters.Letters.Count); // the one too many is kept as well
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task A_larger_share_of_bad_messages_than_allowed_stops_the_run()
    {
        List<TestMessage> input = [.. RandomInput.Messages(1, 2000, shards: 1)];
        for (int i = 0; i < 2000; i += 10) input[i] = input[i] with { Bytes = "bad"u8.ToArray() };
        using var run = new PipelineRun(input, Rules, chance: new Random(1)) { IngestRules = new(DropRules.None, new DeadLetterLimits(0.05, 0)) };
        RunStoppedException e = await Assert.ThrowsAsync<RunStoppedException>(() => run.RunAsync());
        Assert.Contains("dead-letter-max-ratio", e.Message, StringComparison.Ordinal);
        Assert.InRange(run.DeadLetters.Letters.Count, 100, 110); // not before the thousandth message
    }

    [Fact]
    public async Task The_share_of_bad_messages_is_that_of_the_messages_up_to_the_last_bad_one_however_large_the_blocks_are()
    {
        TestMessage[] input = [.. Enumerable.Range(0, 3000).Select(_ => new TestMessage("bad"u8.ToArray()))];
        using var run = new PipelineRun(input, Rules) { IngestRules = new(DropRules.None, new DeadLetterLimits(0.05, 0)) };
        RunStoppedException e = await Assert.ThrowsAsync<RunStoppedException>(() => run.RunAsync());
        Assert.StartsWith("test input: 1000 of 1000 messages", e.Message, StringComparison.Ordinal);
        Assert.Equal(1000, run.DeadLetters.Letters.Count);
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task The_dead_letters_of_a_block_are_written_together_and_before_anything_of_it_is_stored()
    {
        TestMessage[] input = [.. Enumerable.Range(0, 30).Select(i => new TestMessage(Encoding.UTF8.GetBytes($"bad {i}"))), .. RandomInput.Messages(1, 5, shards: 1)];
        using var run = new PipelineRun(input, Rules);
        await run.RunAsync();
        Assert.Equal([30], run.DeadLetters.Writes);
        Assert.Equal(30, run.Counters.DeadLetters(new ShardId(0)));
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task Each_partition_has_a_row_of_its_own()
    {
        // One after the other over both partitions: a row of six for the input as a whole, of three in each.
        List<TestMessage> input = [.. RandomInput.Messages(1, 10, shards: 1).Select(m => m with { Shard = 0 }), .. RandomInput.Messages(2, 10, shards: 1).Select(m => m with { Shard = 1 })];
        for (int i = 0; i < 3; i++) input.InsertRange(10, [new TestMessage("bad"u8.ToArray(), 0, 0), new TestMessage("bad"u8.ToArray(), 0, 1)]);
        using var run = new PipelineRun(input, Rules, shards: 2) { IngestRules = new(DropRules.None, new DeadLetterLimits(1, 3)) };
        await run.RunAsync();
        Assert.Equal(6, run.DeadLetters.Letters.Count);
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task A_partition_of_rubbish_stops_the_run_however_good_the_others_are_and_is_named()
    {
        TestMessage[] good = [.. RandomInput.Messages(1, 40, shards: 1).Select(m => m with { Shard = 0 })];
        TestMessage[] input = [.. good.SelectMany(m => (TestMessage[])[m, new TestMessage("bad"u8.ToArray(), 0, 1)])];
        using var run = new PipelineRun(input, Rules, shards: 2) { IngestRules = new(DropRules.None, new DeadLetterLimits(1, 5)) };
        RunStoppedException e = await Assert.ThrowsAsync<RunStoppedException>(() => run.RunAsync());
        Assert.StartsWith("partition 1 of test input: 6 messages in a row", e.Message, StringComparison.Ordinal);
        Assert.Contains("The last one, at 11: ", e.Message, StringComparison.Ordinal);
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task The_share_of_bad_messages_is_that_of_their_partition()
    {
        // Of 4100 messages 69 are bad; of the 1100 of partition 1 that is more than the 5 % that are allowed.
        TestMessage[] input =
        [
            .. RandomInput.Messages(1, 3000, shards: 1).Select(m => m with { Shard = 0 }),
            .. RandomInput.Messages(2, 1100, shards: 1).Select((m, i) => i % 16 == 0 ? new TestMessage("bad"u8.ToArray(), 0, 1) : m with { Shard = 1 }),
        ];
        using var run = new PipelineRun(input, Rules, shards: 2) { IngestRules = new(DropRules.None, new DeadLetterLimits(0.05, 0)) };
        RunStoppedException e = await Assert.ThrowsAsync<RunStoppedException>(() => run.RunAsync());
        Assert.StartsWith("partition 1 of test input: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("dead-letter-max-ratio", e.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> Growing =>
    [
        "",
        ",\"is_segment\":null,\"attributes\":null",
        ",\"attributes\":{\"sentry.segment.id\":null}",
        ",\"attributes\":{}" + string.Concat(Enumerable.Repeat(",\"attributes\":{}", 50)), // every occurrence is edited
    ];

    [Theory]
    [MemberData(nameof(Growing))]
    public async Task A_span_that_the_output_would_not_take_is_a_dead_letter_and_one_that_it_just_takes_is_produced(string fields)
    {
        const string Envelope = "{\"flush_id\":\"00000000000000000000000000000000\",\"spans\":[]}";
        byte[] span = Encoding.UTF8.GetBytes(
            $$"""{"trace_id":"{{1:x32}}","span_id":"{{2:x16}}","parent_span_id":"{{1:x16}}","project_id":1,"organization_id":1,"start_timestamp":1,"end_timestamp":2,"received":3,"retention_days":9,"status":"ok"{{fields}}}""");
        using var unlimited = new PipelineRun([new TestMessage(span)], Rules);
        await unlimited.RunAsync();
        int written = Assert.Single(unlimited.Sink.Messages).Body.Length - Envelope.Length;
        Assert.True(written > span.Length);

        using var enough = new PipelineRun([new TestMessage(span)], Rules) { Options = new IngestOptions(1, 1) { MaxWrittenSpanBytes = written } };
        await enough.RunAsync();
        Assert.Single(enough.Sink.Messages);

        using var tooLittle = new PipelineRun([new TestMessage(span)], Rules) { Options = new IngestOptions(1, 1) { MaxWrittenSpanBytes = written - 1 } };
        await tooLittle.RunAsync();
        (DeadLetter letter, byte[] message) = Assert.Single(tooLittle.DeadLetters.Letters);
        Assert.Equal(SpanFaultKind.TooLargeForOutput, letter.Fault.Kind);
        Assert.Equal(span, message);
        Assert.Contains($"{span.Length} bytes: with is_segment and its segment's id more than the {written - 1} bytes", letter.Fault.Describe(message), StringComparison.Ordinal);
        tooLittle.AssertLedgerAddsUp();
    }

    [Fact]
    public void The_room_around_a_span_is_that_of_a_part_of_a_segment() =>
        Assert.Equal("{\"flush_id\":\"00000000000000000000000000000000\",\"skip_enrichment\":true,\"spans\":[]}".Length, SegmentWriter.EnvelopeBytes);

    [Fact]
    public async Task A_message_longer_than_allowed_is_a_dead_letter_whole()
    {
        byte[] large = Encoding.UTF8.GetBytes("{\"x\":\"" + new string('y', 5000) + "\"}");
        using var run = new PipelineRun([new TestMessage(large)], Rules) { Options = new IngestOptions(1, 1, MaxMessageBytes: 1000) };
        await run.RunAsync();
        (DeadLetter letter, byte[] message) = Assert.Single(run.DeadLetters.Letters);
        Assert.Equal(SpanFaultKind.TooLarge, letter.Fault.Kind);
        Assert.Equal($"{large.Length} bytes, 1000 are allowed", letter.Fault.Describe(message));
        Assert.Equal(large, message);
    }

    [Fact]
    public async Task Spans_that_a_rule_names_are_dropped_and_counted()
    {
        var drops = DropRules.None with { Projects = new[] { 1L }.ToFrozenSet() };
        using var run = new PipelineRun(RandomInput.Messages(3, 200, shards: 2), Rules, shards: 2) { IngestRules = new(drops, new DeadLetterLimits()) };
        await run.RunAsync();
        Assert.All(run.Sink.Messages, m => Assert.Equal(2, m.Header.Trace.ProjectId));
        Assert.InRange(run.Counters.Dropped(new ShardId(0)), 1, 199);
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task When_the_input_fails_what_was_read_is_kept_and_the_failure_is_told()
    {
        TestMessage[] input = RandomInput.Messages(4, 100, shards: 1);
        using var run = new PipelineRun(input, Rules, lanes: 3)
        {
            Source = new MessageListSource(input, new Random(1)) { Failure = new SourceException("the disk is gone") },
        };
        SourceException e = await Assert.ThrowsAsync<SourceException>(() => run.RunAsync());
        Assert.Equal("the disk is gone", e.Message);
        Assert.Equal(100, run.Counters.Received(new ShardId(0)));
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task A_stop_ends_the_reading_and_what_was_read_is_stored()
    {
        TestMessage[] input = RandomInput.Messages(5, 20_000, shards: 2);
        using var stop = new CancellationTokenSource();
        var source = new MessageListSource(input, new Random(1));
        using var run = new PipelineRun(input, Rules, shards: 2, lanes: 3) { Source = source };
        Task running = run.RunAsync(stop: stop.Token);
        while (source.Read < 500) await Task.Yield();
        await stop.CancelAsync();
        await running;
        Assert.InRange(source.Read, 500, 19_999);
        Assert.Equal(source.Read, run.Counters.Received(new ShardId(0)) + run.Counters.Received(new ShardId(1)));
        run.AssertLedgerAddsUp();
    }

    [Theory]
    [InlineData(BufferFullPolicy.Pause)]
    [InlineData(BufferFullPolicy.FlushOldest)]
    public async Task A_full_buffer_holds_the_input_and_recovers_by_itself(BufferFullPolicy policy)
    {
        // Nothing becomes due while the input waits: its clock stands still. The oldest leave early, and say so; nothing is lost.
        TestMessage[] input = [.. RandomInput.Messages(6, 3000, shards: 2).Select(m => m with { TimestampMs = 1_700_000_000_000 })];
        using var run = new PipelineRun(input, Rules, shards: 2, workers: 2, chance: new Random(1))
        {
            Options = new IngestOptions(2, 1, OnBufferFull: policy),
            Buffer = new MemoryBuffer(Rules, 2, maxBytes: 200_000),
        };
        await run.RunAsync();
        run.AssertLedgerAddsUp();
        Assert.False(run.Gate.IsPaused);
        Assert.Contains(run.Sink.Messages, m => m.Header.Reason == FlushReason.BufferFull);
        Assert.Equal(0, run.Buffer.Measure(new ShardId(0)).Spans);
        Assert.False(run.Control.Shard(new ShardId(0)).FlushOldest);
    }

    [Fact]
    public async Task The_clock_of_a_shard_is_the_running_maximum_of_its_timestamps()
    {
        TestMessage[] input = RandomInput.Messages(8, 500, shards: 2);
        using var run = new PipelineRun(input, Rules, shards: 2, lanes: 2, chance: new Random(2));
        await run.RunAsync();
        for (int s = 0; s < 2; s++)
            Assert.Equal(input.Where(m => m.Shard == s).Max(m => m.TimestampMs), run.Control.Shard(new ShardId(s)).ClockMs);
    }

    [Fact]
    public async Task A_block_that_was_read_when_the_stop_came_is_stored()
    {
        TestMessage[] input = RandomInput.Messages(9, 100, shards: 1);
        using var stop = new CancellationTokenSource();
        var source = new StoppingSource(new MessageListSource(input), stop);
        using var run = new PipelineRun(input, Rules) { Source = source };
        await run.RunAsync(stop: stop.Token);
        Assert.Equal(100, run.Counters.Received(new ShardId(0)));
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task A_paused_input_is_not_read()
    {
        TestMessage[] input = RandomInput.Messages(10, 100, shards: 1);
        var source = new MessageListSource(input);
        using var run = new PipelineRun(input, Rules, lanes: 2) { Source = source };
        run.Gate.Pause(PauseReasons.Backpressure);
        Task running = run.RunAsync();
        for (int i = 0; i < 2000; i++) await Task.Yield(); // time enough for one that does not wait
        Assert.Equal(0, source.Read);

        run.Gate.Resume(PauseReasons.Backpressure);
        await running;
        Assert.Equal(100, source.Read);
    }

    [Fact]
    public async Task A_reload_of_the_drop_rules_takes_effect_with_the_next_block()
    {
        TestMessage[] input = RandomInput.Messages(11, 200, shards: 1);
        var source = new MessageListSource(input, new Random(1)) { HoldAt = 120 };
        using var run = new PipelineRun(input, Rules) { Source = source };
        Task running = run.RunAsync();
        await source.Held;
        run.IngestRules = run.IngestRules with { Drops = DropRules.None with { Projects = new[] { 1L, 2L }.ToFrozenSet() } };
        source.GoOn();
        await running;
        Assert.Equal(80, run.Counters.Dropped(new ShardId(0)));
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task The_clock_of_a_shard_moves_when_all_up_to_it_is_stored_and_not_before()
    {
        TestMessage[] input = RandomInput.Messages(12, 300, shards: 2);
        var control = new ControlBlock(workers: 1, shards: 2);
        var buffer = new MemoryBuffer(Rules, 2, maxBytes: long.MaxValue);
        var early = new List<long>();
        var watched = new WatchedBuffer(buffer.OpenClient())
        {
            BeforeAppend = batch =>
            {
                long newest = batch.Spans[^1].StreamTimeMs;
                lock (early)
                    if (control.Shard(batch.Shard).ClockMs >= newest && batch.Spans[0].StreamTimeMs < newest) early.Add(newest);
            },
        };
        using var pipeline = new IngestPipeline(
            new IngestOptions(2, Lanes: 2) { LeadBlocks = 1 + input.Length }, new MessageListSource(input, new Random(1)), watched, control, new IngestCounters(2), new DeadLetterList(),
            () => new IngestRules(DropRules.None, new DeadLetterLimits()), new IntakeGate(), _ => { }, TimeProvider.System);
        await pipeline.RunAsync(CancellationToken.None).WaitAsync(Eventually.Patience); // nobody flushes

        Assert.Empty(early);
        Assert.Equal(300, buffer.Measure(new ShardId(0)).Spans + buffer.Measure(new ShardId(1)).Spans);
    }

    [Fact]
    public async Task Every_span_carries_the_running_maximum_of_its_shards_timestamps()
    {
        TestMessage[] input = RandomInput.Messages(13, 300, shards: 1);
        var times = new List<long>();
        var buffer = new MemoryBuffer(Rules, 1, maxBytes: long.MaxValue);
        var watched = new WatchedBuffer(buffer.OpenClient())
        {
            BeforeAppend = batch =>
            {
                foreach (ref readonly TraceSpan span in batch.Spans) times.Add(span.StreamTimeMs);
            },
        };
        using var pipeline = new IngestPipeline(
            new IngestOptions(1, Lanes: 3) { LeadBlocks = 1 + input.Length }, new MessageListSource(input, new Random(1)), watched, new ControlBlock(1, 1), new IngestCounters(1), new DeadLetterList(),
            () => new IngestRules(DropRules.None, new DeadLetterLimits()), new IntakeGate(), _ => { }, TimeProvider.System);
        await pipeline.RunAsync(CancellationToken.None).WaitAsync(Eventually.Patience); // nobody flushes

        long newest = long.MinValue;
        Assert.Equal(input.Select(m => newest = Math.Max(newest, m.TimestampMs)), times);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public async Task Dead_letters_that_cannot_be_written_hold_up_a_stop_for_its_patience_only(long assignment)
    {
        var time = new TestClock();
        var control = new ControlBlock(workers: 1, shards: 1);
        ShardCells cells = control.Shard(new ShardId(0));
        (cells.Assignment, cells.HeldAssignment) = (assignment, assignment);
        var counters = new IngestCounters(1);
        var letters = new StuckDeadLetters();
        using var stop = new CancellationTokenSource();
        using var pipeline = new IngestPipeline(
            new IngestOptions(1, Lanes: 2) { StopPatience = TimeSpan.FromSeconds(10) }, new OneBadMessage(assignment), new MemoryBuffer(new SegmentRules(), 1, long.MaxValue).OpenClient(),
            control, counters, letters, () => new IngestRules(DropRules.None, new DeadLetterLimits(1, 0)), new IntakeGate(), _ => { }, time);
        Task running = pipeline.RunAsync(stop.Token);
        await letters.Begun.Task.WaitAsync(Eventually.Patience);
        await stop.CancelAsync();
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(running.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        // Of a group's shard whoever has it next reads the message again; of a file nobody does.
        if (assignment > 0) await running.WaitAsync(Eventually.Patience);
        else await Assert.ThrowsAsync<SinkException>(() => running.WaitAsync(Eventually.Patience));
        Assert.Equal(0, counters.Received(new ShardId(0)));
    }

    private sealed class StuckDeadLetters : IDeadLetterSink
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel)
        {
            Begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancel);
        }

        public ValueTask DisposeAsync() => default;
    }

    private sealed class OneBadMessage(long assignment) : ISpanSource
    {
        private bool _isRead;

        public string Name => "test";

        public async ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
        {
            if (_isRead) await Task.Delay(Timeout.Infinite, cancel);
            _isRead = true;
            into.Reset(new ShardId(0));
            into.Assignment = assignment;
            into.Grow(8, keep: 0);
            "no span"u8.CopyTo(into.Buffer.Span);
            into.Add(new InputMessage(0, 7, 1, InputMessage.NoTimestamp));
            return true;
        }

        public ValueTask DisposeAsync() => default;
    }

    /// <summary>Asks for a stop when it has read a block.</summary>
    private sealed class StoppingSource(ISpanSource inner, CancellationTokenSource stop) : ISpanSource
    {
        public string Name => inner.Name;

        public async ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
        {
            bool any = await inner.ReadAsync(into, cancel);
            await stop.CancelAsync();
            return any;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>Shows every batch before it is stored.</summary>
    private sealed class WatchedBuffer(ISpanBuffer inner) : ISpanBuffer
    {
        public required Action<SpanBatch> BeforeAppend { get; init; }

        public ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel)
        {
            BeforeAppend(batch);
            return inner.AppendAsync(batch, cancel);
        }

        public ValueTask<double> LoadAsync(CancellationToken cancel) => inner.LoadAsync(cancel);

        public ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel) => throw new NotSupportedException();

        public ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel) => throw new NotSupportedException();

        public ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel) => throw new NotSupportedException();

        public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span) => throw new NotSupportedException();

        public ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel) => throw new NotSupportedException();

        public ValueTask<bool> SettleAsync(bool now, CancellationToken cancel) => inner.SettleAsync(now, cancel);

        public ValueTask LetGoAsync(ShardId shard, bool settles, CancellationToken cancel) => inner.LetGoAsync(shard, settles, cancel);

        public ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

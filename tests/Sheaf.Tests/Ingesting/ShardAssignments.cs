using System.Text;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Running;

namespace Sheaf.Tests.Ingesting;

/// <summary>Shards that a group gives to a process and takes away again, while the pipeline and a worker run.</summary>
public sealed class ShardAssignments : IAsyncDisposable
{
    private const long Noon = 1_700_000_000_000;

    private static readonly ShardId Zero = new(0);
    private static readonly ShardId One = new(1);

    private readonly ControlBlock _control = new(workers: 1, shards: 2);
    private readonly MemoryBuffer _buffer = new(new SegmentRules(), 2, maxBytes: long.MaxValue);
    private readonly IngestCounters _counters = new(2);
    private readonly ScriptedSource _source = new();
    private readonly RecordingSink _sink = new();
    private readonly DeadLetterList _deadLetters = new();
    private readonly IntakeGate _gate = new();
    private readonly SheafMetrics _metrics = new();
    private readonly WorkSignal _signal = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly MemorySpanBuffer _ofWorker;
    private readonly FailingBuffer _ingest;
    private readonly IngestPipeline _pipeline;
    private readonly System.Collections.Concurrent.ConcurrentQueue<(ShardId, long)> _farAhead = [];
    private readonly Task _running;
    private readonly Task _worker;

    public ShardAssignments()
    {
        for (int s = 0; s < 2; s++)
        {
            ShardCells cells = _control.Shard(new ShardId(s));
            cells.Assignment = ShardCells.NotAssigned;
        }
        _ofWorker = _buffer.OpenClient();
        _ingest = new FailingBuffer(_buffer.OpenClient());
        _pipeline = new IngestPipeline(
            new IngestOptions(2, Lanes: 3) { LeadBlocks = 8 }, _source, _ingest, _control, _counters, _deadLetters,
            () => new IngestRules(DropRules.None, new DeadLetterLimits(1, 0)), _gate, _ => _signal.Set(), TimeProvider.System)
        {
            FarAhead = (shard, ms) => _farAhead.Enqueue((shard, ms)),
        };
        var worker = new FlusherWorker(
            0, [Zero, One], _control, _ofWorker, _sink, () => new FlusherOptions(new SegmentRules()), _signal, _metrics, TimeProvider.System);
        _worker = Task.Run(() => worker.RunAsync(CancellationToken.None));
        _running = Task.Run(() => _pipeline.RunAsync(_stop.Token));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(Eventually.Patience);
        WorkerCells cells = _control.Worker(0);
        cells.Command = WorkerCommand.Stop;
        await _worker.WaitAsync(Eventually.Patience);
        _pipeline.Dispose();
        _metrics.Dispose();
        _signal.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task A_shard_is_let_go_without_its_worker_once_all_workers_have_ended()
    {
        await _pipeline.AssignAsync(Zero, 12, new StoredPosition(9, Noon), SettledOffsets.None, default);
        _source.Put(Zero, assignment: 12, Span(2, 10, Noon));
        await StoredAsync(Zero, 10);
        WorkerCells cells = _control.Worker(0);
        cells.Command = WorkerCommand.Stop;
        await _worker.WaitAsync(Eventually.Patience);
        Task release = _pipeline.ReleaseAsync(Zero, default).AsTask();
        await Eventually.TrueAsync(() => _control.Shard(Zero).Assignment == -12, "the shard to be withdrawn");
        Assert.False(release.IsCompleted);
        _pipeline.NoteWorkersHaveEnded();
        await release.WaitAsync(Eventually.Patience);
        Assert.Equal(1, _buffer.Measure(Zero).Spans);
    }

    [Fact]
    public async Task Blocks_of_another_assignment_are_passed_over_uncounted()
    {
        await _pipeline.AssignAsync(Zero, 12, new StoredPosition(9, Noon), SettledOffsets.None, default);
        _source.Put(Zero, assignment: 11, Span(1, 8, Noon), Bad(9));
        _source.Put(Zero, assignment: 12, Span(2, 10, Noon + 5));
        _source.Put(One, assignment: 11, Span(3, 0, Noon));
        await StoredAsync(Zero, 10);
        Assert.Equal(1, _counters.Received(Zero));
        Assert.Equal(1, _buffer.Measure(Zero).Spans);
        Assert.Empty(_deadLetters.Letters);
        Assert.Equal(0, _counters.Received(One));
        Assert.Equal(Noon + 5, _control.Shard(Zero).ClockMs);
    }

    [Fact]
    public async Task What_has_left_already_is_passed_over_uncounted_but_tells_the_time()
    {
        // Of offsets 10 to 15 these have left: a span, a dead letter, and the last span.
        var settled = new SettledOffsets([new(0, new byte[] { 0, (1 << 2) | (1 << 4) | (1 << 7) })]);
        await _pipeline.AssignAsync(Zero, 12, new StoredPosition(9, Noon), settled, default);
        _source.Put(Zero, 12, Span(1, 10, Noon + 50), Span(2, 11, Noon), Bad(12), Bad(13));
        _source.Put(Zero, 12, Span(3, 14, Noon + 20), Span(4, 15, Noon + 70));
        await StoredAsync(Zero, 15);
        Assert.Equal(13, Assert.Single(_deadLetters.Letters).Letter.SourceOffset);
        Assert.Equal(3, _counters.Received(Zero));
        Assert.Equal(2, _buffer.Measure(Zero).Spans);
        Assert.Equal(Noon + 70, _control.Shard(Zero).ClockMs);
        var claim = new ClaimBatch();
        MemorySpanBuffer client = _buffer.OpenClient();
        await client.TakeOverAsync(new[] { Zero }, default);
        await client.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        Assert.Equal([(11, Noon + 50), (14, Noon + 50)], claim.Spans.ToArray().Select(span => (span.SourceOffset, span.StreamTimeMs)).Order());

        _source.Put(Zero, 12, Span(5, 16, Noon + 80));
        await StoredAsync(Zero, 16);
        Assert.Equal(4, _counters.Received(Zero));
    }

    [Fact]
    public async Task A_released_shard_is_let_alone_by_pipeline_and_worker_and_can_come_again()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _source.Put(Zero, 11, Span(1, 0, Noon));
        await StoredAsync(Zero, 0);
        await _pipeline.ReleaseAsync(Zero, default).AsTask().WaitAsync(Eventually.Patience);
        Assert.False(_control.Shard(Zero).IsOwned);
        // Another process goes on with the shard; this one has not a say in it any more.
        MemorySpanBuffer other = _buffer.OpenClient();
        await other.TakeOverAsync(new[] { Zero }, default);
        _source.Put(Zero, 11, Span(2, 1, Noon + 20_000));
        var claim = new ClaimBatch();
        await other.ClaimAsync(Zero, long.MaxValue, 10, claim, default);
        Assert.Equal(1, claim.SpanCount);

        await _pipeline.AssignAsync(Zero, 12, new StoredPosition(0, Noon), SettledOffsets.None, default);
        _source.Put(Zero, 12, Span(2, 1, Noon + 20_000));
        await Eventually.TrueAsync(() => _sink.Messages.Count == 1, "the segment of the first span");
        Assert.Equal(12, _control.Shard(Zero).HeldAssignment);
    }

    [Fact]
    public async Task A_worker_whose_shard_was_taken_over_elsewhere_waits_for_the_group_to_say_so()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        await _pipeline.AssignAsync(One, 11, new StoredPosition(-1, Noon), SettledOffsets.None, default);
        await Eventually.TrueAsync(() => _control.Shard(Zero).HeldAssignment == 11 && _control.Shard(One).HeldAssignment == 11, "a worker that holds both");
        await _buffer.OpenClient().TakeOverAsync(new[] { Zero }, default);
        _source.Put(Zero, 11, Span(1, 0, Noon));
        await Eventually.TrueAsync(() => !_control.Shard(Zero).IsOwned, "a worker that has noticed");
        // Its other shard goes on, and so does the input, of which nothing is stored for the lost one.
        for (int i = 0; i < 20; i++)
        {
            _source.Put(Zero, 11, Span(2, 1 + i, Noon + 200_000));
            _source.Put(One, 11, Span(3 + i, i, Noon + (i * 20_000)));
        }
        await Eventually.TrueAsync(() => _sink.Messages.Count >= 19, "the segments of the other shard");
        Assert.InRange(_control.Shard(Zero).StoredThrough, 0, 2);
        Assert.False(_worker.IsCompleted);
        await _pipeline.ReleaseAsync(Zero, default).AsTask().WaitAsync(Eventually.Patience);
        await _pipeline.AssignAsync(Zero, 12, new StoredPosition(0, Noon), SettledOffsets.None, default);
        await Eventually.TrueAsync(() => _control.Shard(Zero).IsOwned && _control.Shard(Zero).HeldAssignment == 12, "the shard back");
    }

    [Fact]
    public async Task A_lane_that_waits_for_the_buffer_gives_up_when_the_shard_goes()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _ingest.IsAway = true;
        _source.Put(Zero, 11, Span(1, 0, Noon));
        await Eventually.TrueAsync(() => _gate.IsPaused, "a lane that waits");
        await _pipeline.ReleaseAsync(Zero, default).AsTask().WaitAsync(Eventually.Patience);
        Assert.Equal(0, _counters.Received(Zero));
        _ingest.IsAway = false;
    }

    [Fact]
    public async Task What_follows_a_block_that_was_left_out_is_left_out_too()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _ingest.IsAway = true;
        _source.Put(Zero, 11, Span(1, 0, Noon));
        _source.Put(Zero, 11, Span(2, 1, Noon));
        await Eventually.TrueAsync(() => _gate.IsPaused, "a lane that waits");
        await _stop.CancelAsync();
        await _running.WaitAsync(Eventually.Patience); // no fault: whoever has the shard next reads it again
        Assert.Equal((0, -1), (_counters.Received(Zero), _control.Shard(Zero).StoredThrough));
    }

    [Fact]
    public async Task The_clock_of_an_idle_shard_goes_on_from_its_last_message()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        BeIdle(Zero, 11, -1, 3_000_000); // before any message there is no clock
        _source.Put(Zero, 11, Span(1, 0, Noon));
        await WaitForClockAsync(Zero, 11, 0, 4_000);
        Assert.Equal(Noon + 4_000, BeIdle(Zero, 11, 0, 2_000)); // it does not go back
        Assert.Empty(_sink.Messages);
        BeIdle(Zero, 11, 0, 10_001);
        await Eventually.TrueAsync(() => _sink.Messages.Count == 1, "the segment");
        Assert.Equal(0, _control.Shard(Zero).StoredThrough);
        // A message that comes after all, from before: no earlier than the clock.
        _source.Put(Zero, 11, Span(2, 1, Noon + 1));
        await StoredAsync(Zero, 1);
        Assert.Equal(Noon + 10_001, _control.Shard(Zero).ClockMs);
    }

    [Fact]
    public async Task The_clock_of_an_idle_shard_waits_for_what_was_read_of_it_and_only_for_that()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        await _pipeline.AssignAsync(One, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _source.Put(Zero, 11, Span(1, 0, Noon));
        _source.Put(One, 11, Span(2, 0, Noon));
        await WaitForClockAsync(Zero, 11, 0, 1_000);
        await WaitForClockAsync(One, 11, 0, 1_000);
        // The other shard's blocks wait for the buffer and hold up every lane, and the input is paused.
        _ingest.HeldShard = One;
        for (int i = 1; i <= 5; i++) _source.Put(One, 11, Span(3, i, Noon));
        _gate.Pause(PauseReasons.Backpressure);
        Assert.Equal(Noon + 3_000, BeIdle(Zero, 11, 0, 3_000));
        Assert.Equal(Noon + 1_000, BeIdle(One, 11, 5, 3_000));
        // A message that was read and not stored: it may have come in time for what waits.
        Assert.Equal(Noon + 3_000, BeIdle(Zero, 11, 1, 60_000));
        BeIdle(Zero, 11, 0, 10_001);
        await Eventually.TrueAsync(() => _sink.Messages.Count == 1, "the segment of the idle shard");

        _ingest.LetGo();
        _gate.Resume(PauseReasons.Backpressure);
        await Eventually.TrueAsync(() => BeIdle(One, 11, 5, 3_000) == Noon + 4_000, "the clock of the other shard, which goes on from where it stood");
    }

    [Fact]
    public async Task An_idle_shard_believes_a_time_far_ahead_that_has_come_and_closes_by_elapsed_time_what_is_ahead_of_the_day()
    {
        await _pipeline.AssignAsync(Zero, 11, new StoredPosition(-1, Noon), SettledOffsets.None, default);
        const long HoursLater = Noon + 5 * 3_600_000;
        _source.Put(Zero, 11, Span(1, 0, Noon), Span(2, 1, HoursLater));
        await StoredAsync(Zero, 1);
        await Eventually.TrueAsync(() => BeIdle(Zero, 11, 1, 500, nowMs: HoursLater - 1) == Noon + 500, "a clock that does not believe it");
        Assert.Empty(_sink.Messages);
        Assert.Equal(HoursLater + 600, BeIdle(Zero, 11, 1, 600, nowMs: HoursLater));
        await Eventually.TrueAsync(() => _sink.Messages.Count == 1, "the segment from before");
        BeIdle(Zero, 11, 1, 10_001, nowMs: HoursLater);
        await Eventually.TrueAsync(() => _sink.Messages.Count == 2, "the segment behind the gap");

        _source.Put(Zero, 11, Span(3, 2, long.MaxValue));
        await StoredAsync(Zero, 2);
        await Eventually.TrueAsync(() => BeIdle(Zero, 11, 2, 10_001, nowMs: HoursLater + 10_001) == HoursLater + 20_002, "the clock");
        await Eventually.TrueAsync(() => _sink.Messages.Count == 3, "the segment of the year 9999");
    }

    [Fact]
    public async Task Messages_far_ahead_are_counted_and_told_when_others_outvote_them()
    {
        await _pipeline.AssignAsync(Zero, 11, new StoredPosition(-1, Noon), SettledOffsets.None, default);
        _source.Put(Zero, 11, Span(1, 0, Noon), Span(2, 1, Noon + 3_000_000), Span(2, 2, Noon + 3_000_007));
        await StoredAsync(Zero, 2);
        Assert.Equal(0, _counters.FarAhead(Zero));
        _source.Put(Zero, 11, Span(3, 3, Noon + 1));
        await Eventually.TrueAsync(() => _counters.FarAhead(Zero) == 2, "the count");
        await Eventually.TrueAsync(() => _farAhead.Count == 1, "the news of it");
        Assert.Equal((Zero, 3_000_007), Assert.Single(_farAhead));
    }

    [Fact]
    public async Task Idle_time_of_another_assignment_or_after_a_release_moves_no_clock()
    {
        await _pipeline.AssignAsync(Zero, 12, new StoredPosition(9, Noon), SettledOffsets.None, default);
        Assert.Equal(Noon, BeIdle(Zero, 11, 9, 5_000));
        Assert.Equal(Noon + 5_000, BeIdle(Zero, 12, 9, 5_000));
        await Eventually.TrueAsync(() => _control.Shard(Zero).HeldAssignment == 12, "a worker that holds it");
        await _pipeline.ReleaseAsync(Zero, default).AsTask().WaitAsync(Eventually.Patience);
        Assert.Equal(Noon + 5_000, BeIdle(Zero, 12, 9, 6_000));
    }

    [Fact]
    public async Task What_the_buffer_refuses_is_neither_stored_nor_counted_and_so_is_what_follows_it()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        await _pipeline.AssignAsync(One, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _ingest.RefusedShard = Zero;
        _source.Put(Zero, 11, Span(1, 0, Noon));
        _source.Put(One, 11, Span(2, 0, Noon));
        await StoredAsync(One, 0);
        await Eventually.TrueAsync(() => _ingest.Refused == 1, "a refusal");
        _ingest.RefusedShard = null;
        _source.Put(Zero, 11, Span(3, 1, Noon));
        _source.Put(One, 11, Span(4, 1, Noon));
        await StoredAsync(One, 1);
        await _pipeline.ReleaseAsync(Zero, default).AsTask().WaitAsync(Eventually.Patience);
        Assert.Equal((0, -1), (_counters.Received(Zero), _control.Shard(Zero).StoredThrough));
        Assert.False(_running.IsCompleted);

        await _pipeline.AssignAsync(Zero, 12, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _source.Put(Zero, 12, Span(1, 0, Noon), Span(3, 1, Noon));
        await StoredAsync(Zero, 1);
        Assert.Equal(2, _counters.Received(Zero));
    }

    [Fact]
    public async Task A_shard_that_the_buffer_refuses_for_long_although_the_group_says_otherwise_ends_the_run()
    {
        var source = new ScriptedSource();
        var control = new ControlBlock(workers: 1, shards: 1);
        ShardCells cells = control.Shard(Zero);
        cells.Assignment = ShardCells.NotAssigned;
        using var pipeline = new IngestPipeline(
            new IngestOptions(1, Lanes: 1) { RefusalPatience = TimeSpan.Zero }, source, new FailingBuffer(_buffer.OpenClient()) { RefusedShard = Zero }, control, new IngestCounters(1), _deadLetters,
            () => new IngestRules(DropRules.None, new DeadLetterLimits(1, 0)), new IntakeGate(), _ => { }, TimeProvider.System);
        Task running = pipeline.RunAsync(default);
        await pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        for (int i = 0; i < 3; i++) source.Put(Zero, 11, Span(1, i, Noon));
        ClaimLapsedException e = await Assert.ThrowsAsync<ClaimLapsedException>(() => running.WaitAsync(Eventually.Patience));
        Assert.Contains("start again", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_shards_blocks_do_not_wait_for_another_shards()
    {
        await _pipeline.AssignAsync(Zero, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        await _pipeline.AssignAsync(One, 11, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        _ingest.HeldShard = Zero;
        _source.Put(Zero, 11, Span(1, 0, Noon));
        for (int i = 0; i < 5; i++) _source.Put(One, 11, Span(2 + i, i, Noon));
        await StoredAsync(One, 4);
        Assert.Equal(-1, _control.Shard(Zero).StoredThrough);
        _ingest.LetGo();
        await StoredAsync(Zero, 0);
    }

    private long BeIdle(ShardId shard, long assignment, long readThrough, long idleMs, long nowMs = 2 * Noon)
    {
        _pipeline.BeIdle(shard, assignment, readThrough, idleMs, nowMs);
        return _control.Shard(shard).ClockMs;
    }

    /// <summary>Idle time that counts once the shard's lane has left it.</summary>
    private Task WaitForClockAsync(ShardId shard, long assignment, long readThrough, long idleMs) =>
        Eventually.TrueAsync(() => BeIdle(shard, assignment, readThrough, idleMs) == Noon + idleMs, $"the clock of shard {shard}");

    private Task StoredAsync(ShardId shard, long offset) =>
        Eventually.TrueAsync(() => _control.Shard(shard).StoredThrough == offset, $"shard {shard} stored through {offset}");

    private static (byte[] Bytes, long Offset, long TimestampMs) Span(int trace, long offset, long timestampMs) => (Encoding.UTF8.GetBytes(
        $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"{trace:x32}\",\"span_id\":\"{trace:x16}\",\"start_timestamp\":1,\"end_timestamp\":2,\"received\":3,\"retention_days\":90,\"status\":\"ok\"}}"),
        offset, timestampMs);

    private static (byte[] Bytes, long Offset, long TimestampMs) Bad(long offset) => ("bad"u8.ToArray(), offset, Noon);

    /// <summary>Hands out blocks as they are put.</summary>
    private sealed class ScriptedSource : ISpanSource
    {
        private readonly System.Threading.Channels.Channel<InputBlock> _blocks = System.Threading.Channels.Channel.CreateUnbounded<InputBlock>();

        public string Name => "test input";

        public void Put(ShardId shard, long assignment, params (byte[] Bytes, long Offset, long TimestampMs)[] messages)
        {
            var block = new InputBlock(4096);
            block.Reset(shard);
            block.Assignment = assignment;
            int at = 0;
            foreach ((byte[] bytes, long offset, long timestamp) in messages)
            {
                bytes.CopyTo(block.Buffer[at..]);
                block.Add(new InputMessage(at, bytes.Length, offset, timestamp));
                at += bytes.Length;
            }
            _blocks.Writer.TryWrite(block);
        }

        public async ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
        {
            into.Exchange(await _blocks.Reader.ReadAsync(cancel));
            return true;
        }

        public ValueTask DisposeAsync() => default;
    }

    /// <summary>A buffer that is away, or that takes long for one shard, when a test says so.</summary>
    private sealed class FailingBuffer(ISpanBuffer inner) : ISpanBuffer
    {
        private readonly TaskCompletionSource _letGo = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isAway;

        public bool IsAway { set => _isAway = value; }

        public ShardId? HeldShard { private get; set; }

        public ShardId? RefusedShard { private get; set; }

        public int Refused { get; private set; }

        public void LetGo() => _letGo.SetResult();

        public async ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel)
        {
            if (_isAway) throw new BufferUnavailableException("away");
            if (batch.Shard == RefusedShard)
            {
                Refused++;
                throw new ClaimLapsedException("another instance has it");
            }
            if (batch.Shard == HeldShard) await _letGo.Task.WaitAsync(cancel);
            await inner.AppendAsync(batch, cancel);
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

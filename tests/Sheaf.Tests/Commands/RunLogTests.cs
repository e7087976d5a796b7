using Microsoft.Extensions.Logging;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Commands;

/// <summary>What the log tells while a run goes on, and when.</summary>
public sealed class RunLogTests : IAsyncLifetime, IDisposable
{
    private readonly TestClock _clock = new();
    private readonly LogRecorder _recorder = new();
    private readonly IntakeGate _gate = new();
    private readonly ControlBlock _control = new(workers: 2, shards: 2);
    private RunSnapshot _now = new();
    private MemoryRunBuffer _buffer = null!;
    private RunLog _log = null!;

    public async Task InitializeAsync()
    {
        var host = new TestHost();
        Assert.Equal(0, await host.ProcessSpansAsync("--shards", "2", "--flusher-processes", "2"));
        ProcessSpansPlan plan = host.Plan!;
        _buffer = new MemoryRunBuffer(plan, _control);
        var trouble = new BufferTrouble(_recorder.CreateLogger("trouble"), _clock);
        _log = new RunLog(plan, _control, ShardPlan.Deal(2, 2), _gate, _buffer, trouble, () => _now, _clock, _recorder.CreateLogger<RunLog>());
    }

    public async Task DisposeAsync() => await _buffer.DisposeAsync();

    public void Dispose()
    {
        _log.Dispose();
        _control.Dispose();
        _recorder.Dispose();
    }

    [Fact]
    public void A_run_in_order_is_told_once_a_minute_and_nothing_else_is_above_debug()
    {
        LookFor(181);
        Assert.Equal([EventIds.RunGoesOn, EventIds.RunGoesOn, EventIds.RunGoesOn], Told());
    }

    [Fact]
    public void The_line_at_an_interval_has_rates_since_the_last_one_and_the_ledger()
    {
        _now = new RunSnapshot { Counts = new LedgerCounts(600, 400, 190, 7, 2, 1), Segments = 120, BytesIn = 6 * 1024 * 60, ShardsHere = 2 };
        LookFor(60.25);
        string text = _recorder.Events.Single(logged => logged.Id == EventIds.RunGoesOn).Text;
        Assert.StartsWith("10 spans/s in (6.0 KiB/s), 2 segments/s out (0 B/s) over 60 s; buffered 190 spans", text, StringComparison.Ordinal);
        Assert.Contains("2 of 2 shards here", text, StringComparison.Ordinal);
        Assert.EndsWith("received 600 = produced 400 + buffered 190 + dead letters 7 + duplicates 2 + dropped 1", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_line_at_an_interval_tells_how_much_of_a_topic_is_not_read_yet()
    {
        _now = new RunSnapshot { Unread = 1234 };
        LookFor(60.25);
        Assert.Contains(", 1234 messages not read yet, ", _recorder.Events.Single(logged => logged.Id == EventIds.RunGoesOn).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void An_output_that_takes_nothing_is_told_within_two_seconds_and_when_it_takes_again()
    {
        WorkerCells worker = _control.Worker(1);
        ShardCells shard = _control.Shard(new ShardId(1));
        shard.ProducedBytes = 10;
        worker.Phase = WorkerPhase.Producing;
        LookFor(1.5);
        Assert.Equal([EventIds.OutputUnavailable], Told());

        shard.ProducedBytes = 20;
        worker.Phase = WorkerPhase.Waiting;
        LookFor(0.25);
        Assert.Equal([EventIds.OutputUnavailable, EventIds.OutputAvailable], Told());
    }

    [Fact]
    public void An_output_that_is_slow_and_takes_something_is_not_away()
    {
        WorkerCells worker = _control.Worker(0);
        ShardCells shard = _control.Shard(new ShardId(0));
        worker.Phase = WorkerPhase.Producing;
        for (int i = 1; i < 60; i++)
        {
            shard.ProducedBytes = i;
            LookFor(0.75);
        }
        Assert.Empty(Told());
    }

    [Fact]
    public void A_full_buffer_that_pauses_again_and_again_is_one_pause()
    {
        for (int i = 0; i < 20; i++)
        {
            _gate.Pause(PauseReasons.BufferFull);
            LookFor(0.25);
            _gate.Resume(PauseReasons.BufferFull);
            LookFor(0.25);
        }
        Assert.Equal([EventIds.IntakePausedByFullBuffer], Told());
        LookFor(1);
        Assert.Equal([EventIds.IntakePausedByFullBuffer, EventIds.IntakeResumedFromFullBuffer], Told());
    }

    [Fact]
    public void What_lasts_for_less_than_a_second_is_not_told()
    {
        WorkerCells worker = _control.Worker(0);
        for (int i = 0; i < 20; i++)
        {
            _gate.Pause(PauseReasons.BufferUnavailable | PauseReasons.BufferFull);
            worker.Phase = i % 2 == 0 ? WorkerPhase.Recovering : WorkerPhase.Producing;
            _log.Look();
            _gate.Resume(PauseReasons.BufferUnavailable | PauseReasons.BufferFull);
            worker.Phase = WorkerPhase.Waiting;
            _clock.Advance(RunLog.LookInterval);
            LookFor(1);
        }
        Assert.Empty(Told());
    }

    [Fact]
    public void A_buffer_that_takes_no_batch_and_a_worker_that_cannot_take_its_shards_over_are_one_outage()
    {
        WorkerCells worker = _control.Worker(0);
        _gate.Pause(PauseReasons.BufferUnavailable);
        LookFor(1);
        worker.Phase = WorkerPhase.Recovering;
        _gate.Resume(PauseReasons.BufferUnavailable);
        LookFor(5);
        Assert.Equal([EventIds.BufferUnavailable], Told());
        worker.Phase = WorkerPhase.Claiming;
        LookFor(1);
        Assert.Equal([EventIds.BufferUnavailable, EventIds.BufferAvailable], Told());
    }

    [Fact]
    public void Segments_that_are_cut_early_are_told_when_it_begins_and_when_it_has_ended_with_counts_by_reason()
    {
        _now = new RunSnapshot { SegmentsByReason = BySegmentReason((FlushReason.BufferFull, 3), (FlushReason.RootTimeout, 9)) };
        LookFor(1.25);
        Assert.Equal([EventIds.SegmentsCutEarly], Told());
        _now = new RunSnapshot { SegmentsByReason = BySegmentReason((FlushReason.BufferFull, 3), (FlushReason.MaxBytes, 2)) };
        LookFor(75);

        Assert.Equal([EventIds.SegmentsCutEarly, EventIds.RunGoesOn, EventIds.SegmentsCutEarly, EventIds.SegmentCutsEnded], Told());
        RecordedEvent[] cuts = [.. _recorder.Events.Where(logged => logged.Id is EventIds.SegmentsCutEarly or EventIds.SegmentCutsEnded)];
        Assert.Contains("3 segments", cuts[0].Text, StringComparison.Ordinal);
        Assert.Contains("(buffer_full 3)", cuts[0].Text, StringComparison.Ordinal);
        Assert.Contains("(max_bytes 2)", cuts[1].Text, StringComparison.Ordinal);
        Assert.Contains("5 (buffer_full 3, max_bytes 2)", cuts[2].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Dead_letters_are_told_at_once_and_then_once_a_minute_with_reasons_and_where_they_are()
    {
        for (int second = 0; second < 130; second++)
        {
            long[] kinds = new long[Enum.GetValues<SpanFaultKind>().Length];
            kinds[(int)SpanFaultKind.Missing] = second;
            kinds[(int)SpanFaultKind.InvalidJson] = 1;
            _now = new RunSnapshot { DeadLettersByKind = kinds, Counts = new LedgerCounts(1000, 0, 0, second + 1, 0, 0) };
            LookFor(1);
        }
        RecordedEvent[] told = [.. _recorder.Events.Where(logged => logged.Id == EventIds.DeadLettersKept)];
        Assert.Equal(3, told.Length);
        Assert.Contains("invalid_json 1", told[0].Text, StringComparison.Ordinal);
        Assert.DoesNotContain("invalid_json", told[1].Text, StringComparison.Ordinal);
        Assert.All(told, logged => Assert.Contains("file:sheaf-dead-letters.jsonl", logged.Text, StringComparison.Ordinal));
    }

    private int[] Told() => [.. _recorder.Events.Where(logged => logged.Level > LogLevel.Debug).Select(logged => logged.Id)];

    private static long[] BySegmentReason(params (FlushReason Reason, long Count)[] counts)
    {
        long[] all = new long[Enum.GetValues<FlushReason>().Length];
        foreach ((FlushReason reason, long count) in counts) all[(int)reason] = count;
        return all;
    }

    private void LookFor(double seconds)
    {
        for (TimeSpan left = TimeSpan.FromSeconds(seconds); left > TimeSpan.Zero; left -= RunLog.LookInterval)
        {
            _log.Look();
            _clock.Advance(RunLog.LookInterval);
        }
        _log.Look();
    }
}

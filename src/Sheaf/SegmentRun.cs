using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>
/// One run of <c>sheaf process-spans</c>: composes source, pipeline, buffer, workers and sink, runs them to the end, and tells what became of
/// every span. The only place that knows all of them. Runs once.
/// </summary>
internal sealed class SegmentRun : IAsyncDisposable
{
    /// <summary>How long a worker that was cancelled may take before its thread is given up.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly ProcessSpansPlan _plan;
    private readonly RunContext _context;
    private readonly JsonLinesSink _sink;
    private readonly IDeadLetterSink _deadLetters;
    private readonly MemoryBuffer _buffer;
    private readonly MemorySpanBuffer _ingestClient;
    private readonly ControlBlock _control;
    private readonly IngestCounters _counters;
    private readonly IntakeGate _gate = new();
    private readonly SheafMetrics _metrics = new();
    private readonly WorkSignal[] _signals;
    private readonly FlusherSupervisor _supervisor;
    private readonly IngestPipeline _pipeline;
    private volatile Settings _settings;

    private SegmentRun(ProcessSpansPlan plan, RunContext context, JsonLinesSource source, JsonLinesSink sink)
    {
        _plan = plan;
        _context = context;
        _sink = sink;
        _settings = new Settings(plan.Rules, context.Live.Current);
        _deadLetters = plan.DeadLetter switch
        {
            DeadLetterTarget.File file => new DeadLetterFile(file.Path, context.Time),
            _ => new StopOnDeadLetter(), // DeadLetterTarget.Stop: the set is closed by its private constructor
        };

        ShardPlan shards = ShardPlan.Deal(plan.Shards, plan.FlusherProcesses);
        _control = new ControlBlock(shards.Workers.Length, plan.Shards);
        _counters = new IngestCounters(plan.Shards);
        _buffer = new MemoryBuffer(plan.Rules, plan.Shards, plan.MaxBufferBytes);
        _ingestClient = _buffer.OpenClient();
        _signals = [.. shards.Workers.Select(_ => new WorkSignal())];
        _metrics.Observe(_counters, _control, _buffer.Measure, () => _buffer.Load);

        var host = new ThreadHost(CreateWorker, Grace, context.Time, context.Logs.CreateLogger<ThreadHost>());
        _supervisor = new FlusherSupervisor(
            shards, host, _control, new SupervisionOptions { MaxUnhealthy = plan.MaxUnhealthy, Backpressure = plan.Backpressure }, _gate, _metrics.FlusherUnhealthy,
            _metrics.Backpressure, context.Time, context.Logs.CreateLogger<FlusherSupervisor>());

        var options = new IngestOptions(plan.Shards, Math.Clamp(Environment.ProcessorCount, 1, 16), plan.MaxMessageBytes, plan.OnBufferFull);
        _pipeline = new IngestPipeline(
            options, source, _ingestClient, _control, _counters, _deadLetters, () => SettingsNow().Ingest, _gate,
            shard => _signals[shard.Value % _signals.Length].Set(), context.Time);
    }

    /// <summary>Runs the plan to its end, or to a clean stop.</summary>
    /// <exception cref="SheafException">The input or output cannot be opened, or the workers do not start: nothing was read.</exception>
    public static async Task<RunReport> RunAsync(ProcessSpansPlan plan, RunContext context, CancellationToken stop)
    {
        long begun = context.Time.GetTimestamp();
        try
        {
            return await RunAsync(plan, context, begun, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A named pipe was waited for that nobody has opened at its other end, or the workers were just starting.
            return NothingRead(plan, context.Time.GetElapsedTime(begun));
        }
    }

    private static async Task<RunReport> RunAsync(ProcessSpansPlan plan, RunContext context, long begun, CancellationToken stop)
    {
        await using JsonLinesSource source = await JsonLinesSource.OpenAsync(plan.Input, stop);
        await using JsonLinesSink sink = await JsonLinesSink.OpenAsync(plan.Output, plan.Overwrite, plan.WithHeaders, stop);
        await using var run = new SegmentRun(plan, context, source, sink);
        (RunOutcome outcome, string? reason) = await run.RunToEndAsync(stop);
        try
        {
            await run._deadLetters.DisposeAsync();
            await sink.DisposeAsync();
        }
        catch (SinkException e)
        {
            // A run that had failed before keeps its reason: the first one.
            if (outcome is RunOutcome.Done or RunOutcome.Interrupted) (outcome, reason) = (RunOutcome.Failed, e.Message);
        }
        return run.Report(outcome, reason, context.Time.GetElapsedTime(begun));
    }

    public async ValueTask DisposeAsync()
    {
        _supervisor.Dispose();
        _pipeline.Dispose();
        _metrics.Dispose();
        foreach (WorkSignal signal in _signals) signal.Dispose();
        await _ingestClient.DisposeAsync();
        await _deadLetters.DisposeAsync();
    }

    private async Task<(RunOutcome Outcome, string? Reason)> RunToEndAsync(CancellationToken stop)
    {
        await _supervisor.StartAsync(stop);
        _context.ShowProgress(Snapshot);

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task ingest = _pipeline.RunAsync(ending.Token);
        await Task.WhenAny(ingest, _supervisor.Completion);
        await ending.CancelAsync(); // when a worker was given up: what was read is still appended
        string? inputFailure = null;
        try
        {
            await ingest;
        }
        catch (SourceException e)
        {
            // What could be read is as good as ever: it is flushed, and then the run has failed.
            inputFailure = e.Message;
        }
        catch (SheafException e)
        {
            await _supervisor.StopAsync(_plan.ShutdownTimeout);
            return (e is RunStoppedException ? RunOutcome.DeadLetterLimit : RunOutcome.Failed, e.Message);
        }

        try
        {
            stop.ThrowIfCancellationRequested();
            await _supervisor.DrainAsync(stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            StopReport stopped = await _supervisor.StopAsync(_plan.ShutdownTimeout);
            return (RunOutcome.Interrupted, Interruption(stopped));
        }
        catch (RunStoppedException e)
        {
            await _supervisor.StopAsync(_plan.ShutdownTimeout);
            return (RunOutcome.Failed, e.Message);
        }
        return inputFailure is null ? (RunOutcome.Done, null) : (RunOutcome.Failed, inputFailure);
    }

    private static RunReport NothingRead(ProcessSpansPlan plan, TimeSpan elapsed) => new()
    {
        Outcome = RunOutcome.Interrupted,
        Reason = "stopped as asked; nothing was read",
        Ledger = new Ledger([.. Enumerable.Range(0, plan.Shards).Select(s => new ShardLedger(new ShardId(s), default))]),
        Segments = new Dictionary<FlushReason, long>(),
        Elapsed = elapsed,
        BytesIn = 0,
        BytesOut = 0,
    };

    private string Interruption(StopReport stopped)
    {
        string reason = "stopped as asked; what is still buffered was not produced: run again from the beginning of the input";
        if (stopped.Forced.Length + stopped.NotEnded.Length > 0)
            reason += $". Not ended within {_plan.ShutdownTimeout.TotalSeconds} s: {string.Join(", ", stopped.Forced.AddRange(stopped.NotEnded))}";
        return reason;
    }

    private Worker CreateWorker(WorkerShards shards)
    {
        MemorySpanBuffer buffer = _buffer.OpenClient();
        JsonLinesClient sink = _sink.CreateClient();
        var worker = new FlusherWorker(
            shards.Worker, shards.Shards, _control, buffer, sink, () => SettingsNow().Flusher, _signals[shards.Worker], _metrics, _context.Time);
        return new Worker(worker, buffer, sink);
    }

    /// <summary>What follows from the reloadable plan that holds now; made anew only when that has changed.</summary>
    private Settings SettingsNow()
    {
        ReloadablePlan now = _context.Live.Current;
        Settings settings = _settings;
        if (!ReferenceEquals(settings.Plan, now)) _settings = settings = new Settings(_plan.Rules, now);
        return settings;
    }

    private RunSnapshot Snapshot()
    {
        LedgerCounts counts = default;
        long bufferedBytes = 0, segments = 0, bytesIn = 0, bytesOut = 0, lag = 0;
        foreach (ShardId shard in Shards)
        {
            BufferDepth depth = _buffer.Measure(shard);
            ShardCells cells = _control.Shard(shard);
            counts += CountsOf(shard, depth.Spans);
            bufferedBytes += depth.PayloadBytes;
            bytesIn += _counters.ReceivedBytes(shard);
            bytesOut += cells.ProducedBytes;
            foreach (FlushReason reason in Enum.GetValues<FlushReason>()) segments += cells.Segments(reason);
            if (cells.ClockMs > depth.EarliestDeadlineMs) lag = Math.Max(lag, cells.ClockMs - depth.EarliestDeadlineMs);
        }
        return new RunSnapshot
        {
            Counts = counts,
            BufferedBytes = bufferedBytes,
            Segments = segments,
            BytesIn = bytesIn,
            BytesOut = bytesOut,
            Lag = TimeSpan.FromMilliseconds(lag),
            PausedBecause = [.. PausedBecause(_gate.Reasons)],
        };
    }

    private RunReport Report(RunOutcome outcome, string? reason, TimeSpan elapsed)
    {
        RunSnapshot last = Snapshot();
        return new RunReport
        {
            Outcome = outcome,
            Reason = reason,
            Ledger = new Ledger([.. Shards.Select(shard => new ShardLedger(shard, CountsOf(shard, _buffer.Measure(shard).Spans)))]),
            Segments = Enum.GetValues<FlushReason>().ToDictionary(r => r, r => Shards.Sum(shard => _control.Shard(shard).Segments(r))),
            Elapsed = elapsed,
            BytesIn = last.BytesIn,
            BytesOut = last.BytesOut,
            DeadLetterFile = last.Counts.DeadLetters > 0 && _plan.DeadLetter is DeadLetterTarget.File file ? file.Path : null,
        };
    }

    private LedgerCounts CountsOf(ShardId shard, long buffered)
    {
        ShardCells cells = _control.Shard(shard);
        return new LedgerCounts(
            _counters.Received(shard), cells.ProducedSpans, buffered, _counters.DeadLetters(shard),
            cells.DuplicateSpans, _counters.Dropped(shard));
    }

    private IEnumerable<ShardId> Shards => Enumerable.Range(0, _plan.Shards).Select(s => new ShardId(s));

    private static IEnumerable<string> PausedBecause(PauseReasons reasons)
    {
        if (reasons.HasFlag(PauseReasons.Backpressure)) yield return "a flusher worker is behind";
        if (reasons.HasFlag(PauseReasons.BufferFull)) yield return "the buffer is full";
    }

    /// <summary>The reloadable plan as the two sides of the run want it. Immutable; swapped as a whole.</summary>
    private sealed class Settings(SegmentRules rules, ReloadablePlan plan)
    {
        public ReloadablePlan Plan { get; } = plan;

        public FlusherOptions Flusher { get; } = new(rules, plan.MaxFlushSegments);

        public IngestRules Ingest { get; } = new(plan.DropRules, new DeadLetterLimits(plan.DeadLetterMaxRatio, plan.DeadLetterMaxConsecutive));
    }

    /// <summary>One life of a worker on a thread, with the clients that are its own.</summary>
    private sealed class Worker(FlusherWorker worker, MemorySpanBuffer buffer, JsonLinesClient sink) : IWorkerInstance
    {
        public Task RunAsync(CancellationToken cancel) => worker.RunAsync(cancel);

        public void Fence()
        {
            buffer.Fence();
            sink.Fence();
        }
    }
}

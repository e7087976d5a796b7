using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;
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

    private static readonly TimeSpan PublishInterval = TimeSpan.FromMilliseconds(500);

    private readonly ProcessSpansPlan _plan;
    private readonly RunContext _context;
    private readonly RunBuffer _buffer;
    private readonly RunOutput _output;
    private readonly RunInput _input;
    private readonly KafkaProgress? _progress;
    private readonly IDeadLetterSink _deadLetters;
    private readonly ControlBlock _control;
    private readonly IngestCounters _counters;
    private readonly IntakeGate _gate = new();
    private readonly SheafMetrics _metrics = new();
    private readonly BufferTrouble _trouble;
    private readonly Action<FaultPoint>? _faults;
    private readonly WorkSignal[] _signals;
    private readonly FlusherSupervisor _supervisor;
    private readonly IngestPipeline _pipeline;
    private volatile Settings _settings;

    private SegmentRun(
        ProcessSpansPlan plan, RunContext context, ControlBlock control, ShardPlan shards, RunBuffer buffer, RunOutput output, RunInput input,
        KafkaProgress? progress, IDeadLetterSink deadLetters, Faults faults)
    {
        _plan = plan;
        _context = context;
        _control = control;
        _buffer = buffer;
        _output = output;
        _input = input;
        _progress = progress;
        _faults = faults.Own;
        _deadLetters = deadLetters;
        _settings = new Settings(plan.Rules, context.Live.Current);
        _trouble = new BufferTrouble(context.Logs.CreateLogger("Sheaf.Buffering"), context.Time);
        _counters = new IngestCounters(plan.Shards);
        _signals = [.. shards.Workers.Select(_ => new WorkSignal())];
        _metrics.Observe(_counters, _control, _buffer.Depth, () => _buffer.Load);
        if (progress is not null) _metrics.ObserveProgress(() => progress.FailedCommits);

        IWorkerHost host = plan.Isolation switch
        {
            FlusherIsolation.Thread => new ThreadHost(CreateWorker, Grace, context.Time, context.Logs.CreateLogger<ThreadHost>()),
            FlusherIsolation.Process => new ProcessHost(
                WorkerCommandLine.OfThisProgram(), AssignmentOf, faults.Plan, faults.Seed, _metrics, context.Logs, context.Time),
        };
        _supervisor = new FlusherSupervisor(
            shards, host, _control, new SupervisionOptions { MaxUnhealthy = plan.MaxUnhealthy, Backpressure = plan.Backpressure }, _gate, _metrics.FlusherUnhealthy,
            _metrics.Backpressure, context.Time, context.Logs.CreateLogger<FlusherSupervisor>());

        var options = new IngestOptions(plan.Shards, Math.Clamp(Environment.ProcessorCount, 1, 16), plan.MaxMessageBytes, plan.OnBufferFull)
        {
            Format = plan.InputFormat, Stored = buffer.Stored, StopPatience = plan.ShutdownTimeout, MaxWrittenSpanBytes = output.MaxSpanBytes,
        };
        _pipeline = new IngestPipeline(
            options, input.Source, _buffer.IngestClient, _control, _counters, _deadLetters, () => SettingsNow().Ingest, _gate,
            shard => _signals[shard.Value % _signals.Length].Set(), context.Time, faults.Own, _trouble.Tell);
    }

    /// <summary>Runs the plan to its end, or to a clean stop.</summary>
    /// <exception cref="SheafException">The input, the buffer or the output cannot be opened, or the workers do not start: nothing was read.</exception>
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
        Faults faults = Faults.OfThisProcess(context);
        await using RunInput input = await RunInput.OpenAsync(plan, context, stop);
        plan = plan with { Shards = input.Shards };
        ShardPlan shards = ShardPlan.Deal(plan.Shards, plan.FlusherProcesses);
        using ControlBlock control = plan.Isolation switch
        {
            FlusherIsolation.Thread => new ControlBlock(shards.Workers.Length, plan.Shards),
            FlusherIsolation.Process => ControlBlock.CreateShared(shards.Workers.Length, plan.Shards),
        };
        for (int s = 0; input.IsShared && s < plan.Shards; s++)
        {
            ShardCells cells = control.Shard(new ShardId(s));
            cells.Assignment = ShardCells.NotAssigned;
        }
        // Before the output: a run that is refused for what the buffer holds must not have emptied it.
        await using RunBuffer buffer = plan.Buffer is BufferTarget.Redis redis
            ? await RedisRunBuffer.OpenAsync(plan, redis, control, faults.Own, context, stop)
            : new MemoryRunBuffer(plan, control);
        using KafkaProgress? progress = buffer is MemoryRunBuffer memory ? await OpenProgressAsync(plan, memory, context, stop) : null;
        await using RunOutput output = await RunOutput.OpenAsync(plan, control, context, stop);
        IDeadLetterSink deadLetters = await OpenDeadLettersAsync(plan, context, stop);
        await using var run = new SegmentRun(plan, context, control, shards, buffer, output, input, progress, deadLetters, faults);
        (RunOutcome outcome, string? reason) = await run.RunToEndAsync(stop);
        try
        {
            await run._deadLetters.DisposeAsync();
            await output.FinishAsync();
            if (outcome == RunOutcome.Done) await input.CompleteAsync(buffer.Stored, CancellationToken.None); // everything has left: a stop now must not hide that
        }
        catch (SheafException e)
        {
            // A run that had failed before keeps its reason: the first one.
            if (outcome is RunOutcome.Done or RunOutcome.Interrupted) (outcome, reason) = (RunOutcome.Failed, e.Message);
        }
        RunReport report = await run.ReportAsync(outcome, reason, context.Time.GetElapsedTime(begun));
        if (outcome == RunOutcome.Done && !input.IsShared) await buffer.CompleteAsync(CancellationToken.None);
        return report;
    }

    public async ValueTask DisposeAsync()
    {
        _supervisor.Dispose();
        _pipeline.Dispose();
        _metrics.Dispose();
        foreach (WorkSignal signal in _signals) signal.Dispose();
        await _deadLetters.DisposeAsync();
    }

    private async Task<(RunOutcome Outcome, string? Reason)> RunToEndAsync(CancellationToken stop)
    {
        using var ended = new CancellationTokenSource();
        PublishSettings();
        Task publishing = PublishSettingsAsync(ended.Token);
        try
        {
            await _supervisor.StartAsync(stop);
            _context.ShowProgress(Snapshot);
            return await RunStartedAsync(stop);
        }
        finally
        {
            await ended.CancelAsync();
            await publishing;
        }
    }

    private async Task<(RunOutcome Outcome, string? Reason)> RunStartedAsync(CancellationToken stop)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop);
        if (_input.IsShared) return await RunSharedAsync(ending);
        long toldToStopAt = 0;
        await using CancellationTokenRegistration stopping = stop.Register(() => toldToStopAt = _context.Time.GetTimestamp());

        // One deadline for everything that a stop has to wait for.
        TimeSpan TimeLeft() => stop.IsCancellationRequested
            ? TimeSpan.FromTicks(Math.Max(TimeSpan.TicksPerSecond, (_plan.ShutdownTimeout - _context.Time.GetElapsedTime(Volatile.Read(ref toldToStopAt))).Ticks))
            : _plan.ShutdownTimeout;

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
        catch (BufferUnavailableException e) when (stop.IsCancellationRequested)
        {
            StopReport stopped = await _supervisor.StopAsync(TimeLeft());
            return (RunOutcome.Interrupted, $"{e.Message}. {Interruption(stopped)}");
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
            StopReport stopped = await _supervisor.StopAsync(TimeLeft());
            return (RunOutcome.Interrupted, Interruption(stopped));
        }
        catch (RunStoppedException e)
        {
            await _supervisor.StopAsync(_plan.ShutdownTimeout);
            return (RunOutcome.Failed, e.Message);
        }
        return inputFailure is null ? (RunOutcome.Done, null) : (RunOutcome.Failed, inputFailure);
    }

    /// <summary>A run whose input has no end: to be told to stop is how it ends well.</summary>
    private async Task<(RunOutcome Outcome, string? Reason)> RunSharedAsync(CancellationTokenSource ending)
    {
        Task ingest = _pipeline.RunAsync(ending.Token);
        _input.Begin(new RunShards(_pipeline, _buffer, _counters, _progress is not null, _input.Source.Name, _context.Logs.CreateLogger<RunShards>()), _progress);
        await Task.WhenAny(ingest, _supervisor.Completion);
        await ending.CancelAsync();
        (RunOutcome Outcome, string? Reason) end = (RunOutcome.Done, null);
        try
        {
            await ingest;
            if (_supervisor.Completion.Exception?.InnerException is { } given) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(given);
        }
        catch (SheafException e)
        {
            end = (e is RunStoppedException && !_supervisor.Completion.IsFaulted ? RunOutcome.DeadLetterLimit : RunOutcome.Failed, e.Message);
        }
        // The workers are still there, to finish what they have claimed.
        await _input.LeaveAsync(_plan.ShutdownTimeout);
        StopReport stopped = await _supervisor.StopAsync(_plan.ShutdownTimeout);
        if (end.Outcome == RunOutcome.Done && stopped.Forced.Length + stopped.NotEnded.Length > 0)
            end = (RunOutcome.Interrupted, $"not ended within {_plan.ShutdownTimeout.TotalSeconds} s: {string.Join(", ", stopped.Forced.AddRange(stopped.NotEnded))}");
        return end;
    }

    private static async ValueTask<KafkaProgress?> OpenProgressAsync(ProcessSpansPlan plan, MemoryRunBuffer buffer, RunContext context, CancellationToken cancel)
    {
        if (plan.KafkaInput is not { ProgressTopic: { } topic, Consumer: var consumer }) return null;
        var options = new KafkaProgressOptions
        {
            Input = consumer,
            Topic = topic,
            Instance = $"{consumer.Address.Group}-{(consumer.GroupInstanceId.Length > 0 ? consumer.GroupInstanceId : Guid.NewGuid().ToString("N"))}",
        };
        KafkaProgress progress = await KafkaProgress.OpenAsync(options, buffer.Engine, KafkaLog.To(context.Logs.CreateLogger("Sheaf.Kafka.Progress")), context.Time, cancel);
        if (plan.Delivery == DeliveryGuarantee.ExactlyOnce) await progress.EnsureSameClusterAsync(plan.KafkaOutput!, cancel);
        return progress;
    }

    private static async ValueTask<IDeadLetterSink> OpenDeadLettersAsync(ProcessSpansPlan plan, RunContext context, CancellationToken cancel)
    {
        switch (plan.DeadLetter)
        {
            case DeadLetterTarget.File file:
                return new DeadLetterFile(file.Path, context.Time);
            case DeadLetterTarget.Kafka kafka:
                // The topic is on the brokers that are known: those of the output, or else of the input.
                string brokers = plan.KafkaOutput?.Address.Brokers ?? plan.KafkaInput!.Consumer.Address.Brokers;
                var options = new KafkaOutputOptions
                {
                    Name = "dead letters",
                    Address = new KafkaAddress(brokers, [kafka.Topic], "", []),
                    Config = plan.KafkaOutput?.Config ?? plan.KafkaInput!.Consumer.Config,
                };
                return await KafkaDeadLetterSink.OpenAsync(options, KafkaLog.To(context.Logs.CreateLogger("Sheaf.Kafka.DeadLetters")), context.Time, cancel);
            default:
                return new StopOnDeadLetter(); // DeadLetterTarget.Stop: the set is closed by its private constructor
        }
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
        string reason = $"stopped as asked; what is still buffered was not produced: {_buffer.HowToGoOn}";
        if (stopped.Forced.Length + stopped.NotEnded.Length > 0)
            reason += $". Not ended within {_plan.ShutdownTimeout.TotalSeconds} s: {string.Join(", ", stopped.Forced.AddRange(stopped.NotEnded))}";
        return reason;
    }

    private Worker CreateWorker(WorkerShards shards)
    {
        WorkerClient client = _buffer.OpenWorkerClient();
        OutputClient output = _output.CreateClient(shards.Worker, _plan.Delivery == DeliveryGuarantee.ExactlyOnce ? _progress : null);
        var worker = new FlusherWorker(
            shards.Worker, shards.Shards, _control, client.Buffer, output.Sink, () => SettingsNow().Flusher, _signals[shards.Worker], _metrics, _context.Time,
            _faults, _trouble.Tell);
        return new Worker(worker, client, output);
    }

    private WorkerAssignment AssignmentOf(WorkerShards shards) => new()
    {
        ControlBlock = _control.SharedPath!,
        Worker = shards.Worker,
        Shards = [.. shards.Shards.Select(shard => shard.Value)],
        Rules = _plan.Rules,
        Buffer = _buffer.Address!,
        Output = _plan.Output,
        KafkaOutput = _output.Address,
        WithHeaders = _plan.WithHeaders,
    };

    /// <summary>Worker processes read in the control block what else follows from the reloadable plan.</summary>
    private void PublishSettings()
    {
        ReloadablePlan now = _context.Live.Current;
        RunCells cells = _control.Run;
        cells.MaxFlushSegments = now.MaxFlushSegments;
        cells.LogLevel = (int)now.LogLevel;
        cells.MeasuresMessages = _metrics.MeasuresMessages;
    }

    private async Task PublishSettingsAsync(CancellationToken ended)
    {
        while (!ended.IsCancellationRequested)
        {
            PublishSettings();
            await Task.Delay(PublishInterval, _context.Time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
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
            BufferDepth depth = _buffer.Depth(shard);
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

    private async ValueTask<RunReport> ReportAsync(RunOutcome outcome, string? reason, TimeSpan elapsed)
    {
        RunSnapshot last = Snapshot();
        var rows = new List<ShardLedger>();
        bool isThere = true;
        foreach (ShardId shard in Shards)
        {
            if (isThere && await TryMeasureAsync(shard) is { } measured)
            {
                rows.Add(new ShardLedger(shard, CountLost(shard, CountsOf(shard, WithoutProduced(shard, measured)))));
                continue;
            }
            isThere = false; // each shard would be waited for anew
            rows.Add(new ShardLedger(shard, CountsOf(shard, Expected(shard))));
        }
        return new RunReport
        {
            Outcome = outcome,
            Reason = reason,
            Ledger = new Ledger(rows),
            Segments = Enum.GetValues<FlushReason>().ToDictionary(r => r, r => Shards.Sum(shard => _control.Shard(shard).Segments(r))),
            Elapsed = elapsed,
            BytesIn = last.BytesIn,
            BytesOut = last.BytesOut,
            DeadLetterFile = last.Counts.DeadLetters > 0 && _plan.DeadLetter is DeadLetterTarget.File file ? file.Path : null,
        };
    }

    /// <summary>The spans that are in the buffer; null where it does not answer.</summary>
    private async ValueTask<long?> TryMeasureAsync(ShardId shard)
    {
        if (_control.Shard(shard).Assignment < 0) return 0; // it is handed over, and somebody else's
        try
        {
            return (await _buffer.MeasureAsync(shard, CancellationToken.None)).Spans;
        }
        catch (BufferUnavailableException e)
        {
            _trouble.Tell(e);
            return null;
        }
    }

    /// <summary>The spans that should be in the buffer, by what is counted.</summary>
    private long Expected(ShardId shard)
    {
        ShardCells cells = _control.Shard(shard);
        return Math.Max(0, _buffer.CarriedOver(shard) + cells.StoredSpans - cells.ProducedSpans - cells.DuplicateSpans);
    }

    /// <summary>A worker that died may have left in the buffer what it had counted as produced. That does not count twice.</summary>
    private long WithoutProduced(ShardId shard, long measured) =>
        Math.Clamp(Expected(shard), Math.Max(0, measured - _control.Shard(shard).UnremovedSpans), measured);

    private LedgerCounts CountsOf(ShardId shard, long buffered)
    {
        ShardCells cells = _control.Shard(shard);
        return new LedgerCounts(
            _counters.Received(shard), cells.ProducedSpans, buffered, _counters.DeadLetters(shard), cells.DuplicateSpans, _counters.Dropped(shard),
            _buffer.CarriedOver(shard), HandedOver: _buffer.HandedOver(shard));
    }

    /// <summary>Where the buffer was seen to have lost something, what is nowhere else is what it has lost.</summary>
    private LedgerCounts CountLost(ShardId shard, LedgerCounts counts) =>
        counts.Balance > 0 && _control.Shard(shard).Losses + _counters.Losses(shard) > 0 ? counts with { Lost = counts.Balance } : counts;

    private IEnumerable<ShardId> Shards => Enumerable.Range(0, _plan.Shards).Select(s => new ShardId(s));

    private static IEnumerable<string> PausedBecause(PauseReasons reasons)
    {
        if (reasons.HasFlag(PauseReasons.Backpressure)) yield return "a flusher worker is behind";
        if (reasons.HasFlag(PauseReasons.BufferFull)) yield return "the buffer is full";
        if (reasons.HasFlag(PauseReasons.BufferUnavailable)) yield return "the buffer cannot be reached";
    }

    /// <summary>The reloadable plan as the two sides of the run want it. Immutable; swapped as a whole.</summary>
    private sealed class Settings(SegmentRules rules, ReloadablePlan plan)
    {
        public ReloadablePlan Plan { get; } = plan;

        public FlusherOptions Flusher { get; } = new(rules, plan.MaxFlushSegments);

        public IngestRules Ingest { get; } = new(plan.DropRules, new DeadLetterLimits(plan.DeadLetterMaxRatio, plan.DeadLetterMaxConsecutive));
    }

    /// <summary>One life of a worker on a thread, with the clients that are its own.</summary>
    private sealed class Worker(FlusherWorker worker, WorkerClient buffer, OutputClient output) : IWorkerInstance
    {
        public async Task RunAsync(CancellationToken cancel)
        {
            await using ISegmentSink sink = output.Sink;
            await using ISpanBuffer client = buffer.Buffer;
            if (output.PrepareAsync is { } prepareAsync) await prepareAsync(cancel);
            await worker.RunAsync(cancel);
        }

        public void Fence()
        {
            buffer.Fence();
            output.Fence();
        }
    }

    /// <summary>What is to fail on purpose, for tests of what then happens (<see cref="FaultPlan"/>).</summary>
    /// <param name="Own">For the fault points of this process; null where nothing is armed.</param>
    private sealed record Faults(FaultPlan Plan, int Seed, Action<FaultPoint>? Own)
    {
        public static Faults OfThisProcess(RunContext context)
        {
            FaultPlan plan = FaultPlan.Parse(Environment.GetEnvironmentVariable(FaultPlan.VariableName));
            int seed = int.TryParse(Environment.GetEnvironmentVariable("SHEAF_SEED"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int given) ? given : Random.Shared.Next();
            return new Faults(plan, seed, ArmedFaultPoints.Arm(plan, seed, context.Logs.CreateLogger("Sheaf.Supervision")));
        }
    }
}

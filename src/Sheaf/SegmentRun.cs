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
    private static readonly TimeSpan MostGrace = TimeSpan.FromSeconds(5);

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
    private readonly SheafMetrics _metrics;
    private readonly BufferTrouble _trouble;
    private readonly Action<FaultPoint>? _faults;
    private readonly WorkSignal[] _signals;
    private readonly FlusherSupervisor _supervisor;
    private readonly IngestPipeline _pipeline;
    private readonly RunLog _log;
    private long _startedAt;
    private readonly KeyingWatch? _keying;
    private volatile Settings _settings;

    private SegmentRun(
        ProcessSpansPlan plan, RunContext context, ControlBlock control, ShardPlan shards, RunBuffer buffer, RunOutput output, RunInput input,
        KafkaProgress? progress, IDeadLetterSink deadLetters, BufferTrouble trouble, Faults faults)
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
        _trouble = trouble;
        _counters = new IngestCounters(plan.Shards);
        ILogger batches = context.Logs.CreateLogger("Sheaf.Flushing");
        _metrics = new SheafMetrics { Relay = (batch, waited) => BatchLog.Produced(batches, batch, waited) };
        if (input.IsShared) _keying = new KeyingWatch(_counters.Scatter, input.Source.Name, context.Logs.CreateLogger<KeyingWatch>(), context.Time);
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
            Format = plan.InputFormat, Stored = buffer.Stored, StopPatience = plan.ShutdownTimeout / 2, MaxWrittenSpanBytes = output.MaxSpanBytes,
        };
        _pipeline = new IngestPipeline(
            options, input.Source, _buffer.IngestClient, _control, _counters, _deadLetters, () => SettingsNow().Ingest, _gate,
            shard => _signals[shard.Value % _signals.Length].Set(), context.Time, faults.Own, _trouble.Tell)
        {
            FarAhead = new FarAheadWarning(input.Source.Name, _counters, context.Logs.CreateLogger("Sheaf.Ingesting"), context.Time).Tell,
        };
        _log = new RunLog(plan, control, shards, _gate, buffer, _trouble, Snapshot, context.Time, context.Logs.CreateLogger<RunLog>());
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
        catch (ConfigurationException e)
        {
            // Whoever prepares a cluster wants to know everything that is missing, not the next thing at each start.
            throw new ConfigurationException(await StartCheck.FaultsAsync(e, plan, context.Time, stop));
        }
    }

    private static async Task<RunReport> RunAsync(ProcessSpansPlan plan, RunContext context, long begun, CancellationToken stop)
    {
        Faults faults = Faults.OfThisProcess(context);
        await using RunInput input = await RunInput.OpenAsync(plan, context, stop);
        plan = plan with { Shards = input.Shards };
        // Before all that cuts segments: what the topics take decides how large one may be. Nothing of them is changed.
        KafkaOutput? topics = await RunOutput.FindTopicsAsync(plan, context, stop);
        if (topics is not null) plan = plan with { Rules = plan.Rules with { MaxSegmentBytes = topics.MaxSegmentBytes } };
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
        var trouble = new BufferTrouble(context.Logs.CreateLogger("Sheaf.Buffering"), context.Time);
        // Before the output: a run that is refused for what the buffer holds must not have emptied it.
        await using RunBuffer buffer = plan.Buffer is BufferTarget.Redis redis
            ? await JournalRunBuffer.OpenAsync(plan, redis, control, trouble, context, stop)
            : new MemoryRunBuffer(plan, control);
        using KafkaProgress? progress = buffer is MemoryRunBuffer memory ? await OpenProgressAsync(plan, memory, context, stop) : null;
        await using RunOutput output = await RunOutput.OpenAsync(plan, topics, control, context, stop);
        IDeadLetterSink deadLetters = await OpenDeadLettersAsync(plan, context, stop);
        await using var run = new SegmentRun(plan, context, control, shards, buffer, output, input, progress, deadLetters, trouble, faults);
        (RunOutcome outcome, string? reason) = await run.RunToEndAsync(stop);
        bool hasLeft = outcome == RunOutcome.Done; // everything
        if (run.WhyOfNoUse() is { } why)
        {
            if (outcome == RunOutcome.Done) (outcome, reason) = (RunOutcome.NothingUsable, why);
            else if (outcome == RunOutcome.DeadLetterLimit) reason = $"{reason}. {why}";
        }
        try
        {
            // Dead letters that their output does not take in time are not counted either: its client goes with the process.
            Task closing = run._deadLetters.DisposeAsync().AsTask();
            await closing.WaitAsync(context.Deadline.Passed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (closing.IsFaulted) await closing;
            if (!await output.FinishAsync(context.Deadline.Passed))
                reason = $"{reason}. The last line of {plan.Output} may be torn: its reader did not take it in time";
            if (hasLeft) await input.CompleteAsync(buffer.Stored, CancellationToken.None); // everything has left: a stop now must not hide that
        }
        catch (SheafException e)
        {
            hasLeft = false;
            // A run that had failed before keeps its reason: the first one.
            if (outcome is RunOutcome.Done or RunOutcome.NothingUsable or RunOutcome.Interrupted) (outcome, reason) = (RunOutcome.Failed, e.Message);
        }
        RunReport report = await run.ReportAsync(outcome, reason, context.Time.GetElapsedTime(begun));
        if (hasLeft && !input.IsShared) await buffer.CompleteAsync(CancellationToken.None);
        return report;
    }

    public async ValueTask DisposeAsync()
    {
        _supervisor.Dispose();
        _pipeline.Dispose();
        _log.Dispose();
        _metrics.Dispose();
        foreach (WorkSignal signal in _signals) signal.Dispose();
        if (!_context.Deadline.Passed.IsCancellationRequested) await _deadLetters.DisposeAsync();
    }

    private async Task<(RunOutcome Outcome, string? Reason)> RunToEndAsync(CancellationToken stop)
    {
        using var ended = new CancellationTokenSource();
        PublishSettings();
        Task publishing = PublishSettingsAsync(ended.Token);
        try
        {
            await _supervisor.StartAsync(stop);
            _startedAt = _context.Time.GetTimestamp();
            _log.Started(UsesKafka(_plan) ? KafkaLibrary.Version : null);
            _context.ShowProgress(Snapshot);
            Task telling = _log.RunAsync(ended.Token);
            try
            {
                return await RunStartedAsync(stop);
            }
            finally
            {
                await ended.CancelAsync();
                await telling;
            }
        }
        finally
        {
            await ended.CancelAsync();
            await publishing;
        }
    }

    /// <summary>
    /// One way for every input: read until it ends or the run is told to stop, let the workers finish, let the shards go. An input with an end has its shards from the start on, and everything
    /// is flushed at its end; one whose shards come and go has no end, and to be told to stop is how it ends well.
    /// </summary>
    private async Task<(RunOutcome Outcome, string? Reason)> RunStartedAsync(CancellationToken stop)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task ingest = _pipeline.RunAsync(ending.Token);
        _input.Begin(new RunShards(_pipeline, _buffer, _counters, _progress is not null, _input.Source.Name, _context.Logs.CreateLogger<RunShards>()), _progress);
        await Task.WhenAny(ingest, _supervisor.Completion);
        await ending.CancelAsync(); // when a worker was given up: what was read is still appended

        (RunOutcome Outcome, string? Reason) end = (RunOutcome.Done, null);
        bool drains = !_input.IsShared;
        try
        {
            await ingest;
        }
        catch (SourceException e)
        {
            // What could be read is as good as ever: where nobody else reads it, it is flushed, and then the run has failed.
            end = (RunOutcome.Failed, e.Message);
        }
        catch (SheafException e)
        {
            drains = false;
            bool wasImpatient = stop.IsCancellationRequested && e is BufferUnavailableException or SinkException;
            if (wasImpatient) end = (RunOutcome.Interrupted, $"{e.Message}. {Interruption}");
            else end = (e is RunStoppedException ? RunOutcome.DeadLetterLimit : RunOutcome.Failed, e.Message);
        }
        try
        {
            if (drains) stop.ThrowIfCancellationRequested(); // before any worker is told to flush what is not due
            if (drains) await _supervisor.DrainAsync(stop);
            else if (_supervisor.Completion.IsFaulted) await _supervisor.Completion;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            end = (RunOutcome.Interrupted, Interruption);
        }
        catch (RunStoppedException e)
        {
            end = (RunOutcome.Failed, e.Message);
        }
        return await LeaveAsync(end);
    }

    /// <summary>The workers finish what they have claimed, then the shards go: whoever has not ended in time is ended, and what waits in its shards is still buffered.</summary>
    private async Task<(RunOutcome Outcome, string? Reason)> LeaveAsync((RunOutcome Outcome, string? Reason) end)
    {
        if (end.Outcome == RunOutcome.Done && !_input.IsShared) return end; // they have flushed everything, and ended
        StopDeadline deadline = _context.Deadline;
        deadline.Begin();
        StopReport stopped = await _supervisor.StopAsync(deadline.LeftToWork);
        if (stopped.NotEnded.IsEmpty) _pipeline.NoteWorkersHaveEnded();
        var late = new List<string>();
        if (stopped.Forced.Length + stopped.NotEnded.Length > 0)
            late.Add($"not ended by themselves within {deadline.AtMost.TotalSeconds} s: {string.Join(", ", stopped.Forced.AddRange(stopped.NotEnded))}; what they had claimed is still buffered");
        if (!await _input.LeaveAsync(deadline.Left) && end.Outcome == RunOutcome.Done)
            late.Add($"the group of {_input.Source.Name} was not left in good order in time: others get its partitions when the session is over, and may repeat work");
        if (late.Count == 0) return end;
        RunOutcome outcome = end.Outcome == RunOutcome.Done ? RunOutcome.Interrupted : end.Outcome;
        if (end.Reason is { } reason) late.Insert(0, reason);
        return (outcome, string.Join(". ", late));
    }

    private static async ValueTask<KafkaProgress?> OpenProgressAsync(ProcessSpansPlan plan, MemoryRunBuffer buffer, RunContext context, CancellationToken cancel)
    {
        if (plan.ProgressOptions() is not { } options) return null;
        ILogger log = context.Logs.CreateLogger("Sheaf.Kafka.Progress");
        if (plan.Delivery == DeliveryGuarantee.ExactlyOnce) await KafkaProgress.EnsureSameClusterAsync(options, plan.KafkaOutput!, log, cancel);
        return await KafkaProgress.OpenAsync(options, buffer.Engine, log, context.Time, cancel);
    }

    private static async ValueTask<IDeadLetterSink> OpenDeadLettersAsync(ProcessSpansPlan plan, RunContext context, CancellationToken cancel)
    {
        switch (plan.DeadLetter)
        {
            case DeadLetterTarget.File file:
                return new DeadLetterFile(file.Path, context.Time);
            case DeadLetterTarget.Kafka kafka:
                return await KafkaDeadLetterSink.OpenAsync(plan.DeadLetterTopic(kafka), context.Logs.CreateLogger("Sheaf.Kafka.DeadLetters"), context.Time, cancel);
            default:
                return new StopOnDeadLetter(); // DeadLetterTarget.Stop: the set is closed by its private constructor
        }
    }

    /// <summary>That no message of the input was of use, which cannot be what was meant; null when some were, or none came.</summary>
    private string? WhyOfNoUse()
    {
        long received = Shards.Sum(_counters.Received);
        // A run that goes on with another's buffer has only the rest of its input.
        if (_input.IsShared || received == 0 || _buffer.Stored.Any(stored => stored.Offset > 0) || Shards.Sum(_counters.DeadLetters) < received) return null;
        string looks = _input.Source.LooksLike is { } form ? $": this looks like {form}" : "";
        return $"input: {_input.Source.Name}: none of its {received} messages is a span{looks}";
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

    private string Interruption => $"stopped as asked; what is still buffered was not produced: {_buffer.HowToGoOn}";

    /// <summary>At the end of a run: no more than half of what is left, so that there is time to hand over.</summary>
    private TimeSpan Grace() => _context.Deadline.Left / 2 is var half && half < MostGrace ? half : MostGrace;

    private Worker CreateWorker(WorkerShards shards)
    {
        WorkerClient client = _buffer.OpenWorkerClient(shards.Worker);
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
            _keying?.Look();
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
        long bufferedBytes = 0, bytesIn = 0, bytesOut = 0, lag = 0;
        int here = 0;
        long[] segments = new long[Enum.GetValues<FlushReason>().Length];
        foreach (ShardId shard in Shards)
        {
            BufferDepth depth = _buffer.Depth(shard);
            ShardCells cells = _control.Shard(shard);
            counts += CountsOf(shard, depth.Spans);
            bufferedBytes += depth.PayloadBytes;
            bytesIn += _counters.ReceivedBytes(shard);
            bytesOut += cells.ProducedBytes;
            for (int reason = 0; reason < segments.Length; reason++) segments[reason] += cells.Segments((FlushReason)reason);
            if (cells.IsOwned) here++;
            lag = Math.Max(lag, depth.LagMs(cells.ClockMs));
        }
        return new RunSnapshot
        {
            Counts = counts,
            BufferedBytes = bufferedBytes,
            Segments = segments.Sum(),
            SegmentsByReason = segments,
            DeadLettersByKind = [.. Enum.GetValues<SpanFaultKind>().Select(_counters.DeadLetters)],
            BytesIn = bytesIn,
            BytesOut = bytesOut,
            Lag = TimeSpan.FromMilliseconds(lag),
            Unread = _input.UnreadMessages,
            ShardsHere = here,
            Pauses = _gate.Reasons,
        };
    }

    private async ValueTask<RunReport> ReportAsync(RunOutcome outcome, string? reason, TimeSpan elapsed)
    {
        RunSnapshot last = Snapshot();
        var rows = new List<ShardLedger>();
        bool isThere = true;
        foreach (ShardId shard in Shards)
        {
            // A shard that goes, or has gone: whoever has it next may be at work there. What it left with, or still has where it was not let go in time, is known by what was counted.
            bool isElsewhere = _control.Shard(shard).Assignment < 0;
            if (isThere && !isElsewhere && await TryMeasureAsync(shard) is { } measured)
            {
                rows.Add(new ShardLedger(shard, CountLost(shard, CountsOf(shard, _buffer.WithoutProduced(shard, measured)))));
                continue;
            }
            isThere &= isElsewhere; // each shard would be waited for anew
            rows.Add(new ShardLedger(shard, CountsOf(shard, _buffer.Expected(shard))));
        }
        var ledger = new Ledger(rows);
        return new RunReport
        {
            Outcome = outcome,
            Reason = reason,
            Ledger = ledger,
            Segments = Enum.GetValues<FlushReason>().ToDictionary(r => r, r => Shards.Sum(shard => _control.Shard(shard).Segments(r))),
            Elapsed = elapsed,
            Active = _startedAt == 0 ? TimeSpan.Zero : _context.Time.GetElapsedTime(_startedAt),
            BytesIn = last.BytesIn,
            BytesOut = last.BytesOut,
            DeadLetterFile = last.Counts.DeadLetters > 0 && _plan.DeadLetter is DeadLetterTarget.File file ? file.Path : null,
        };
    }

    /// <summary>The spans that are in the buffer; null where it does not answer.</summary>
    private async ValueTask<long?> TryMeasureAsync(ShardId shard)
    {
        try
        {
            return (await _buffer.MeasureAsync(shard, _context.Deadline.Passed)).Spans;
        }
        catch (OperationCanceledException) when (_context.Deadline.Passed.IsCancellationRequested)
        {
            return null;
        }
        catch (BufferUnavailableException e)
        {
            _trouble.Tell(e);
            return null;
        }
    }

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

    private static bool UsesKafka(ProcessSpansPlan plan) => plan.KafkaInput is not null || plan.KafkaOutput is not null || plan.DeadLetter is DeadLetterTarget.Kafka;

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
            await using ISpanClaimer client = buffer.Buffer;
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

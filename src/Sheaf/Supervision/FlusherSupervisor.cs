using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>
/// Starts the flusher workers, keeps each alive, pauses the input when any falls behind, ends them. Owner: the run, which starts it once,
/// watches <see cref="Completion"/>, and ends it with <see cref="DrainAsync"/>, <see cref="StopAsync"/>, or the one cut short by the other.
/// </summary>
/// <remarks>ARCHITECTURE.md, "Flusher workers and their supervisor", is the table of what it does when.</remarks>
internal sealed partial class FlusherSupervisor : IDisposable
{
    private static readonly TimeSpan s_startLook = TimeSpan.FromMilliseconds(10);
    private readonly ImmutableArray<SupervisedWorker> _workers;
    private readonly SupervisionOptions _options;
    private readonly IntakeGate _gate;
    private readonly Action<string> _backpressure;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly AwakeClock _awake;
    private readonly CancellationTokenSource _stopping = new();
    private CancellationTokenRegistration _toldToStop;
    private ImmutableArray<Task> _keeping = [];

    /// <param name="control">With the workers and shards of the plan.</param>
    /// <param name="gate">Its reason <see cref="PauseReasons.Backpressure"/> is owned by the supervisor.</param>
    /// <param name="unhealthy">Counts <c>flusher_unhealthy</c>: the cause (<c>hang</c>, <c>no_process_1</c>), and one of the worker's shards.</param>
    /// <param name="backpressure">Counts a pause of the input: the shards of the worker that is behind.</param>
    public FlusherSupervisor(
        ShardPlan plan, IWorkerHost host, ControlBlock control, SupervisionOptions options, IntakeGate gate, Action<string, ShardId> unhealthy,
        Action<string> backpressure, TimeProvider time, ILogger<FlusherSupervisor> logger)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(control.WorkerCount, plan.Workers.Length);
        _options = options;
        _gate = gate;
        _backpressure = backpressure;
        _time = time;
        _awake = new AwakeClock(time);
        _logger = logger;
        _workers =
        [
            .. plan.Workers.Select(shards =>
                new SupervisedWorker(shards, host, control.Worker(shards.Worker), options.MaxUnhealthy, unhealthy, time, _awake, logger)),
        ];
    }

    /// <summary>
    /// Completes when every worker has ended as told; fails with <see cref="RunStoppedException"/> as soon as one is given up. The other
    /// workers then go on until <see cref="StopAsync"/>. Complete before the start.
    /// </summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    /// <summary>
    /// Starts all workers and returns when every one of them has reported healthy. Takes at most twice <see cref="SupervisionOptions.MaxUnhealthy"/>.
    /// </summary>
    /// <param name="stop">Cancelled when the run is told to stop: ends the start, and later on sees to it that no worker is started again.</param>
    /// <exception cref="RunStoppedException">A worker ended, or did not become healthy in time. All of them are ended again.</exception>
    public async Task StartAsync(CancellationToken stop)
    {
        long begun = _time.GetTimestamp();
        try
        {
            foreach (SupervisedWorker worker in _workers) worker.TryStart();
            await WaitUntilHealthyAsync(stop);
        }
        catch
        {
            await EndAllLeftAsync();
            throw;
        }
        Log.WorkersHealthy(_logger, _workers.Length, (long)_time.GetElapsedTime(begun).TotalMilliseconds);
        _toldToStop = stop.Register(_stopping.Cancel);
        _keeping = [.. _workers.Select(worker => Task.Run(() => worker.KeepAsync(_stopping.Token), CancellationToken.None))];
        Completion = Task.Run(KeepAllAsync, CancellationToken.None);
    }

    /// <summary>
    /// The input has ended: returns when the workers have flushed everything and ended. One that fails meanwhile is started again and goes on.
    /// Takes as long as it takes; <see cref="StopAsync"/> cuts it short, cancelling only stops waiting.
    /// </summary>
    /// <exception cref="RunStoppedException">A worker was given up.</exception>
    public Task DrainAsync(CancellationToken cancel)
    {
        Tell(WorkerCommand.Drain);
        return Completion.WaitAsync(cancel);
    }

    /// <summary>
    /// Tells every worker to finish what it has claimed and end, waits until the deadline that they share, and ends every one that is left.
    /// Does not throw. Nothing is lost: what a worker did not produce is still buffered.
    /// </summary>
    /// <param name="deadline">From now.</param>
    public async Task<StopReport> StopAsync(TimeSpan deadline)
    {
        Tell(WorkerCommand.Stop);
        await _stopping.CancelAsync();
        await Task.WhenAll(_keeping).WaitAsync(deadline, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await EndAllLeftAsync();
    }

    /// <summary>After <see cref="StopAsync"/> or a completed drain.</summary>
    public void Dispose()
    {
        _toldToStop.Dispose();
        _stopping.Dispose();
    }

    private void Tell(WorkerCommand command)
    {
        Log.WorkersTold(_logger, _workers.Length, command);
        foreach (SupervisedWorker worker in _workers) worker.Tell(command);
    }

    private async Task WaitUntilHealthyAsync(CancellationToken cancel)
    {
        TimeSpan begun = _awake.Now;
        TimeSpan limit = 2 * _options.MaxUnhealthy;
        Task<WorkerExit>[] exits = [.. _workers.Select(worker => worker.WaitForExitAsync())];
        Task anyExit = Task.WhenAny(exits);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            for (int i = 0; i < exits.Length; i++)
            {
                if (!exits[i].IsCompleted) continue;
                WorkerExit exit = await exits[i];
                if (exit.Code == WorkerExit.Terminated) await Task.Delay(SupervisedWorker.GroupSignal, _time, cancel);
                throw new RunStoppedException($"{_workers[i].Shards} ended during start-up ({exit}).");
            }

            if (_workers.All(worker => worker.IsHealthy)) return;
            if (_awake.Now - begun >= limit)
                throw new RunStoppedException(
                    $"Not healthy within {limit.TotalSeconds} s of the start (twice max-unhealthy-seconds): " +
                    string.Join("; ", _workers.Where(worker => !worker.IsHealthy).Select(worker => $"{worker.Shards} in phase {worker.Phase}")) + ".");

            await anyExit.WaitAsync(s_startLook, _time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task KeepAllAsync()
    {
        using var ended = new CancellationTokenSource();
        Task watching = WatchBackpressureAsync(ended.Token);
        try
        {
            await foreach (Task kept in Task.WhenEach(_keeping.AsSpan())) await kept;
        }
        finally
        {
            await ended.CancelAsync();
            await watching;
        }
    }

    private async Task WatchBackpressureAsync(CancellationToken ended)
    {
        bool paused = false;
        long pausedAt = 0;
        while (!ended.IsCancellationRequested)
        {
            SupervisedWorker? behind = null;
            TimeSpan since = default;
            foreach (SupervisedWorker worker in _workers)
            {
                TimeSpan age = worker.LookBehind(); // each is looked at every time
                if (age >= _options.Backpressure && behind is null) (behind, since) = (worker, age);
            }
            if (behind is not null && !paused)
            {
                _gate.Pause(PauseReasons.Backpressure);
                pausedAt = _time.GetTimestamp();
                _backpressure(behind.Shards.Tag);
                Log.IntakePaused(_logger, behind.Shards.Worker, behind.Shards.Tag, Math.Round(since.TotalSeconds, 1), WhyBehind(behind.Phase));
            }
            else if (behind is null && paused)
            {
                _gate.Resume(PauseReasons.Backpressure);
                Log.IntakeResumed(_logger, Math.Round(_time.GetElapsedTime(pausedAt).TotalSeconds, 1));
            }
            paused = behind is not null;
            await Task.Delay(AwakeClock.Interval, _time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        _gate.Resume(PauseReasons.Backpressure); // nobody is left who could
    }

    private static string WhyBehind(WorkerPhase phase) => phase switch
    {
        WorkerPhase.Producing => "it waits for the output to take what it has assembled",
        WorkerPhase.Recovering => "the buffer does not let it take its shards over",
        WorkerPhase.Starting or WorkerPhase.Waiting or WorkerPhase.Claiming or WorkerPhase.Assembling or WorkerPhase.Removing or WorkerPhase.Ended =>
            "more is due than it can flush; more flusher-processes may help",
    };

    private async Task<StopReport> EndAllLeftAsync()
    {
        SupervisedWorker[] left = [.. _workers.Where(worker => worker.IsAlive)];
        bool[] ended = await Task.WhenAll(left.Select(EndLeftAsync));
        return new StopReport(
            [.. left.Where((_, i) => ended[i]).Select(worker => worker.Shards)],
            [.. left.Where((_, i) => !ended[i]).Select(worker => worker.Shards)]);
    }

    private async Task<bool> EndLeftAsync(SupervisedWorker worker)
    {
        try
        {
            Log.WorkerForced(_logger, worker.Shards.Worker, worker.Shards.Tag, worker.Phase);
            await worker.EndAsync();
            return true;
        }
        catch (Exception e)
        {
            Log.WorkerNotEnded(_logger, worker.Shards.Worker, worker.Shards.Tag, e);
            return false;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.WorkersHealthy, LogLevel.Information, "All flusher workers ({Workers}) are healthy, after {Ms} ms")]
        public static partial void WorkersHealthy(ILogger logger, int workers, long ms);

        [LoggerMessage(EventIds.WorkersTold, LogLevel.Information, "All flusher workers ({Workers}) are told: {Command}")]
        public static partial void WorkersTold(ILogger logger, int workers, WorkerCommand command);

        [LoggerMessage(EventIds.IntakePausedByBackpressure, LogLevel.Warning,
            "The input is paused: flusher worker {Worker} (shard {Shard}) has been behind for {Seconds} s: {Why}. Nothing is dropped; it goes on by itself")]
        public static partial void IntakePaused(ILogger logger, int worker, string shard, double seconds, string why);

        [LoggerMessage(EventIds.IntakeResumedFromBackpressure, LogLevel.Warning, "The input goes on, after {Seconds} s: no flusher worker is behind any more")]
        public static partial void IntakeResumed(ILogger logger, double seconds);

        [LoggerMessage(EventIds.WorkerForced, LogLevel.Warning, "Flusher worker {Worker} (shard {Shard}) has not ended by itself (phase {Phase}): it is ended")]
        public static partial void WorkerForced(ILogger logger, int worker, string shard, WorkerPhase phase);

        [LoggerMessage(EventIds.WorkerNotEnded, LogLevel.Error, "Flusher worker {Worker} (shard {Shard}) could not be ended")]
        public static partial void WorkerNotEnded(ILogger logger, int worker, string shard, Exception error);
    }
}

/// <summary>How the workers ended that did not end by themselves in time.</summary>
/// <param name="Forced">Ended for certain.</param>
/// <param name="NotEnded">Could not be ended; they may still do something. The log says why.</param>
internal sealed record StopReport(ImmutableArray<WorkerShards> Forced, ImmutableArray<WorkerShards> NotEnded);

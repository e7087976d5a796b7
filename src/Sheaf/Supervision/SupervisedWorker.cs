using Microsoft.Extensions.Logging;
using Sheaf.Flushing;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>
/// One worker over all its lives: starts it, watches it, replaces it. <see cref="KeepAsync"/> runs once; the other members may be called
/// beside it from any thread.
/// </summary>
internal sealed partial class SupervisedWorker
{
    /// <summary>A SIGTERM that was sent to a whole process group reaches this process too, a little earlier or later than its workers.</summary>
    public static readonly TimeSpan GroupSignal = TimeSpan.FromMilliseconds(250);

    private readonly IWorkerHost _host;
    private readonly WorkerCells _cells;
    private readonly TimeSpan _maxUnhealthy;
    private readonly Action<string, ShardId> _unhealthy;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CellAge _silence;
    private readonly CellAge _behind;
    private readonly RestartBudget _budget;
    private readonly Lock _lock = new(); // start or tell: after Stop is told, none is started
    private volatile IWorkerHandle? _life;

    /// <param name="unhealthy">Counts <c>flusher_unhealthy</c>: the cause, and one of the worker's shards.</param>
    public SupervisedWorker(
        WorkerShards shards, IWorkerHost host, WorkerCells cells, TimeSpan maxUnhealthy, Action<string, ShardId> unhealthy, TimeProvider time,
        AwakeClock awake, ILogger logger)
    {
        Shards = shards;
        _host = host;
        _cells = cells;
        _maxUnhealthy = maxUnhealthy;
        _unhealthy = unhealthy;
        _time = time;
        _logger = logger;
        _silence = new CellAge(awake);
        _behind = new CellAge(awake);
        _budget = new RestartBudget(() => awake.Now);
    }

    public WorkerShards Shards { get; }

    public WorkerPhase Phase => _cells.Phase;

    public bool IsHealthy => _cells.HealthySince != 0;

    /// <summary>It was started, and what was started last has not ended.</summary>
    public bool IsAlive => _life is { } life && life.WaitForExitAsync() is { IsCompleted: false };

    /// <summary>How long it has been behind, for one caller who looks again and again; zero when it is not.</summary>
    public TimeSpan LookBehind()
    {
        long since = _cells.BackpressureSince;
        TimeSpan age = _behind.Of(since);
        return since == 0 ? TimeSpan.Zero : age;
    }

    /// <summary>Completes when the current life has ended. Only after a start.</summary>
    public Task<WorkerExit> WaitForExitAsync() => _life!.WaitForExitAsync();

    /// <summary>Tells the worker, in this life and the next ones. Ending is final: neither Drain nor Stop is taken back.</summary>
    public void Tell(WorkerCommand command)
    {
        lock (_lock)
        {
            if (_cells.Command < WorkerCommand.Drain || _cells.Command < command) _cells.Command = command;
        }
    }

    /// <summary>Starts the next life; false, and nothing started, when the worker was told to stop. The one before must have ended.</summary>
    public bool TryStart()
    {
        lock (_lock)
        {
            if (_cells.Command == WorkerCommand.Stop) return false;
            _cells.Phase = WorkerPhase.Starting;
            _cells.HealthySince = 0;
            _cells.BackpressureSince = 0;
            _cells.Heartbeat = _time.GetTimestamp();
            _life = _host.Start(Shards);
            return true;
        }
    }

    /// <summary>Ends the current life for certain. See <see cref="IWorkerHandle.EndAsync"/>.</summary>
    public Task EndAsync() => _life is { } life ? life.EndAsync() : Task.CompletedTask;

    /// <summary>Keeps the started worker alive until it has ended as told.</summary>
    /// <param name="stopping">Cancelled when the run is told to stop, which may be before the worker is: from then on it is not started again.</param>
    /// <exception cref="RunStoppedException">Restarts do not help, or a hung worker cannot be ended.</exception>
    public async Task KeepAsync(CancellationToken stopping)
    {
        while (true)
        {
            WorkerExit exit = await WaitForExitOrHangAsync(_life!, stopping);
            _cells.Phase = WorkerPhase.Ended; // one that crashed has not said so
            if (HasEndedAsTold(exit) || stopping.IsCancellationRequested) return;
            if (exit.Code == WorkerExit.Hopeless) throw new RunStoppedException(exit.Error ?? $"{Shards} cannot go on.");
            if (!_budget.TryTake(out TimeSpan delay)) throw RestartsSpent(exit);
            await Task.Delay(delay, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!TryStart()) return;
            Log.WorkerRestarted(_logger, Shards.Worker, Shards.Tag, delay.TotalMilliseconds);
        }
    }

    private async Task<WorkerExit> WaitForExitOrHangAsync(IWorkerHandle life, CancellationToken stopping)
    {
        Task<WorkerExit> exited = life.WaitForExitAsync();
        while (!exited.IsCompleted && _cells.Command != WorkerCommand.Stop)
        {
            if (_silence.Of(_cells.Heartbeat) >= _maxUnhealthy) return await EndHungAsync(life);
            await ((Task)exited).WaitAsync(AwakeClock.Interval, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        WorkerExit exit = await exited;
        bool wasSignalled = exit.Code == WorkerExit.Terminated;
        if (wasSignalled) await Task.Delay(GroupSignal, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        bool isDue = HasEndedAsTold(exit) || (wasSignalled && stopping.IsCancellationRequested);
        if (!isDue) CountUnhealthy($"no_process_{exit.Code}");
        if (!isDue || !(wasSignalled || exit.Code == WorkerExit.AsTold)) Log.WorkerEnded(_logger, Shards.Worker, Shards.Tag, exit.Code, exit.Error);
        return exit;
    }

    private async Task<WorkerExit> EndHungAsync(IWorkerHandle life)
    {
        WorkerPhase phase = _cells.Phase;
        CountUnhealthy("hang");
        Log.WorkerHung(_logger, Shards.Worker, Shards.Tag, _maxUnhealthy.TotalSeconds, phase);
        try
        {
            await life.EndAsync();
        }
        catch (Exception e)
        {
            throw new RunStoppedException($"{Shards} hangs and could not be ended; a second one beside it would be wrong. {e.Message}", e);
        }
        return new WorkerExit(WorkerExit.Abandoned, $"It hung in phase {phase}.");
    }

    private bool HasEndedAsTold(WorkerExit exit) => _cells.Command switch
    {
        WorkerCommand.Run => false,
        WorkerCommand.Drain => exit.Code == WorkerExit.AsTold,
        WorkerCommand.Stop => true, // whatever it could not finish is still in the buffer
    };

    private void CountUnhealthy(string cause)
    {
        foreach (ShardId shard in Shards.Shards) _unhealthy(cause, shard);
    }

    private RunStoppedException RestartsSpent(WorkerExit exit)
    {
        Log.RestartsSpent(_logger, Shards.Worker, Shards.Tag, RestartBudget.Limit, RestartBudget.Window.TotalMinutes, exit.Code, exit.Error);
        return new RunStoppedException(
            $"{Shards} was restarted {RestartBudget.Limit} times within {RestartBudget.Window.TotalMinutes} min and ended again ({exit}). " +
            "What it had not produced it has not removed either; mend the cause and start again.");
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.WorkerEnded, LogLevel.Warning, "Flusher worker {Worker} (shard {Shard}) ended with exit code {Code}: {Error}")]
        public static partial void WorkerEnded(ILogger logger, int worker, string shard, int code, string? error);

        [LoggerMessage(EventIds.WorkerHung, LogLevel.Warning,
            "Flusher worker {Worker} (shard {Shard}) has shown no sign of life for {Seconds} s, its last in phase {Phase}: it is ended and replaced")]
        public static partial void WorkerHung(ILogger logger, int worker, string shard, double seconds, WorkerPhase phase);

        [LoggerMessage(EventIds.WorkerRestarted, LogLevel.Warning, "Flusher worker {Worker} (shard {Shard}) is started again, after {DelayMs} ms")]
        public static partial void WorkerRestarted(ILogger logger, int worker, string shard, double delayMs);

        [LoggerMessage(EventIds.RestartsSpent, LogLevel.Error,
            "Flusher worker {Worker} (shard {Shard}) was restarted {Limit} times within {Minutes} min and ended again with exit code {Code}: {Error}")]
        public static partial void RestartsSpent(ILogger logger, int worker, string shard, int limit, double minutes, int code, string? error);
    }
}

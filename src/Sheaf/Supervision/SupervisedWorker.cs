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
    private readonly IWorkerHost _host;
    private readonly WorkerCells _cells;
    private readonly TimeSpan _maxUnhealthy;
    private readonly Action<string, ShardId> _unhealthy;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RestartBudget _budget;
    private readonly Lock _lock = new(); // start or tell: after Stop is told, none is started
    private volatile IWorkerHandle? _life;

    /// <param name="unhealthy">Counts <c>flusher_unhealthy</c>: the cause, and one of the worker's shards.</param>
    public SupervisedWorker(
        WorkerShards shards, IWorkerHost host, WorkerCells cells, TimeSpan maxUnhealthy, Action<string, ShardId> unhealthy, TimeProvider time,
        ILogger logger)
    {
        Shards = shards;
        _host = host;
        _cells = cells;
        _maxUnhealthy = maxUnhealthy;
        _unhealthy = unhealthy;
        _time = time;
        _logger = logger;
        _budget = new RestartBudget(time);
    }

    public WorkerShards Shards { get; }

    public WorkerPhase Phase => _cells.Phase;

    public bool IsHealthy => _cells.HealthySince != 0;

    /// <summary>It was started, and what was started last has not ended.</summary>
    public bool IsAlive => _life is { } life && life.WaitForExitAsync() is { IsCompleted: false };

    /// <summary>How long due segments have been left over after every full flush batch; zero when they are not.</summary>
    public TimeSpan Behind => _cells.BackpressureSince is var since and not 0 ? _time.GetElapsedTime(since) : TimeSpan.Zero;

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
    /// <param name="stopping">Cancelled after Stop is told, so that no delay before a restart is waited for.</param>
    /// <exception cref="RunStoppedException">Restarts do not help, or a hung worker cannot be ended.</exception>
    public async Task KeepAsync(CancellationToken stopping)
    {
        while (true)
        {
            WorkerExit exit = await WaitForExitOrHangAsync(_life!);
            if (HasEndedAsTold(exit)) return;
            if (exit.Code == WorkerExit.Hopeless) throw new RunStoppedException(exit.Error ?? $"{Shards} cannot go on.");
            if (!_budget.TryTake(out TimeSpan delay)) throw RestartsSpent(exit);
            await Task.Delay(delay, _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!TryStart()) return;
            Log.WorkerRestarted(_logger, Shards.Worker, Shards.Tag, delay.TotalMilliseconds);
        }
    }

    private async Task<WorkerExit> WaitForExitOrHangAsync(IWorkerHandle life)
    {
        Task<WorkerExit> exited = life.WaitForExitAsync();
        while (!exited.IsCompleted && _cells.Command != WorkerCommand.Stop)
        {
            TimeSpan left = _maxUnhealthy - _time.GetElapsedTime(_cells.Heartbeat);
            if (left <= TimeSpan.Zero) return await EndHungAsync(life);

            // Looks again when the heartbeat as it is now would be too old. Timers cut milliseconds off: one more, or it would look too early.
            await ((Task)exited).WaitAsync(left + TimeSpan.FromMilliseconds(1), _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        WorkerExit exit = await exited;
        if (!HasEndedAsTold(exit)) CountUnhealthy($"no_process_{exit.Code}");
        if (!HasEndedAsTold(exit) || exit.Code != WorkerExit.AsTold) Log.WorkerEnded(_logger, Shards.Worker, Shards.Tag, exit.Code, exit.Error);
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

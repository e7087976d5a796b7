using System.Collections.Concurrent;
using Sheaf.Flushing;
using Sheaf.Spans;
using Sheaf.Supervision;

namespace Sheaf.Tests.Supervision;

/// <summary>Hosts workers that do what the test says, and writes down what was done with them. A new worker is healthy at once unless told otherwise.</summary>
internal sealed class ScriptedHost(ControlBlock control, TimeProvider time) : IWorkerHost
{
    private readonly Lock _lock = new();
    private readonly List<ScriptedWorker> _lives = [];

    /// <summary>What every new worker does first.</summary>
    public Action<ScriptedWorker> OnStart { get; set; } = worker => worker.BecomeHealthy();

    /// <summary><c>start 0</c>, <c>end 0</c> (asked for), <c>exit 0</c>, in order.</summary>
    public ConcurrentQueue<string> Events { get; } = new();

    /// <summary>Shards for which a worker was started while another still had them.</summary>
    public ConcurrentQueue<ShardId> HeldTwice { get; } = new();

    public ScriptedWorker[] Lives
    {
        get { lock (_lock) return [.. _lives]; }
    }

    public ScriptedWorker[] Alive => [.. Lives.Where(life => life.IsAlive)];

    public IWorkerHandle Start(WorkerShards worker)
    {
        var started = new ScriptedWorker(this, worker, control.Worker(worker.Worker), time);
        lock (_lock)
        {
            foreach (ScriptedWorker other in _lives.Where(life => life.IsAlive))
                foreach (ShardId shard in other.Shards.Shards.Intersect(worker.Shards))
                    HeldTwice.Enqueue(shard);

            started.Life = _lives.Count(life => life.Shards.Worker == worker.Worker) + 1;
            _lives.Add(started);
        }
        Events.Enqueue($"start {worker.Worker}");
        OnStart(started);
        return started;
    }

    /// <summary>The latest life of a worker.</summary>
    public ScriptedWorker Worker(int worker) => Lives.Last(life => life.Shards.Worker == worker);

    public int Starts(int worker) => Lives.Count(life => life.Shards.Worker == worker);
}

/// <summary>One life of a scripted worker.</summary>
internal sealed class ScriptedWorker(ScriptedHost host, WorkerShards shards, WorkerCells cells, TimeProvider time) : IWorkerHandle
{
    private readonly TaskCompletionSource<WorkerExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WorkerShards Shards => shards;

    public WorkerCells Cells => cells;

    /// <summary>From 1.</summary>
    public int Life { get; set; }

    /// <summary>Shows no sign of life any more.</summary>
    public bool IsSilent { get; set; }

    /// <summary>What ending it for certain takes; afterwards it has ended.</summary>
    public Func<Task> OnEnd { get; set; } = () => Task.CompletedTask;

    public bool IsAlive => !_exited.Task.IsCompleted;

    public void BecomeHealthy()
    {
        cells.Phase = WorkerPhase.Waiting;
        cells.HealthySince = time.GetTimestamp();
    }

    public void Enter(WorkerPhase phase) => cells.Phase = phase;

    public void FallBehind() => cells.BackpressureSince = time.GetTimestamp();

    public void CatchUp() => cells.BackpressureSince = 0;

    public void Beat() => cells.Heartbeat = time.GetTimestamp();

    public void Exit(int code, string? error = null)
    {
        if (!IsAlive) return;
        host.Events.Enqueue($"exit {shards.Worker}");
        _exited.TrySetResult(new WorkerExit(code, error));
    }

    public Task<WorkerExit> WaitForExitAsync() => _exited.Task;

    public async Task EndAsync()
    {
        host.Events.Enqueue($"end {shards.Worker}");
        await OnEnd();
        Exit(137);
    }
}

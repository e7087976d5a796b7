using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>A flusher worker as <see cref="ThreadHost"/> runs it. Made anew for every life.</summary>
internal interface IWorkerInstance
{
    /// <summary>The worker's loop: completes when it was told to end, throws when it cannot go on. Runs on the worker's own thread.</summary>
    Task RunAsync(CancellationToken cancel);

    /// <summary>
    /// Takes from the worker's buffer and sink clients the right to do anything more: every later claim, production or removal is refused.
    /// Called from any thread, also while <see cref="RunAsync"/> is in the middle of something, and more than once; must not wait for it.
    /// </summary>
    void Fence();
}

/// <summary>Hosts each worker on a thread of its own, <c>flusher-0</c>, <c>flusher-1</c>, ….</summary>
/// <remarks>
/// A thread cannot be killed. One that does not react is ended "for certain" like this: its token is cancelled; if it still runs after the
/// grace period it is fenced and abandoned. From then on it may compute, but it holds no shard: the buffer refuses its claims and removals
/// (its client is revoked, and its replacement's take-over moves the shard's epoch on besides), its sink client refuses to produce. A
/// production that the operating system had already taken may still come out; its spans are still buffered, so its replacement produces the
/// same segment again, with the same flush id: at least once, as promised. What an abandoned thread costs is its memory; each is logged
/// and counted, and the restart budget bounds their number.
/// </remarks>
/// <param name="create">Makes the worker; must not wait. Should it throw, the worker counts as one that failed.</param>
/// <param name="grace">How long a worker that is cancelled now may take to end by itself.</param>
internal sealed partial class ThreadHost(
    Func<WorkerShards, IWorkerInstance> create, Func<TimeSpan> grace, TimeProvider time, ILogger<ThreadHost> logger) : IWorkerHost
{
    private readonly Func<WorkerShards, IWorkerInstance> _create = create;
    private readonly Func<TimeSpan> _grace = grace;
    private readonly TimeProvider _time = time;
    private int _abandoned;

    /// <summary>Threads given up so far.</summary>
    public int AbandonedThreads => Volatile.Read(ref _abandoned);

    /// <inheritdoc/>
    public IWorkerHandle Start(WorkerShards worker) => new WorkerThread(this, worker);

    private void Abandoned(WorkerShards worker, TimeSpan grace) =>
        Log.ThreadAbandoned(logger, worker.Worker, worker.Tag, grace.TotalSeconds, Interlocked.Increment(ref _abandoned));

    [SuppressMessage("Design", "CA1001", Justification = "A cancellation source without a timer holds nothing, and the thread may use its token to the end.")]
    private sealed class WorkerThread : IWorkerHandle
    {
        private readonly ThreadHost _host;
        private readonly WorkerShards _worker;
        private readonly IWorkerInstance? _instance;
        private readonly CancellationTokenSource _cancel = new();
        private readonly TaskCompletionSource<WorkerExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock _lock = new();
        private Task? _ending;

        public WorkerThread(ThreadHost host, WorkerShards worker)
        {
            (_host, _worker) = (host, worker);
            try
            {
                _instance = host._create(worker);
                new Thread(() => _exited.TrySetResult(Run(_instance))) { Name = $"flusher-{worker.Worker}", IsBackground = true }.Start();
            }
            catch (Exception e)
            {
                _exited.TrySetResult(WorkerExit.Of(e));
            }
        }

        public Task<WorkerExit> WaitForExitAsync() => _exited.Task;

        public Task EndAsync()
        {
            lock (_lock) return _ending ??= EndOnceAsync();
        }

        private async Task EndOnceAsync()
        {
            // Not awaited: what the worker has registered on its token runs here, and may hang as the worker does.
            _ = _cancel.CancelAsync();
            TimeSpan grace = _host._grace();
            await ((Task)_exited.Task).WaitAsync(grace, _host._time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_exited.Task.IsCompleted) return;
            _instance!.Fence();
            if (_exited.TrySetResult(new WorkerExit(WorkerExit.Abandoned, "It did not end when it was cancelled."))) _host.Abandoned(_worker, grace);
        }

        private WorkerExit Run(IWorkerInstance instance)
        {
            try
            {
                try
                {
                    WorkerPump.Run(() => instance.RunAsync(_cancel.Token));
                }
                finally
                {
                    // Something that the worker began and did not wait for must not go on beside its replacement.
                    instance.Fence();
                }
                return new WorkerExit(WorkerExit.AsTold, null);
            }
            catch (OperationCanceledException) when (_cancel.IsCancellationRequested)
            {
                return new WorkerExit(WorkerExit.AsTold, null);
            }
            catch (Exception e)
            {
                return WorkerExit.Of(e);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.ThreadAbandoned, LogLevel.Error,
            "Flusher worker {Worker} (shard {Shard}) did not end within {Seconds} s of being cancelled: its thread is fenced and given up, the {Count}. so far")]
        public static partial void ThreadAbandoned(ILogger logger, int worker, string shard, double seconds, int count);
    }
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class ThreadHostTests
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(3);
    private static readonly WorkerShards s_worker = ShardPlan.Deal(4, 2).Workers[1];

    private readonly TestClock _clock = new();

    [Fact]
    public async Task A_worker_is_one_named_thread_whatever_it_awaits()
    {
        var threads = new ConcurrentBag<(int Id, string? Name, bool IsBackground, bool IsPooled)>();
        IWorkerHandle worker = Start(async cancel =>
        {
            for (int i = 0; i < 50; i++)
            {
                Note();
                await (i % 2 == 0 ? Task.Run(() => { }, cancel) : Task.Delay(1, cancel));
            }
            Note();
        });

        Assert.Equal(new WorkerExit(0, null), await ExitOf(worker));
        Assert.Equal(51, threads.Count);
        (_, string? name, bool isBackground, bool isPooled) = Assert.Single(threads.Distinct());
        Assert.Equal(("flusher-1", true, false), (name, isBackground, isPooled));

        void Note()
        {
            Thread now = Thread.CurrentThread;
            threads.Add((now.ManagedThreadId, now.Name, now.IsBackground, now.IsThreadPoolThread));
        }
    }

    [Fact]
    public async Task A_worker_that_throws_has_failed_with_what_it_threw()
    {
        WorkerExit exit = await ExitOf(Start(async _ =>
        {
            await Task.Yield();
            throw new SinkException("disk full");
        }));

        Assert.Equal(WorkerExit.Failed, exit.Code);
        Assert.Contains("disk full", exit.Error, StringComparison.Ordinal);
        Assert.Equal("exit code 1, disk full", exit.ToString());
    }

    [Fact]
    public async Task A_worker_that_cannot_be_made_has_failed()
    {
        var host = new ThreadHost(_ => throw new IOException("no output"), () => s_grace, _clock, NullLogger<ThreadHost>.Instance);

        IWorkerHandle worker = host.Start(s_worker);

        Assert.Equal(WorkerExit.Failed, (await ExitOf(worker)).Code);
        await worker.EndAsync();
    }

    [Fact]
    public async Task A_worker_that_has_ended_is_fenced()
    {
        var instance = new ThreadWorker(_ => Task.CompletedTask);
        await ExitOf(Host(instance).Start(s_worker));
        Assert.True(instance.IsFenced);
    }

    [Fact]
    public async Task A_worker_that_reacts_is_ended_without_the_grace_period()
    {
        var instance = new ThreadWorker(cancel => Task.Delay(Timeout.Infinite, cancel));
        ThreadHost host = Host(instance);
        IWorkerHandle worker = host.Start(s_worker);

        await worker.EndAsync().WaitAsync(Eventually.Patience); // the clock has not moved

        Assert.Equal(0, (await ExitOf(worker)).Code);
        Assert.Equal(0, host.AbandonedThreads);
        await Eventually.TrueAsync(() => _clock.ArmedTimers == 0, "the timer of the grace period to be gone");
    }

    [Fact]
    public async Task A_worker_that_does_not_react_is_fenced_and_given_up_after_the_grace_period()
    {
        using var stuck = new ManualResetEventSlim();
        var instance = new ThreadWorker(_ =>
        {
            stuck.Wait(CancellationToken.None);
            return Task.CompletedTask;
        });
        ThreadHost host = Host(instance);
        IWorkerHandle worker = host.Start(s_worker);

        Task end = worker.EndAsync();
        Assert.Same(end, worker.EndAsync());
        await Eventually.TrueAsync(() => instance.IsCancelled, "the worker's token to be cancelled");
        _clock.Advance(s_grace - TimeSpan.FromMilliseconds(1));
        Assert.False(instance.IsFenced);
        Assert.False(end.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));

        await end.WaitAsync(Eventually.Patience);
        Assert.True(instance.IsFenced);
        Assert.Equal(WorkerExit.Abandoned, (await ExitOf(worker)).Code);
        Assert.Equal(1, host.AbandonedThreads);
        stuck.Set();
    }

    [Fact]
    public async Task A_worker_that_cannot_be_fenced_has_not_been_ended()
    {
        using var stuck = new ManualResetEventSlim();
        var instance = new ThreadWorker(_ =>
        {
            stuck.Wait(CancellationToken.None);
            return Task.CompletedTask;
        }) { OnFence = () => throw new IOException("locked") };
        IWorkerHandle worker = Host(instance).Start(s_worker);

        Task end = worker.EndAsync();
        await Eventually.TrueAsync(() => instance.IsCancelled, "the worker's token to be cancelled");
        _clock.Advance(s_grace);

        await Assert.ThrowsAsync<IOException>(() => end.WaitAsync(Eventually.Patience));
        Assert.False(worker.WaitForExitAsync().IsCompleted);
        stuck.Set();
        await ExitOf(worker);
    }

    [Fact]
    public async Task An_abandoned_thread_is_fenced_before_its_replacement_starts()
    {
        using var stuck = new ManualResetEventSlim();
        var events = new ConcurrentQueue<string>();
        var control = new ControlBlock(workers: 1, shards: 2);
        int lives = 0;
        IWorkerInstance Create(WorkerShards worker)
        {
            int life = ++lives;
            events.Enqueue($"start {life}");
            return new ThreadWorker(async cancel =>
            {
                WorkerCells cells = control.Worker(0);
                cells.HealthySince = _clock.GetTimestamp();
                if (life == 1) stuck.Wait(CancellationToken.None);
                else await Task.Delay(Timeout.Infinite, cancel);
            })
            {
                OnFence = () => events.Enqueue($"fence {life}"),
            };
        }
        var host = new ThreadHost(Create, () => s_grace, _clock, NullLogger<ThreadHost>.Instance);
        using var supervisor = new FlusherSupervisor(
            ShardPlan.Deal(2, 1), host, control, new SupervisionOptions(), new IntakeGate(), (_, _) => { }, _ => { }, _clock,
            NullLogger<FlusherSupervisor>.Instance);
        Task start = supervisor.StartAsync(CancellationToken.None);
        await Eventually.TrueAsync(() => start.IsCompleted, "the start", () => _clock.Advance(TimeSpan.FromMilliseconds(10)));

        await Eventually.TrueAsync(() => events.Contains("start 2"), "the replacement", () => _clock.Advance(TimeSpan.FromSeconds(1)));

        Assert.Equal(["start 1", "fence 1", "start 2"], events.Take(3));
        Assert.Equal(1, host.AbandonedThreads);
        await supervisor.StopAsync(TimeSpan.Zero);
        stuck.Set();
    }

    [Fact]
    public async Task A_crashed_thread_is_replaced_by_another_in_real_time()
    {
        var control = new ControlBlock(workers: 2, shards: 4);
        var threads = new ConcurrentQueue<(string? Name, int Id)>();
        int crashes = 0;
        IWorkerInstance Create(WorkerShards worker) => new ThreadWorker(async cancel =>
        {
            threads.Enqueue((Thread.CurrentThread.Name, Environment.CurrentManagedThreadId));
            WorkerCells cells = control.Worker(worker.Worker);
            cells.HealthySince = TimeProvider.System.GetTimestamp();
            while (cells.Command == WorkerCommand.Run)
            {
                cells.Heartbeat = TimeProvider.System.GetTimestamp();
                await Task.Delay(1, cancel);
                if (worker.Worker == 1 && Interlocked.Exchange(ref crashes, 0) == 1) throw new SinkException("once");
            }
        });
        var host = new ThreadHost(Create, () => s_grace, TimeProvider.System, NullLogger<ThreadHost>.Instance);
        using var supervisor = new FlusherSupervisor(
            ShardPlan.Deal(4, 2), host, control, new SupervisionOptions(), new IntakeGate(), (_, _) => { }, _ => { }, TimeProvider.System,
            NullLogger<FlusherSupervisor>.Instance);
        await supervisor.StartAsync(CancellationToken.None);
        Volatile.Write(ref crashes, 1); // not before: a crash during the start ends the run

        await Eventually.TrueAsync(() => threads.Count == 3, "the replacement");
        await supervisor.DrainAsync(CancellationToken.None).WaitAsync(Eventually.Patience);

        Assert.Equal(["flusher-0", "flusher-1", "flusher-1"], threads.Select(thread => thread.Name).Order());
    }

    private static Task<WorkerExit> ExitOf(IWorkerHandle worker) => worker.WaitForExitAsync().WaitAsync(Eventually.Patience);

    private IWorkerHandle Start(Func<CancellationToken, Task> run) => Host(new ThreadWorker(run)).Start(s_worker);

    private ThreadHost Host(ThreadWorker worker) => new(_ => worker, () => s_grace, _clock, NullLogger<ThreadHost>.Instance);

    private sealed class ThreadWorker(Func<CancellationToken, Task> run) : IWorkerInstance
    {
        private volatile bool _fenced;
        private CancellationToken _cancel;

        public Action OnFence { get; init; } = () => { };

        public bool IsFenced => _fenced;

        public bool IsCancelled => _cancel.IsCancellationRequested;

        public Task RunAsync(CancellationToken cancel)
        {
            _cancel = cancel;
            return run(cancel);
        }

        public void Fence()
        {
            OnFence();
            _fenced = true;
        }
    }
}

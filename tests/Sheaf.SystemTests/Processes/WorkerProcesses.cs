using Microsoft.Extensions.Logging;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>The real worker in a real process, mostly over a buffer of its own.</summary>
public sealed class WorkerProcesses : ProcessTest
{
    [Fact]
    public async Task Workers_flush_into_one_file_and_end_as_told()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker);
        IWorkerHandle[] lives = [await workers.StartHealthyAsync(0), await workers.StartHealthyAsync(1)];
        workers.LetTimePass();
        await Eventually.TrueAsync(() => workers.Control.Shard(new ShardId(0)).ProducedSpans + workers.Control.Shard(new ShardId(1)).ProducedSpans == 20, "all segments");
        workers.Tell(0, WorkerCommand.Drain);
        workers.Tell(1, WorkerCommand.Stop);
        foreach (IWorkerHandle life in lives) Assert.Equal(new WorkerExit(WorkerExit.AsTold, null), await life.WaitForExitAsync().WaitAsync(Eventually.Patience));
        AssertWholeLines(workers.Output);
        Assert.Equal(20, File.ReadAllLines(workers.Output).Length);
        Assert.Equal(new FileInfo(workers.Output).Length, workers.Control.Run.OutputLength);
        Assert.DoesNotContain(workers.Log.Events, logged => logged.Level > LogLevel.Debug);
    }

    [Fact]
    public async Task What_a_worker_logs_and_measures_comes_out_with_its_shard()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker, "test:3");
        RunCells run = workers.Control.Run;
        run.MeasuresMessages = true;
        await workers.StartHealthyAsync();
        workers.LetTimePass();
        var measured = new List<RecordedMetric>();
        await Eventually.TrueAsync(() =>
        {
            measured.AddRange(workers.Measured());
            return measured.Count(metric => metric.Name == SheafMetrics.Names.SegmentSize) == 3;
        }, "three segments");
        Assert.All(measured, metric => Assert.Equal("1", metric.Tags["shard"]));
        Assert.Equal(3, measured.Where(metric => metric.Name == SheafMetrics.Names.SpansPerSegment).Sum(metric => metric.Value));
        Assert.Contains(measured, metric => metric.Name == SheafMetrics.Names.WaitProduce);

        await using var logging = new HostedWorkers(HostedWorkers.TestWorker, "test:log");
        await logging.StartHealthyAsync();
        await Eventually.TrueAsync(() => !logging.Log.Events.IsEmpty, "the event");
        RecordedEvent logged = logging.Log.Events.Single();
        Assert.Equal(("Sheaf.TestBuffer", LogLevel.Warning, 4711), (logged.Category, logged.Level, logged.Id));
        Assert.StartsWith("Flusher worker 1 (shard 1): Opened BufferAddress", logged.Text, StringComparison.Ordinal);
        Assert.EndsWith(" | System.InvalidOperationException: not really", logged.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("test:", logged.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_level_that_is_wanted_now_is_sent()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker, "test:log");
        RunCells run = workers.Control.Run;
        run.LogLevel = (int)LogLevel.Error;
        await workers.StartHealthyAsync();
        workers.Tell(1, WorkerCommand.Stop);
        await Eventually.TrueAsync(() => workers.Control.Worker(1).Phase == WorkerPhase.Ended, "its end");
        Assert.DoesNotContain(workers.Log.Events, logged => logged.Level > LogLevel.Debug);
    }

    [Fact]
    public async Task Ctrl_C_is_the_parents_affair_and_SIGTERM_lets_it_finish()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker);
        IWorkerHandle life = await workers.StartHealthyAsync();
        int id = Assert.Single(HostedWorkers.ChildrenOf(Environment.ProcessId), IsTestWorker);
        HostedWorkers.Signal(id, SheafProcess.Interrupt);
        workers.LetTimePass();
        await Eventually.TrueAsync(() => workers.Control.Shard(new ShardId(1)).ProducedSpans == 10, "a worker that goes on");
        HostedWorkers.Signal(id, SheafProcess.Terminate);
        Assert.Equal(WorkerExit.Terminated, (await life.WaitForExitAsync().WaitAsync(Eventually.Patience)).Code);
    }

    [Fact]
    public async Task A_runtime_that_comes_down_leaves_its_last_words()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker, "test:crash");
        WorkerExit exit = await workers.RunAsync();
        Assert.Equal(134, exit.Code);
        Assert.StartsWith("Unhandled exception. System.InvalidOperationException: a thread of the worker failed", exit.Error, StringComparison.Ordinal);
        Assert.Contains(workers.Log.Events, logged => logged.Id == EventIds.WorkerStrayLine);
    }

    [Fact]
    public async Task A_worker_that_cannot_work_says_why_and_that_no_other_could()
    {
        await using var workers = new HostedWorkers(new WorkerCommandLine("dotnet", [SheafProcess.Executable]), "carrier-pigeon://user:s3cret@host");
        WorkerExit exit = await workers.RunAsync();
        Assert.Equal(new WorkerExit(WorkerExit.Hopeless, "buffer: there is no journal 'carrier-pigeon' that worker processes could read"), exit);

        File.Delete(workers.Output);
        await using var without = new HostedWorkers(HostedWorkers.TestWorker);
        File.Delete(without.Output);
        exit = await without.RunAsync();
        Assert.Equal(WorkerExit.Hopeless, exit.Code);
        Assert.Contains(without.Output, exit.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Started_by_hand_it_says_what_it_is()
    {
        Ended ended = await SheafAsync("flusher-worker");
        Assert.Equal((2, WorkerProgram.NotByHand + "\n"), (ended.ExitCode, ended.Error));
        ended = await SheafAsync("flusher-worker", "--help");
        Assert.Equal((0, WorkerProgram.NotByHand + "\n"), (ended.ExitCode, ended.Out));
    }

    [Fact]
    public async Task A_fault_point_kills_the_first_life_and_not_the_second()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker, faults: "BeforeProduce=kill@1");
        workers.LetTimePass();
        Assert.Equal(137, (await workers.RunAsync()).Code);
        RecordedEvent armed = Assert.Single(workers.Log.Events, logged => logged.Id == EventIds.FaultPointsArmed);
        Assert.Contains("BeforeProduce=kill@1", armed.Text, StringComparison.Ordinal);
        Assert.Equal(0, workers.Control.Run.OutputLength);

        await workers.StartHealthyAsync();
        await Eventually.TrueAsync(() => workers.Control.Shard(new ShardId(1)).ProducedSpans == 10, "the second life's work");
        AssertWholeLines(workers.Output);
    }

    [Fact]
    public async Task A_stopped_worker_shows_no_sign_of_life_and_can_be_ended()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker, faults: "AfterClaim=stop@1");
        IWorkerHandle life = await workers.StartHealthyAsync();
        workers.LetTimePass();
        int id = Assert.Single(HostedWorkers.ChildrenOf(Environment.ProcessId), IsTestWorker);
        await Eventually.TrueAsync(() => File.ReadAllText($"/proc/{id}/stat").Contains(") T ", StringComparison.Ordinal), "a stopped process");
        await life.EndAsync();
        Assert.False(HostedWorkers.Exists(id));
    }

    [Fact]
    public async Task A_worker_that_waits_for_its_turn_lives_and_is_behind()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker);
        using OutputFile ours = OutputFile.Join(workers.Output, workers.Control, TimeProvider.System);
        await ours.TakeTurnAsync(default);
        await workers.StartHealthyAsync();
        workers.LetTimePass();
        await Eventually.TrueAsync(() => workers.Control.Worker(1).BackpressureSince != 0, "a worker that is behind");
        long heartbeat = workers.Control.Worker(1).Heartbeat;
        await Eventually.TrueAsync(() => workers.Control.Worker(1).Heartbeat != heartbeat, "a sign of life");
        Assert.Equal(0, workers.Control.Run.OutputLength);
        ours.EndTurn();
        await Eventually.TrueAsync(() => workers.Control.Shard(new ShardId(1)).ProducedSpans == 10, "its turn");
    }

    [Fact]
    public async Task A_killed_parent_takes_all_its_workers_with_it()
    {
        await using SheafProcess parent = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string>(), "dotnet", Path.Combine(AppContext.BaseDirectory, "Sheaf.TestWorkers.dll"), "parent", Folder);
        int[] workers = [];
        await Eventually.TrueAsync(() => (workers = HostedWorkers.ChildrenOf(parent.Id)).Length == 2, "two workers");
        Task<string> said = parent.ReadLineAsync();
        Assert.Equal("healthy", await said);
        HostedWorkers.Signal(parent.Id, HostedWorkers.Kill);
        foreach (int worker in workers) await Eventually.TrueAsync(() => !HostedWorkers.Exists(worker), $"the end of worker process {worker}");
    }

    [Fact]
    public async Task The_supervisor_replaces_a_killed_process_and_leaves_none_behind()
    {
        await using var workers = new HostedWorkers(HostedWorkers.TestWorker);
        using var supervisor = new FlusherSupervisor(
            HostedWorkers.Plan, workers.Host, workers.Control, new SupervisionOptions(), new IntakeGate(), workers.Metrics.FlusherUnhealthy, workers.Metrics.Backpressure,
            TimeProvider.System, workers.Log.CreateLogger<FlusherSupervisor>());
        await supervisor.StartAsync(default);
        int[] before = [.. HostedWorkers.ChildrenOf(Environment.ProcessId).Where(IsTestWorker)];
        Assert.Equal(2, before.Length);
        HostedWorkers.Signal(before[0], HostedWorkers.Kill);
        await Eventually.TrueAsync(() => workers.Log.Events.Any(logged => logged.Id == EventIds.WorkerRestarted), "a replacement");
        Assert.Contains(workers.Measured(), metric => metric.Name == SheafMetrics.Names.FlusherUnhealthy && metric.Tags["cause"] == "no_process_137");
        await supervisor.StopAsync(Eventually.Patience);
        Assert.DoesNotContain(HostedWorkers.ChildrenOf(Environment.ProcessId), IsTestWorker);
    }

    private static bool IsTestWorker(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Contains("Sheaf.TestWorkers.dll\0flusher-worker", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has just ended
        }
    }
}

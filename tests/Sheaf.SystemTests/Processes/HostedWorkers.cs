using System.Globalization;
using System.Runtime.InteropServices;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>Worker processes of this process: two shards, a worker each, one output. None is left when it is disposed.</summary>
internal sealed partial class HostedWorkers : IAsyncDisposable
{
    public const int Stop = 19; // SIGSTOP
    public const int Kill = 9; // SIGKILL

    private readonly TempFolder _folder = new();
    private readonly List<IWorkerHandle> _started = [];
    private readonly MetricRecorder _recorder;
    private readonly OutputFile _output;

    public HostedWorkers(WorkerCommandLine command, string address = "test:10", string faults = "")
    {
        Control = ControlBlock.CreateShared(workers: 2, shards: 2);
        _recorder = new MetricRecorder(Metrics);
        _output = OutputFile.Begin(Output, ExistingContent.Refuse, Control, TimeProvider.System);
        WorkerAssignment Assign(WorkerShards worker) => new()
        {
            ControlBlock = Control.SharedPath!,
            Worker = worker.Worker,
            Shards = [.. worker.Shards.Select(shard => shard.Value)],
            Rules = new SegmentRules(),
            Buffer = new BufferAddress(address),
            Output = Output,
        };
        Host = new ProcessHost(command, Assign, FaultPlan.Parse(faults), faultSeed: 1, Metrics, Log, TimeProvider.System);
    }

    /// <summary>The real worker over a buffer of its own (<c>TestBuffer</c>).</summary>
    public static WorkerCommandLine TestWorker { get; } = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "Sheaf.TestWorkers.dll")]);

    public ControlBlock Control { get; }

    public ProcessHost Host { get; }

    public LogRecorder Log { get; } = new();

    public SheafMetrics Metrics { get; } = new();

    public string Output => _folder.File("out");

    public static ShardPlan Plan { get; } = ShardPlan.Deal(shards: 2, flusherProcesses: 2);

    /// <summary>A program of the shell in the place of a worker.</summary>
    public static WorkerCommandLine Shell(string script) => new("/bin/sh", ["-c", script]);

    public IWorkerHandle Start(int worker = 1)
    {
        IWorkerHandle handle = Host.Start(Plan.Workers[worker]);
        _started.Add(handle);
        return handle;
    }

    /// <summary>Starts it and waits until it is healthy.</summary>
    public async Task<IWorkerHandle> StartHealthyAsync(int worker = 1)
    {
        IWorkerHandle handle = Start(worker);
        await Eventually.TrueAsync(() => Control.Worker(worker).HealthySince != 0 || handle.WaitForExitAsync().IsCompleted, "a healthy worker");
        Assert.False(handle.WaitForExitAsync().IsCompleted, handle.WaitForExitAsync().IsCompleted ? (await handle.WaitForExitAsync()).Error : null);
        return handle;
    }

    /// <summary>Runs it to its end, which must come by itself.</summary>
    public async Task<WorkerExit> RunAsync(int worker = 1) => await Start(worker).WaitForExitAsync().WaitAsync(Eventually.Patience);

    /// <summary>Everything in the test buffers is due.</summary>
    public void LetTimePass()
    {
        foreach (int shard in (ReadOnlySpan<int>)[0, 1]) SetClock(shard, 1_000_000);
    }

    public void Tell(int worker, WorkerCommand command)
    {
        WorkerCells cells = Control.Worker(worker);
        cells.Command = command;
    }

    public IReadOnlyList<RecordedMetric> Measured() => _recorder.Collect();

    /// <summary>The processes that this one has started and not reaped.</summary>
    public static int[] ChildrenOf(int parent)
    {
        var children = new List<int>();
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id)) continue;
            try
            {
                string status = File.ReadAllText(Path.Combine(folder, "stat"));
                if (int.Parse(status[(status.LastIndexOf(')') + 4)..].Split(' ')[0], CultureInfo.InvariantCulture) == parent) children.Add(id);
            }
            catch (IOException)
            {
                // It has just ended.
            }
        }
        return [.. children];
    }

    public static bool Exists(int process) => Directory.Exists($"/proc/{process.ToString(CultureInfo.InvariantCulture)}");

    public static void Signal(int process, int signal) => Assert.Equal(0, SendSignal(process, signal));

    public async ValueTask DisposeAsync()
    {
        foreach (IWorkerHandle handle in _started) await handle.EndAsync();
        _recorder.Dispose();
        Metrics.Dispose();
        _output.Dispose();
        Control.Dispose();
        _folder.Dispose();
    }

    private void SetClock(int shard, long clockMs)
    {
        ShardCells cells = Control.Shard(new ShardId(shard));
        cells.ClockMs = clockMs;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}

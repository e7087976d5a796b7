using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;

namespace Sheaf.TestWorkers;

/// <summary>A parent of two worker processes; says on standard output when they are healthy, and what that took.</summary>
internal static class TestParent
{
    /// <summary>This program as a worker.</summary>
    public static WorkerCommandLine Command { get; } = new(Environment.ProcessPath!, Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal)
        ? [Path.Combine(AppContext.BaseDirectory, "Sheaf.TestWorkers.dll")]
        : []);

    public static async Task RunAsync(string folder)
    {
        using ControlBlock control = ControlBlock.CreateShared(workers: 2, shards: 2);
        string output = Path.Combine(folder, "out");
        using OutputFile prepared = OutputFile.Begin(output, ExistingContent.Refuse, control, TimeProvider.System);
        using var metrics = new SheafMetrics();
        WorkerAssignment Assign(WorkerShards worker) => new()
        {
            ControlBlock = control.SharedPath!,
            Worker = worker.Worker,
            Shards = [.. worker.Shards.Select(shard => shard.Value)],
            Rules = new SegmentRules(),
            Buffer = new BufferAddress("test:10"),
            Output = output,
        };
        var host = new ProcessHost(Command, Assign, FaultPlan.None, faultSeed: 0, metrics, NullLoggerFactory.Instance, TimeProvider.System);
        long begun = TimeProvider.System.GetTimestamp();
        IWorkerHandle[] workers = [.. ShardPlan.Deal(2, 2).Workers.Select(host.Start)];
        while (control.Worker(0).HealthySince == 0 || control.Worker(1).HealthySince == 0) await Task.Delay(5);
        Console.WriteLine("healthy");
        for (int i = 0; i < 2; i++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"worker {i} after {TimeProvider.System.GetElapsedTime(begun, control.Worker(i).HealthySince).TotalMilliseconds:0} ms"));
        await Task.WhenAll(workers.Select(worker => worker.WaitForExitAsync()));
    }
}

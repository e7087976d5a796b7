using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>Opens a worker's own client of the buffer that its assignment names. The worker disposes it.</summary>
/// <param name="control">The worker's parent writes there how far each shard's input is stored.</param>
/// <exception cref="ConfigurationException">There is no such kind of buffer, or it cannot be shared by processes.</exception>
internal delegate ValueTask<ISpanClaimer> OpenWorkerBuffer(
    WorkerAssignment assignment, ControlBlock control, ILoggerFactory logs, CancellationToken cancel);

/// <summary>
/// A worker process: <c>sheaf flusher-worker</c>, started by <see cref="ProcessHost"/> and by nobody else. Runs the same <see cref="FlusherWorker"/> as
/// <see cref="ThreadHost"/> does. Its end is a <see cref="WorkerExit"/>: the code, and why as its last message.
/// </summary>
/// <remarks>
/// Nothing has to be tidied up when it dies: what waits is in the journal, what it wrote in part is cut off by the next writer. Therefore a parent that
/// is gone ends it at once, by a thread that does nothing but wait for the end of standard input. SIGINT and SIGHUP mean nothing to it: Ctrl-C in a terminal, and a terminal that closes,
/// reach every process there, and the parent says what is to be done. SIGTERM lets it finish what it has claimed (<see cref="WorkerExit.Terminated"/>).
/// </remarks>
internal static class WorkerProgram
{
    public const string CommandName = "flusher-worker";

    /// <summary>What a person is told.</summary>
    public const string NotByHand =
        "sheaf flusher-worker is what process-spans starts for each of its worker processes (--flusher-isolation process); it is not started by hand";

    private const int MostAssignmentBytes = 1 << 20;

    /// <summary>
    /// How often an idle worker looks at its shards' clocks, since nobody can wake it. It delays a segment by 10 ms in the mean, nothing beside timeouts of
    /// seconds; half of it would cost an idle worker twice the processor time, some percent of a slow core.
    /// </summary>
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>Works until the parent says stop, and longer by nothing. Blocks the calling thread; the exit code of the process.</summary>
    public static int Run(OpenWorkerBuffer open)
    {
        var input = new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);
        if (!Console.IsInputRedirected || !TryReadAssignment(input, out WorkerAssignment assignment))
        {
            Console.Error.WriteLine(NotByHand);
            return WorkerExit.Abandoned;
        }
        new Thread(() => EndWithParent(input)) { Name = "parent-watch", IsBackground = true }.Start();

        using var terminated = new CancellationTokenSource();
        using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using PosixSignalRegistration onHangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => context.Cancel = true);
        using PosixSignalRegistration onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            terminated.Cancel();
        });

        var error = new FileStream(new SafeFileHandle(2, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        ControlBlock? control = null;
        using var parent = new ParentChannel(error, () => control is null ? LogLevel.Trace : (LogLevel)control.Run.LogLevel);
        try
        {
            Thread.CurrentThread.Name = $"flusher-{assignment.Worker}";
            control = Attach(assignment);
            WorkerPump.Run(() => WorkAsync(assignment, control, parent, open, terminated.Token));
            return WorkerExit.AsTold;
        }
        catch (OperationCanceledException) when (terminated.IsCancellationRequested)
        {
            return WorkerExit.Terminated;
        }
        catch (Exception e)
        {
            WorkerExit exit = WorkerExit.Of(e);
            if (exit.Error is { } why) parent.Fail(why);
            return exit.Code;
        }
    }

    private static async Task WorkAsync(
        WorkerAssignment assignment, ControlBlock control, ParentChannel parent, OpenWorkerBuffer open, CancellationToken terminated)
    {
        TimeProvider time = TimeProvider.System;
        Action<FaultPoint>? faults = ArmedFaultPoints.Arm(FaultPlan.Parse(assignment.FaultPoints), assignment.FaultSeed, parent.CreateLogger("Sheaf.Supervision"));
        await using ISpanClaimer buffer = await open(assignment, control, parent, terminated);
        await using ISegmentSink sink = WorkerOutputs.Open(assignment, control, parent, time);
        ILogger batches = parent.CreateLogger("Sheaf.Flushing");
        using var metrics = new SheafMetrics
        {
            Relay = (batch, waited) =>
            {
                BatchLog.Produced(batches, batch, waited);
                if (control.Run.MeasuresMessages) parent.Measured(batch, waited);
            },
        };
        using var signal = new WorkSignal(); // nobody sets it

        var options = new FlusherOptions(assignment.Rules) { ProduceBytes = assignment.ProduceBytes, IdleWait = s_look };
        // Asked between two flushes, when nothing is claimed: the place to end when SIGTERM has come.
        FlusherOptions OptionsNow()
        {
            terminated.ThrowIfCancellationRequested();
            int most = control.Run.MaxFlushSegments;
            if (most > 0 && most != options.MaxFlushSegments) options = options with { MaxFlushSegments = most };
            return options;
        }

        var worker = new FlusherWorker(
            assignment.Worker, assignment.Shards.Select(shard => new ShardId(shard)), control, buffer, sink, OptionsNow, signal, metrics, time, faults,
            new BufferTrouble(parent.CreateLogger("Sheaf.Flushing"), time).Tell);
        await worker.RunAsync(CancellationToken.None);
    }

    private static ControlBlock Attach(WorkerAssignment assignment)
    {
        ControlBlock control = ControlBlock.Attach(assignment.ControlBlock);
        if (assignment.Worker >= control.WorkerCount || assignment.Shards.Any(shard => shard < 0 || shard >= control.ShardCount))
            throw new InvalidDataException($"worker {assignment.Worker} has shards that are not in the control block: parent and worker are of different versions");
        return control;
    }

    private static bool TryReadAssignment(FileStream input, out WorkerAssignment assignment)
    {
        assignment = null!;
        var line = new MemoryStream();
        byte[] room = new byte[1 << 13];
        while (line.Length < MostAssignmentBytes && input.Read(room) is > 0 and var count)
        {
            int end = room.AsSpan(0, count).IndexOf((byte)'\n');
            line.Write(room, 0, end < 0 ? count : end);
            if (end >= 0) return WorkerAssignment.TryRead(line.GetBuffer().AsSpan(0, (int)line.Length), out assignment);
        }
        return false;
    }

    private static void EndWithParent(FileStream input)
    {
        try
        {
            while (input.ReadByte() >= 0) { } // the parent says nothing more
        }
        catch (IOException)
        {
            // As good as the end.
        }
        OwnProcess.ExitAtOnce(WorkerExit.ParentGone);
    }

    /// <summary>Settings of the runtime for the process that is started; one that the operator has made stays.</summary>
    internal static void TuneRuntime(IDictionary<string, string?> environment)
    {
        // The parent compiles everything well at its first call, since a run over a file lasts seconds. A worker lives long, and what counts is how soon another
        // one stands in its place: compiling quickly first takes a third off its start, and the hot loops are replaced by good ones while they run.
        environment.TryAdd("DOTNET_TC_QuickJit", "1");
        // An idle worker wakes up 50 times a second for a moment: threads that then spin in the hope of more took a third of all that it cost.
        environment.TryAdd("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", "0");
        // The sockets and pipes of the runtime's diagnostics stay behind in the temporary folder when a process is killed, and workers are.
        environment.TryAdd("DOTNET_EnableDiagnostics", "0");
    }
}

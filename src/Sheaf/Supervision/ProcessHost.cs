using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>Hosts each worker in an operating-system process of its own, which runs <see cref="WorkerProgram"/>.</summary>
/// <remarks>
/// The worker's standard input brings its assignment and then stays open for as long as it lives: its end is how a worker learns that this process is gone,
/// however it went. No other process has a copy of that end, since descriptors are not inherited (close-on-exec). Standard error brings what the worker has
/// to say (<see cref="WorkerMessage"/>); it, and standard output, is always read, so that no worker waits for a reader. Ended workers are reaped.
/// </remarks>
/// <param name="assign">The assignment of a worker; what is to fail on purpose is added here.</param>
/// <param name="faults">What is to fail on purpose.</param>
/// <param name="faultSeed">Of what the fault plan leaves to chance; each life has a seed of its own from it.</param>
internal sealed class ProcessHost(
    WorkerCommandLine command, Func<WorkerShards, WorkerAssignment> assign, FaultPlan faults, int faultSeed, SheafMetrics metrics, ILoggerFactory logs,
    TimeProvider time) : IWorkerHost
{
    /// <summary>A process that was killed is gone within milliseconds, unless the system itself holds it (a disk that does not answer).</summary>
    private static readonly TimeSpan s_mostReaping = TimeSpan.FromSeconds(10);

    /// <summary>Who still has the other end of its standard error when a worker has ended is no worker.</summary>
    private static readonly TimeSpan s_mostLastWords = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<int, int> _lives = new();

    /// <inheritdoc/>
    public IWorkerHandle Start(WorkerShards worker)
    {
        int life = _lives.AddOrUpdate(worker.Worker, 1, static (_, before) => before + 1);
        var relay = new WorkerRelay(worker, metrics, logs);
        try
        {
            FaultPlan armed = life == 1 ? faults : faults.ForReplacement();
            WorkerAssignment assignment = assign(worker) with { FaultPoints = armed.ToString(), FaultSeed = unchecked(faultSeed + (1000 * worker.Worker) + life) };
            var start = new ProcessStartInfo(command.Program, [.. command.Arguments, WorkerProgram.CommandName])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            WorkerProgram.TuneRuntime(start.Environment);
            return new WorkerProcess(Process.Start(start)!, [.. assignment.ToJson(), (byte)'\n'], relay, time);
        }
        catch (Exception e)
        {
            return new NotStarted(e is Win32Exception ? new WorkerExit(WorkerExit.Failed, $"{command} cannot be started: {e.Message}") : WorkerExit.Of(e));
        }
    }

    private sealed class NotStarted : IWorkerHandle
    {
        private readonly TaskCompletionSource<WorkerExit> _exited = new();

        public NotStarted(WorkerExit exit) => _exited.SetResult(exit);

        public Task<WorkerExit> WaitForExitAsync() => _exited.Task;

        public Task EndAsync() => Task.CompletedTask;
    }

    private sealed class WorkerProcess : IWorkerHandle
    {
        private readonly Process _process;
        private readonly WorkerRelay _relay;
        private readonly TimeProvider _time;
        private readonly int _id;
        private readonly TaskCompletionSource<WorkerExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public WorkerProcess(Process process, byte[] assignment, WorkerRelay relay, TimeProvider time)
        {
            (_process, _relay, _time, _id) = (process, relay, time, process.Id);
            _ = Task.Run(async () => _exited.SetResult(await LiveAsync(assignment)));
        }

        public Task<WorkerExit> WaitForExitAsync() => _exited.Task;

        public async Task EndAsync()
        {
            try
            {
                _process.Kill();
            }
            catch (InvalidOperationException)
            {
                // It has ended, and its process is disposed of.
            }
            await ((Task)_exited.Task).WaitAsync(s_mostReaping, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_exited.Task.IsCompleted) throw new TimeoutException($"Process {_id} was killed, but the system has not ended it within {s_mostReaping.TotalSeconds} s.");
        }

        private async Task<WorkerExit> LiveAsync(byte[] assignment)
        {
            using var tooLate = new CancellationTokenSource();
            using Process process = _process;
            Task hearing = Task.WhenAll(
                BoundedLines.ReadAsync(process.StandardError.BaseStream, WorkerMessage.MaxBytes, _relay.Take, tooLate.Token),
                BoundedLines.ReadAsync(process.StandardOutput.BaseStream, WorkerMessage.MaxBytes, _relay.Take, tooLate.Token));
            Stream input = process.StandardInput.BaseStream; // open until the process is disposed of
            try
            {
                await input.WriteAsync(assignment);
                await input.FlushAsync();
            }
            catch (IOException)
            {
                // It has ended already; how, comes next.
            }

            await process.WaitForExitAsync();
            await hearing.WaitAsync(s_mostLastWords, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await tooLate.CancelAsync();
            _relay.End();
            int code = process.ExitCode;
            return new WorkerExit(code, code == WorkerExit.AsTold ? null : _relay.LastWords ?? Signal(code));
        }

        private static string? Signal(int code) => code > 128 ? $"It was ended by signal {code - 128}." : null;
    }
}

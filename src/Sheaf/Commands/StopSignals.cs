using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf.Commands;

/// <summary>
/// SIGINT (Ctrl-C) and SIGTERM. The first one asks for a clean stop; Ctrl-C after that ends the process at once, for whoever does not
/// want to wait. Another SIGTERM changes nothing: some programs send it to a process and to its group. Signals arrive on threads of their own.
/// </summary>
/// <param name="exit">Ends the process with a code.</param>
/// <param name="deadline">Of the stop: it begins with the first signal. Null: there is none.</param>
internal sealed partial class StopSignals(ILogger log, Action<int> exit, StopDeadline? deadline = null) : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _exitCode;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stopping => _stop.Token;

    /// <summary>The exit code that the first signal asks for, or null when none has come.</summary>
    public int? ExitCode => Volatile.Read(ref _exitCode) is not 0 and var code ? code : null;

    /// <summary>Listens from now on, instead of the runtime, which would end the process.</summary>
    public void Register()
    {
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Receive(context.Signal);
            }));
        }
    }

    /// <summary>What a signal does.</summary>
    public void Receive(PosixSignal signal)
    {
        int code = signal == PosixSignal.SIGINT ? Commands.ExitCode.Interrupted : Commands.ExitCode.Terminated;
        if (Interlocked.CompareExchange(ref _exitCode, code, 0) == 0)
        {
            deadline?.Begin(); // before anybody is told to stop
            Log.Stopping(log, signal);
            _stop.Cancel();
        }
        else if (signal == PosixSignal.SIGINT)
        {
            exit(code);
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _stop.Dispose();
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.StopRequested, LogLevel.Information, "{Signal}: finishing what is claimed, then stopping; Ctrl-C again ends at once")]
        public static partial void Stopping(ILogger log, PosixSignal signal);
    }
}

using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Commands;
using Xunit;

namespace Sheaf.Tests.Commands;

public sealed class StoppingBySignal : IDisposable
{
    private readonly List<int> _exits = [];
    private readonly StopSignals _signals;

    public StoppingBySignal() => _signals = new StopSignals(NullLogger.Instance, _exits.Add);

    public void Dispose() => _signals.Dispose();

    [Theory]
    [InlineData(PosixSignal.SIGINT, 130)]
    [InlineData(PosixSignal.SIGTERM, 143)]
    public void The_first_signal_asks_for_a_clean_stop_and_decides_the_exit_code(PosixSignal signal, int exitCode)
    {
        Assert.Null(_signals.ExitCode);
        Assert.False(_signals.Stopping.IsCancellationRequested);
        _signals.Receive(signal);
        _signals.Receive(PosixSignal.SIGTERM);
        Assert.True(_signals.Stopping.IsCancellationRequested);
        Assert.Equal(exitCode, _signals.ExitCode);
        Assert.Empty(_exits);
    }

    [Theory]
    [InlineData(PosixSignal.SIGINT)]
    [InlineData(PosixSignal.SIGTERM)]
    public void An_interrupt_after_that_ends_at_once(PosixSignal first)
    {
        _signals.Receive(first);
        _signals.Receive(PosixSignal.SIGINT);
        Assert.Equal([130], _exits);
    }
}

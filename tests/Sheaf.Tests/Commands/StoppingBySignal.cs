using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Commands;
using Sheaf.TestKit;
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

    [Fact]
    public void The_deadline_begins_with_the_first_signal_before_anybody_is_told()
    {
        var time = new TestClock();
        using var deadline = new StopDeadline(TimeSpan.FromSeconds(30), time);
        using var signals = new StopSignals(NullLogger.Instance, _exits.Add, deadline);
        TimeSpan? left = null;
        using CancellationTokenRegistration told = signals.Stopping.Register(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            left = deadline.Left;
        });
        signals.Receive(PosixSignal.SIGTERM);
        Assert.Equal(TimeSpan.FromSeconds(29), left);
        time.Advance(TimeSpan.FromSeconds(10));
        signals.Receive(PosixSignal.SIGTERM);
        Assert.Equal(TimeSpan.FromSeconds(19), deadline.Left);
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

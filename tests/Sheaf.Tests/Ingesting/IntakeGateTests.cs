using Sheaf.Ingesting;
using Xunit;

namespace Sheaf.Tests.Ingesting;

public class IntakeGateTests
{
    private readonly IntakeGate _gate = new();

    [Fact]
    public void Nobody_waits_at_an_open_gate()
    {
        Assert.True(_gate.WaitWhilePausedAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);

        _gate.Pause(PauseReasons.Backpressure);
        _gate.Resume(PauseReasons.Backpressure);

        Assert.True(_gate.WaitWhilePausedAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task The_gate_opens_when_the_last_reason_is_lifted()
    {
        _gate.Pause(PauseReasons.Backpressure);
        _gate.Pause(PauseReasons.BufferFull);
        _gate.Pause(PauseReasons.BufferFull);
        Task first = _gate.WaitWhilePausedAsync(CancellationToken.None).AsTask();
        Task second = _gate.WaitWhilePausedAsync(CancellationToken.None).AsTask();

        _gate.Resume(PauseReasons.BufferFull);
        Assert.Equal(PauseReasons.Backpressure, _gate.Reasons);
        Assert.False(first.IsCompleted);
        _gate.Resume(PauseReasons.Backpressure);

        await Task.WhenAll(first, second).WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Waiting_can_be_cancelled()
    {
        _gate.Pause(PauseReasons.BufferFull);
        using var cancel = new CancellationTokenSource();
        Task waiting = _gate.WaitWhilePausedAsync(cancel.Token).AsTask();

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task A_gate_can_close_and_open_any_number_of_times()
    {
        for (int i = 0; i < 1000; i++)
        {
            _gate.Pause(PauseReasons.Backpressure);
            Task waiting = _gate.WaitWhilePausedAsync(CancellationToken.None).AsTask();
            Assert.False(waiting.IsCompleted);
            _gate.Resume(PauseReasons.Backpressure);
            await waiting.WaitAsync(TimeSpan.FromSeconds(20));
        }
    }
}

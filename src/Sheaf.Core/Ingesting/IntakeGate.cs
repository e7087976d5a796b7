namespace Sheaf.Ingesting;

/// <summary>Why the input is not read on just now. Several may hold at once.</summary>
[Flags]
public enum PauseReasons
{
    None = 0,

    /// <summary>A flusher worker has been behind for <c>backpressure-seconds</c>.</summary>
    Backpressure = 1,

    /// <summary>The buffer may not take more memory.</summary>
    BufferFull = 2,

    /// <summary>The buffer cannot be reached.</summary>
    BufferUnavailable = 4,
}

/// <summary>
/// Where the ingest side waits while the input is paused; nothing is dropped meanwhile. Thread-safe. Each reason has one owner, who sets and
/// lifts it; the gate is open when none holds.
/// </summary>
public sealed class IntakeGate
{
    private readonly Lock _lock = new();
    private volatile int _reasons;
    private TaskCompletionSource _opened = NewSignal();

    /// <summary>What holds now.</summary>
    public PauseReasons Reasons => (PauseReasons)_reasons;

    public bool IsPaused => _reasons != 0;

    /// <summary>Closes the gate for this reason too. Doing it again changes nothing.</summary>
    public void Pause(PauseReasons reason)
    {
        lock (_lock)
        {
            if (_reasons == 0) _opened = NewSignal();
            _reasons |= (int)reason;
        }
    }

    /// <summary>Lifts this reason; the gate opens when no other holds. Doing it again changes nothing.</summary>
    public void Resume(PauseReasons reason)
    {
        lock (_lock)
        {
            _reasons &= ~(int)reason;
            if (_reasons == 0) _opened.TrySetResult();
        }
    }

    /// <summary>Returns when the gate is open: at once, and without allocating, while it is.</summary>
    public ValueTask WaitWhilePausedAsync(CancellationToken cancel) => IsPaused ? WaitAsync(cancel) : ValueTask.CompletedTask;

    private async ValueTask WaitAsync(CancellationToken cancel)
    {
        while (IsClosed(out Task opening)) await opening.WaitAsync(cancel);
    }

    private bool IsClosed(out Task opening)
    {
        lock (_lock)
        {
            opening = _opened.Task;
            return _reasons != 0;
        }
    }

    // Waiters must not run inside the lock, nor on the thread of whoever opens the gate.
    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

namespace Sheaf.Flushing;

/// <summary>
/// A wake-up for a worker that waits. It carries no data: it says "look", and early, late or repeated wake-ups are harmless. Any thread may
/// signal; one worker waits.
/// </summary>
public sealed class WorkSignal : IDisposable
{
    private readonly SemaphoreSlim _pending = new(0, 1);
    private int _set;

    /// <summary>Wakes the worker, now or when it waits next.</summary>
    public void Set()
    {
        if (Interlocked.Exchange(ref _set, 1) == 0) _pending.Release();
    }

    /// <summary>Waits for a wake-up, at most this long.</summary>
    public async ValueTask WaitAsync(TimeSpan atMost, CancellationToken cancel)
    {
        if (await _pending.WaitAsync(atMost, cancel)) Volatile.Write(ref _set, 0);
    }

    public void Dispose() => _pending.Dispose();
}

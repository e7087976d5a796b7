namespace Sheaf.Ingesting;

/// <summary>Lets holders of numbered tickets through one at a time, in the order of the numbers. Any thread; nothing is allocated unless somebody has to wait.</summary>
internal sealed class Turnstile
{
    private readonly Lock _lock = new();
    private readonly List<(long Ticket, TaskCompletionSource Waiter)> _waiting = [];
    private long _next;

    /// <summary>Waits until every lower ticket has been through.</summary>
    public ValueTask EnterAsync(long ticket, CancellationToken cancel)
    {
        TaskCompletionSource waiter;
        lock (_lock)
        {
            if (ticket == _next) return ValueTask.CompletedTask;
            waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((ticket, waiter));
        }
        return new ValueTask(waiter.Task.WaitAsync(cancel));
    }

    /// <summary>Lets the next ticket through. Called by the holder of the one before.</summary>
    public void Leave()
    {
        TaskCompletionSource? woken = null;
        lock (_lock)
        {
            _next++;
            int at = _waiting.FindIndex(w => w.Ticket == _next);
            if (at >= 0)
            {
                woken = _waiting[at].Waiter;
                _waiting.RemoveAt(at);
            }
        }
        woken?.TrySetResult();
    }
}

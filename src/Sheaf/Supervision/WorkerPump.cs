using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;

namespace Sheaf.Supervision;

/// <summary>
/// Runs an asynchronous method on one thread: what it awaits comes back to this thread. So a worker is a thread, with a name, a stack and
/// processor time of its own, and a slow one takes nothing from the thread pool that the ingest side uses.
/// </summary>
internal sealed class WorkerPump : SynchronizationContext
{
    // Waited for with Monitor, which sleeps at once: a worker waits for brokers and for deadlines, and looking again before sleeping cost a tenth of its processor time.
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _work = new();
    private bool _completed; // under the lock of _work
    private ExceptionDispatchInfo? _failure;

    private WorkerPump()
    {
    }

    /// <summary>Returns when the method has completed; throws what it throws. Blocks the calling thread, which must have no other use.</summary>
    public static void Run(Func<Task> body)
    {
        var pump = new WorkerPump();
        SetSynchronizationContext(pump);
        _ = pump.CompleteAsync(body);
        while (pump.TryTake(out SendOrPostCallback? callback, out object? state)) callback(state);
        pump._failure?.Throw();
    }

    private async Task CompleteAsync(Func<Task> body)
    {
        try
        {
            await body();
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
        lock (_work)
        {
            _completed = true;
            Monitor.Pulse(_work);
        }
    }

    /// <summary>Waits for the next callback; false when the method has completed and none is left.</summary>
    private bool TryTake([NotNullWhen(true)] out SendOrPostCallback? callback, out object? state)
    {
        lock (_work)
        {
            while (_work.Count == 0 && !_completed) Monitor.Wait(_work);
            bool taken = _work.TryDequeue(out (SendOrPostCallback Callback, object? State) next);
            (callback, state) = next;
            return taken;
        }
    }

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (_work)
        {
            if (!_completed)
            {
                _work.Enqueue((d, state));
                Monitor.Pulse(_work);
                return;
            }
        }
        // The method is done and this thread with it; somebody it did not wait for still wants to go on.
        ThreadPool.QueueUserWorkItem(d.Invoke, state);
    }

    /// <inheritdoc/>
    public override SynchronizationContext CreateCopy() => this;
}

using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Sheaf.Supervision;

/// <summary>
/// Runs an asynchronous method on one thread: what it awaits comes back to this thread. So a worker is a thread, with a name, a stack and
/// processor time of its own, and a slow one takes nothing from the thread pool that the ingest side uses.
/// </summary>
internal sealed class WorkerPump : SynchronizationContext
{
    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _work = [];
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
        foreach ((SendOrPostCallback callback, object? state) in pump._work.GetConsumingEnumerable()) callback(state);
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
        _work.CompleteAdding();
    }

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state)
    {
        try
        {
            _work.Add((d, state));
        }
        catch (InvalidOperationException) when (_work.IsAddingCompleted)
        {
            // The method is done and this thread with it; somebody it did not wait for still wants to go on.
            ThreadPool.QueueUserWorkItem(d.Invoke, state);
        }
    }

    /// <inheritdoc/>
    public override SynchronizationContext CreateCopy() => this;
}

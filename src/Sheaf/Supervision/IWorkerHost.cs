namespace Sheaf.Supervision;

/// <summary>What flusher workers live in: threads of this process, or operating-system processes. Thread-safe.</summary>
internal interface IWorkerHost
{
    /// <summary>
    /// Starts a worker. Does not throw and does not wait: a worker that cannot be started is one that has exited, with the reason as error.
    /// </summary>
    IWorkerHandle Start(WorkerShards worker);
}

/// <summary>One life of a worker. Thread-safe.</summary>
internal interface IWorkerHandle
{
    /// <summary>Completes when the worker has ended, whatever the reason; never fails. Every call gives the same task.</summary>
    Task<WorkerExit> WaitForExitAsync();

    /// <summary>
    /// Ends the worker for certain: once this has completed, so has <see cref="WaitForExitAsync"/>, and the worker will never again claim,
    /// produce or remove anything. Takes a bounded time. Calling it again, or after the worker has ended by itself, is allowed.
    /// If it fails, nothing is certain and no replacement may be started.
    /// </summary>
    Task EndAsync();
}

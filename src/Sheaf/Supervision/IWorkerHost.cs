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

/// <summary>How a worker ended.</summary>
/// <param name="Code">An exit code, as of an operating-system process.</param>
/// <param name="Error">What it said last, the first line being the gist; null when it ended without complaint.</param>
internal sealed record WorkerExit(int Code, string? Error)
{
    /// <summary>Ended as told.</summary>
    public const int AsTold = 0;

    /// <summary>It could not go on; <see cref="Error"/> says why.</summary>
    public const int Failed = 1;

    /// <summary>It did not react and was cut off from everything that it shared with others.</summary>
    public const int Abandoned = 2;

    /// <summary>It could not go on, and neither could another one in its place; <see cref="Error"/> says why.</summary>
    public const int Hopeless = 3;

    /// <summary>For messages to people, on one line.</summary>
    public override string ToString() => Error is null ? $"exit code {Code}" : $"exit code {Code}, {Error.Trim().Split('\n')[0].TrimEnd()}";
}

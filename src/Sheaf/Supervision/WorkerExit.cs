namespace Sheaf.Supervision;

/// <summary>How a worker ended.</summary>
/// <param name="Code">An exit code, as of an operating-system process: 128 and the number of the signal where one has ended it.</param>
/// <param name="Error">What it said last, the first line being the gist; null when it ended without complaint.</param>
internal sealed record WorkerExit(int Code, string? Error)
{
    /// <summary>Ended as told.</summary>
    public const int AsTold = 0;

    /// <summary>It could not go on; <see cref="Error"/> says why.</summary>
    public const int Failed = 1;

    /// <summary>It did not react and was cut off from everything that it shared with others. Of a process: it was not started by a parent.</summary>
    public const int Abandoned = 2;

    /// <summary>It could not go on, and neither could another one in its place; <see cref="Error"/> says why.</summary>
    public const int Hopeless = 3;

    /// <summary>A process whose parent has gone. Nobody is left who would see it but the system's log.</summary>
    public const int ParentGone = 4;

    /// <summary>
    /// SIGTERM came to the worker itself: it finished what it had claimed and ended. Not <see cref="AsTold"/>, since the parent has not told it: unless the
    /// parent had told it to stop, there is work left and another one is started.
    /// </summary>
    public const int Terminated = 143;

    /// <summary>How a worker ends that fails like this.</summary>
    public static WorkerExit Of(Exception failure) => failure switch
    {
        SinkException { IsFinal: true } or ConfigurationException => new(Hopeless, failure.Message),
        SheafException => new(Failed, failure.Message), // thrown on purpose: the message says all of it
        _ => new(Failed, failure.ToString()),
    };

    /// <summary>For messages to people, on one line.</summary>
    public override string ToString() => Error is null ? $"exit code {Code}" : $"exit code {Code}, {Error.Trim().Split('\n')[0].TrimEnd()}";
}

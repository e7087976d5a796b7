namespace Sheaf.Commands;

/// <summary>What the process says when it ends. Frozen: scripts depend on the numbers.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Configuration = 2;
    public const int DeadLetters = 3;
    public const int NothingUsable = 4;
    public const int Interrupted = 130;
    public const int Terminated = 143;

    /// <summary>For help and docs.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> All { get; } =
    [
        (Done, "done"),
        (Failed, "the run failed, or its ledger does not add up; standard error says why"),
        (Configuration, "the configuration has faults; nothing was started"),
        (DeadLetters, "stopped by a limit on dead letters, or by --dead-letter stop"),
        (NothingUsable, "the input was read to its end, and none of its messages could be used: is it what it should be?"),
        (Interrupted, "interrupted (SIGINT, Ctrl-C)"),
        (Terminated, "terminated (SIGTERM)"),
    ];
}

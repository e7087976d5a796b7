namespace Sheaf.Flushing;

/// <summary>
/// Named places of the shipped path at which a test can let the process or the worker fail. ARCHITECTURE.md says for each what a crash there does.
/// </summary>
public enum FaultPoint
{
    /// <summary>Traces are claimed, nothing is assembled.</summary>
    AfterClaim,

    /// <summary>Messages are written, nothing is produced.</summary>
    BeforeProduce,

    /// <summary>The output has acknowledged, the buffer still has the spans.</summary>
    AfterProduceBeforeRemove,

    /// <summary>The spans are removed and counted.</summary>
    AfterRemove,
}

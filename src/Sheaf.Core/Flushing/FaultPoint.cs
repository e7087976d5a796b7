namespace Sheaf.Flushing;

/// <summary>
/// Named places of the shipped path at which a test can let the process or the worker fail. ARCHITECTURE.md says for each what a crash there does.
/// </summary>
public enum FaultPoint
{
    /// <summary>A batch is stored; the shard's clock has not moved.</summary>
    AfterAppend,

    /// <summary>The shard's clock has moved; nothing is committed to the source.</summary>
    AfterClock,

    /// <summary>Traces are claimed, nothing is assembled.</summary>
    AfterClaim,

    /// <summary>Messages are written, nothing is produced.</summary>
    BeforeProduce,

    /// <summary>The output has acknowledged what is in a transaction; it is not committed.</summary>
    BeforeCommit,

    /// <summary>The output has acknowledged, the buffer still has the spans.</summary>
    AfterProduceBeforeRemove,

    /// <summary>The spans are removed and the claim has ended; a journal does not know it yet.</summary>
    AfterRemove,

    /// <summary>A journal knows that the spans have left.</summary>
    AfterSettle,
}

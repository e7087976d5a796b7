namespace Sheaf.Flushing;

/// <summary>
/// Named places of the shipped path at which a test can let the process or the worker fail. ARCHITECTURE.md says for each what a crash there does.
/// </summary>
public enum FaultPoint
{
    /// <summary>The records of a batch are stored in a buffer outside of this process, their traces are not armed.</summary>
    AfterRecords,

    /// <summary>A batch is stored and its traces are armed; the shard's clock has not moved.</summary>
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

    /// <summary>The spans are removed from a buffer outside of this process, the claim of their traces has not ended.</summary>
    AfterRecordsRemoved,

    /// <summary>The spans are removed and the claim has ended.</summary>
    AfterRemove,
}

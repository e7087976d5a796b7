using Sheaf.Segments;
using Sheaf.Telemetry;

namespace Sheaf.Commands;

/// <summary>How a run ended.</summary>
internal enum RunOutcome
{
    /// <summary>The input was read to its end and everything was flushed.</summary>
    Done,

    /// <summary>A signal stopped it cleanly.</summary>
    Interrupted,

    /// <summary>Something could not be mended.</summary>
    Failed,

    /// <summary>A limit on dead letters was reached.</summary>
    DeadLetterLimit,

    /// <summary>The input was read to its end, it had messages, and every one of them was a dead letter.</summary>
    NothingUsable,
}

/// <summary>What a run did, told at its end. Immutable.</summary>
internal sealed record RunReport
{
    public required RunOutcome Outcome { get; init; }

    /// <summary>Why it did not end as <see cref="RunOutcome.Done"/>; one sentence, or null.</summary>
    public string? Reason { get; init; }

    public required Ledger Ledger { get; init; }

    /// <summary>Segments produced, by why they closed; reasons without any may be left out.</summary>
    public required IReadOnlyDictionary<FlushReason, long> Segments { get; init; }
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The part of <see cref="Elapsed"/> after everything had started, for rates.</summary>
    public TimeSpan Active { get; init; }
    public required long BytesIn { get; init; }
    public required long BytesOut { get; init; }

    /// <summary>Where the dead letters are; null when there are none, or no file.</summary>
    public string? DeadLetterFile { get; init; }
}

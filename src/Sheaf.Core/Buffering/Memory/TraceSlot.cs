using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>A buffered trace: its spans, and whether it waits for its deadline or is claimed. <see cref="Link"/> is the next trace of its bucket.</summary>
internal struct TraceSlot : ISlot
{
    /// <summary>The value of <see cref="ClaimId"/> of a trace that is not claimed, and therefore armed.</summary>
    public const uint Unclaimed = 0;

    public TraceKey Key;

    /// <summary>The deadline for which it is armed; of a claimed trace, the one for which it was when it was claimed.</summary>
    public long DeadlineMs;

    /// <summary>Of a claimed trace: the earliest deadline among the spans that have arrived since.</summary>
    public long ArrivedDeadlineMs;

    /// <summary>Sum of its payloads' lengths.</summary>
    public long PayloadBytes;

    /// <summary>When <see cref="PayloadBytes"/> grows past this, the trace is armed to be looked at now (see <see cref="MemoryShard"/>).</summary>
    public long LookAtBytes;

    /// <summary>Slots of its oldest and newest span.</summary>
    public int FirstSpan;
    public int LastSpan;
    public int SpanCount;

    /// <summary>Number of the claim that holds it, or <see cref="Unclaimed"/>.</summary>
    public uint ClaimId;

    public int Link { get; set; }

    public readonly bool IsClaimed => ClaimId != Unclaimed;
}

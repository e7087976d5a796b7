using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf.Commands;

/// <summary>A run at one moment, for people who watch it. Immutable; its numbers are read one after the other, so they may be a few spans apart.</summary>
internal sealed record RunSnapshot
{
    public LedgerCounts Counts { get; init; }

    /// <summary>Payload bytes of the buffered spans.</summary>
    public long BufferedBytes { get; init; }

    /// <summary>Segments produced.</summary>
    public long Segments { get; init; }

    /// <summary>The same by <see cref="FlushReason"/>.</summary>
    public long[] SegmentsByReason { get; init; } = new long[Enum.GetValues<FlushReason>().Length];

    /// <summary>Dead letters by <see cref="SpanFaultKind"/>.</summary>
    public long[] DeadLettersByKind { get; init; } = new long[Enum.GetValues<SpanFaultKind>().Length];

    /// <summary>Bytes read; of a compressed input, what came out of it.</summary>
    public long BytesIn { get; init; }

    public long BytesOut { get; init; }

    /// <summary>From the oldest deadline that is due and not flushed to the newest stream time, for the shard that is furthest behind; zero when none is.</summary>
    public TimeSpan Lag { get; init; }

    /// <summary>Messages of a topic, in the shards that are here, that were not read yet; null for a file.</summary>
    public long? Unread { get; init; }

    /// <summary>Shards that are this process's now.</summary>
    public int ShardsHere { get; init; }

    /// <summary>Why the input pauses.</summary>
    public PauseReasons Pauses { get; init; }
}

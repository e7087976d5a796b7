using Sheaf.Journals;

namespace Sheaf.Redis;

/// <summary>What the Redis journal needs to know. Immutable.</summary>
public sealed record RedisJournalOptions(RedisAddress Address, JournalOrigin Origin)
{
    /// <summary>A <see cref="CompressionLevel"/>.</summary>
    public const int NotCompressed = -1;

    /// <summary><c>kafka-slice-id</c>: a name space of its own; null for the common one.</summary>
    public int? SliceId { get; init; }

    /// <summary><c>redis-ttl</c>: how long keys live that nobody touches. At least a second.</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromHours(1);

    /// <summary><c>compression-level</c>: the zstd level of entries, 0 being zstd's own default; -1 = not compressed.</summary>
    public int CompressionLevel { get; init; } = 1;

    /// <summary><c>max-memory-percentage</c>: share of Redis' memory at which the journal is full. 1: never; a full server says so itself.</summary>
    public double MaxMemoryShare { get; init; } = 1;

    /// <summary>How old the figures of the memory may be.</summary>
    public TimeSpan LoadInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a server may take to answer a step.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(5);
}

using Sheaf.Redis.Resp;
using Sheaf.Segments;

namespace Sheaf.Redis;

/// <summary>What the Redis engine needs to know. Immutable.</summary>
public sealed record RedisBufferOptions(RedisAddress Address, SegmentRules Rules, int Shards)
{
    /// <summary><c>kafka-slice-id</c>: a name space of its own; null for the common one.</summary>
    public int? SliceId { get; init; }

    /// <summary><c>redis-ttl</c>: how long keys live that nobody touches. At least a second.</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromHours(1);

    /// <summary><c>compression-level</c>: the zstd level of payloads, 0 being zstd's own default; <see cref="NotCompressed"/> for none.</summary>
    public int CompressionLevel { get; init; } = NotCompressed;

    /// <summary><c>max-memory-percentage</c>: share of Redis' memory at which the buffer is full. 1: never; a full server says so itself.</summary>
    public double MaxMemoryShare { get; init; } = 1;

    /// <summary>How old the figures of the memory may be.</summary>
    public TimeSpan LoadInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>What is read, for <see cref="StoredMark"/>: whoever finds the marks of another input is told.</summary>
    public string Source { get; init; } = "";

    public RedisClientOptions Client { get; init; } = new();

    /// <summary>No compression.</summary>
    public const int NotCompressed = -1;
}

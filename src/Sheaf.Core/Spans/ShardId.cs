using System.Globalization;

namespace Sheaf.Spans;

/// <summary>The unit of order and parallelism. One input partition is one shard; a file's spans are dealt by trace id.</summary>
/// <param name="Value">0 or greater.</param>
public readonly record struct ShardId(int Value)
{
    /// <summary>The shard of a trace where the input has no partitions. Stable over runs, machines and versions.</summary>
    /// <param name="shards">Number of shards, at least 1.</param>
    public static ShardId Of(TraceId trace, int shards)
    {
        ulong mixed = (trace.High ^ (trace.Low * 0x9E3779B97F4A7C15)) * 0xD6E8FEB86659FD93;
        mixed ^= mixed >> 32;
        return new ShardId((int)(((UInt128)mixed * (ulong)shards) >> 64));
    }

    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}

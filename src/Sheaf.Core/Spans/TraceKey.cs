namespace Sheaf.Spans;

/// <summary>A trace within a project: what is buffered, claimed and assembled together.</summary>
/// <param name="ProjectId">0 or greater.</param>
public readonly record struct TraceKey(long ProjectId, TraceId TraceId)
{
    // Trace ids come from outside, so the mix has a secret that differs per process: a table keyed by traces
    // cannot be flooded with chosen collisions. Where a hash must be stable, use ShardId.Of.
    private static readonly ulong Secret = (ulong)Random.Shared.NextInt64() | 1;

    public override int GetHashCode()
    {
        ulong mixed = Math.BigMul(TraceId.Low ^ Secret, TraceId.High ^ ((ulong)ProjectId * 0x9E3779B97F4A7C15) ^ 0xA0761D6478BD642F, out ulong low);
        mixed ^= low;
        return (int)(mixed ^ (mixed >> 32));
    }

    public override string ToString() => $"{ProjectId}:{TraceId}";
}

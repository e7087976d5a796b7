using System.Collections.Immutable;
using Sheaf.Spans;

namespace Sheaf.Supervision;

/// <summary>Which flusher worker flushes which shards. Immutable; a changed assignment of shards is a new plan.</summary>
internal sealed class ShardPlan
{
    private ShardPlan(ImmutableArray<WorkerShards> workers) => Workers = workers;

    /// <summary>The workers by number, from 0.</summary>
    public ImmutableArray<WorkerShards> Workers { get; }

    /// <summary>Deals the shards 0 … <paramref name="shards"/> - 1 round-robin onto as many workers as allowed, each with at least one shard.</summary>
    /// <param name="shards">At least 1.</param>
    /// <param name="flusherProcesses">Most workers to use, at least 1.</param>
    public static ShardPlan Deal(int shards, int flusherProcesses)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shards, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(flusherProcesses, 1);
        int workers = Math.Min(flusherProcesses, shards);
        var dealt = ImmutableArray.CreateBuilder<WorkerShards>(workers);
        for (int worker = 0; worker < workers; worker++)
        {
            var own = ImmutableArray.CreateBuilder<ShardId>();
            for (int shard = worker; shard < shards; shard += workers) own.Add(new ShardId(shard));
            dealt.Add(new WorkerShards(worker, own.ToImmutable()));
        }
        return new ShardPlan(dealt.MoveToImmutable());
    }
}

/// <summary>One worker's part of the plan.</summary>
/// <param name="Worker">Its number, from 0; also that of its cells in the control block.</param>
/// <param name="Shards">Ascending, at least one.</param>
internal sealed record WorkerShards(int Worker, ImmutableArray<ShardId> Shards)
{
    /// <summary>Its shards for people, and as the value of the metric tag <c>shard</c>: <c>0,2,4</c>.</summary>
    public string Tag { get; } = string.Join(',', Shards);

    /// <summary>What messages to people call it.</summary>
    public override string ToString() => $"Flusher worker {Worker} (shard {Tag})";
}

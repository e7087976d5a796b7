using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Buffering;

namespace Sheaf.Tests.Buffering.Memory;

/// <summary>What a shard needs that comes to a process and goes again.</summary>
public sealed class DroppedShardTests
{
    private static readonly ShardId[] Shard = [new(0)];

    private readonly MemoryBuffer _buffer = new(new SegmentRules(), shardCount: 2, maxBytes: 1 << 30);
    private readonly SpanInput _input = new();

    [Fact]
    public async Task A_dropped_shard_is_empty_gives_its_memory_back_and_refuses_its_claimer()
    {
        MemorySpanBuffer client = _buffer.OpenClient();
        await client.AppendAsync(_input.Batch(0, new SpanDraft(1, 1000), new SpanDraft(2, 1000)), default);
        await client.AppendAsync(_input.Batch(1, new SpanDraft(1, 1000)), default);
        await client.TakeOverAsync(Shard, default);
        _buffer.Drop(Shard[0]);
        Assert.Equal(new BufferDepth(0, 0, 0, SegmentRules.Never), _buffer.Measure(Shard[0]));
        Assert.Equal(1, _buffer.Measure(new ShardId(1)).Spans);
        var claim = new ClaimBatch();
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await client.ClaimAsync(Shard[0], long.MaxValue, 10, claim, default));

        await client.AppendAsync(_input.Batch(0, new SpanDraft(2, 1000)), default);
        await client.TakeOverAsync(Shard, default);
        await client.ClaimAsync(Shard[0], long.MaxValue, 10, claim, default);
        Assert.Equal(1, claim.SpanCount);
    }
}

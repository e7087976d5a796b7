using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Buffering;

namespace Sheaf.Tests.Buffering.Memory;

public sealed class FencedClientTests
{
    private static readonly ShardId[] Shard = [new(0)];

    private readonly MemoryBuffer _buffer = new(new SegmentRules(), shardCount: 1, maxBytes: 1 << 30);

    [Fact]
    public async Task A_fenced_client_neither_takes_over_nor_claims_nor_reads_nor_removes()
    {
        MemorySpanBuffer client = _buffer.OpenClient();
        await client.AppendAsync(new SpanInput().Batch(0, new SpanDraft(1, 1000)), default);
        await client.TakeOverAsync(Shard, default);
        var claim = new ClaimBatch();
        await client.ClaimAsync(Shard[0], long.MaxValue, 10, claim, default);
        claim.Removed.Fill(true);

        client.Fence(); // nobody has taken the shard over: only the fence is in the way

        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await client.RemoveAsync(claim, .., default));
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await client.ReadPayloadsAsync(claim, new[] { 0 }, default));
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await client.ClaimAsync(Shard[0], long.MaxValue, 10, new ClaimBatch(), default));
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await client.TakeOverAsync(Shard, default));
        Assert.Equal(1, _buffer.Measure(Shard[0]).Spans);
    }

    [Fact]
    public async Task What_a_fenced_client_had_claimed_is_due_for_its_successor()
    {
        MemorySpanBuffer fenced = _buffer.OpenClient();
        await fenced.AppendAsync(new SpanInput().Batch(0, new SpanDraft(1, 1000)), default);
        await fenced.TakeOverAsync(Shard, default);
        var claim = new ClaimBatch();
        await fenced.ClaimAsync(Shard[0], long.MaxValue, 10, claim, default);
        fenced.Fence();

        MemorySpanBuffer successor = _buffer.OpenClient();
        await successor.TakeOverAsync(Shard, default);
        await successor.ClaimAsync(Shard[0], long.MaxValue, 10, claim, default);

        Assert.Equal(1, claim.SpanCount);
    }
}

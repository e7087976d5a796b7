using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Buffering;
using Xunit;
using Xunit.Sdk;

namespace Sheaf.Tests.Buffering;

/// <summary>
/// The model check is shown buffers that are wrong: it has to notice each of them. A buffer that is merely late is none of them: by rule 4 of
/// ARCHITECTURE.md the segments are the same then, and the contract suite looks after deadlines.
/// </summary>
public sealed class BufferModelTests
{
    public enum Fault
    {
        None,
        AppendLosesABatch,
        RemovalTakesSpansThatStay,
        RemovalForgetsATrace,
        LapsedClaimerIsNotRefused,
    }

    [Theory]
    [InlineData(Fault.AppendLosesABatch)]
    [InlineData(Fault.RemovalTakesSpansThatStay)]
    [InlineData(Fault.RemovalForgetsATrace)]
    [InlineData(Fault.LapsedClaimerIsNotRefused)]
    public async Task A_buffer_with_a_fault_does_not_pass(Fault fault) =>
        await Assert.ThrowsAnyAsync<XunitException>(() => RunAsync(fault));

    [Fact]
    public Task A_buffer_without_a_fault_passes() => RunAsync(Fault.None);

    private static async Task RunAsync(Fault fault)
    {
        var rules = new SegmentRules();
        for (int seed = 1; seed <= 20; seed++)
        {
            var buffer = new MemoryBuffer(rules, shardCount: 1, maxBytes: 1 << 30);
            var model = new BufferModel(seed, () => new(new FaultyBuffer(buffer.OpenClient(), fault)), shard: 0, rules);
            await model.RunAsync(steps: 200);
        }
    }

    private sealed class FaultyBuffer(ISpanBuffer inner, Fault fault) : ISpanBuffer
    {
        private int _calls;

        public ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel) =>
            fault == Fault.AppendLosesABatch && ++_calls % 20 == 0 ? ValueTask.CompletedTask : inner.AppendAsync(batch, cancel);

        public async ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel)
        {
            switch (fault)
            {
                case Fault.RemovalTakesSpansThatStay:
                    batch.Removed.Fill(true);
                    break;
                case Fault.RemovalForgetsATrace when ++_calls % 10 == 0:
                    batch.Removed.Clear();
                    foreach (ref ClaimedTrace trace in batch.Traces) trace.NextDeadlineMs = 0;
                    break;
                default:
                    break;
            }
            try
            {
                await inner.RemoveAsync(batch, traces, cancel);
            }
            catch (ClaimLapsedException) when (fault == Fault.LapsedClaimerIsNotRefused)
            {
            }
        }

        public ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel) => inner.TakeOverAsync(shards, cancel);

        public ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel) =>
            inner.ClaimAsync(shard, beforeMs, maxTraces, into, cancel);

        public ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel) => inner.ReadPayloadsAsync(batch, spans, cancel);

        public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span) => inner.Payload(batch, span);

        public ValueTask<bool> SettleAsync(bool now, CancellationToken cancel) => inner.SettleAsync(now, cancel);

        public ValueTask LetGoAsync(ShardId shard, bool settles, CancellationToken cancel) => inner.LetGoAsync(shard, settles, cancel);

        public ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) => inner.MeasureAsync(shard, cancel);

        public ValueTask<double> LoadAsync(CancellationToken cancel) => inner.LoadAsync(cancel);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

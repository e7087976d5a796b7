using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Segments;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Buffering.Memory;

/// <summary>The engine's own account of its memory, compared with the payloads that it holds.</summary>
public sealed class MemoryUseTests
{
    private const int LiveSpans = 100_000;
    private readonly MemoryBuffer _buffer = new(new SegmentRules(), shardCount: 1, maxBytes: 1L << 40);
    private readonly Random _random = new(7);
    private readonly byte[] _block = new byte[4 << 20];
    private readonly SpanBatch _batch = new(new ShardId(0));
    private readonly ClaimBatch _claim = new();
    private long _offset;

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public async Task Memory_stays_below_1_3_times_the_payloads_while_spans_come_and_go(int spansPerTrace)
    {
        ISpanBuffer client = await OpenAsync();
        while ((await client.MeasureAsync(new ShardId(0), default)).Spans < LiveSpans) await AppendAsync(client, spansPerTrace);
        for (long turnedOver = 0; turnedOver < LiveSpans; turnedOver += _claim.SpanCount)
        {
            await FlushAsync(client, traces: 1000 / spansPerTrace);
            await AppendAsync(client, spansPerTrace);
        }

        BufferDepth depth = await client.MeasureAsync(new ShardId(0), default);
        double ratio = (double)_buffer.AllocatedBytes / depth.PayloadBytes;
        Assert.True(ratio <= 1.3, $"{_buffer.AllocatedBytes} bytes allocated for {depth}: {ratio:F3}");
        Assert.InRange(_buffer.UsedBytes, depth.PayloadBytes, _buffer.AllocatedBytes);
    }

    [Fact]
    public async Task Nothing_is_allocated_per_span_once_the_engine_is_warm()
    {
        ISpanBuffer client = await OpenAsync();
        for (int i = 0; i < 200; i++) await TurnAsync();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 200; i++) await TurnAsync();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200 * 1000 / 10); // of 200,000 spans

        async ValueTask TurnAsync()
        {
            await AppendAsync(client, spansPerTrace: 10); // both complete at once
            await FlushAsync(client, traces: 100);
        }
    }

    private async ValueTask<ISpanBuffer> OpenAsync()
    {
        MemorySpanBuffer client = _buffer.OpenClient();
        await client.TakeOverAsync(new[] { new ShardId(0) }, default);
        return client;
    }

    // 1000 spans of 1.1 KB on average; half of the traces are claimed much later than the others.
    private ValueTask AppendAsync(ISpanBuffer client, int spansPerTrace)
    {
        _batch.Reset(_block);
        TraceKey key = default;
        for (int i = 0; i < 1000; i++)
        {
            if (i % spansPerTrace == 0) key = new TraceKey(1, new TraceId((ulong)_random.NextInt64(), (ulong)_random.NextInt64()));
            int size = _random.Next(600, 1600);
            ref TraceSpan span = ref _batch.Add();
            span = default;
            span.Trace = key;
            span.IsSegmentRoot = (key.TraceId.Low & 1) == 0;
            span.SourceOffset = ++_offset;
            span.StreamTimeMs = _offset;
            span.PayloadStart = _random.Next(1 << 20);
            span.PayloadLength = size;
        }
        return client.AppendAsync(_batch, default);
    }

    private ValueTask FlushAsync(ISpanBuffer client, int traces)
    {
        ValueTask claimed = client.ClaimAsync(new ShardId(0), long.MaxValue, traces, _claim, default);
        Assert.True(claimed.IsCompletedSuccessfully);
        _claim.Removed.Fill(true);
        return client.RemoveAsync(_claim, .., default);
    }
}

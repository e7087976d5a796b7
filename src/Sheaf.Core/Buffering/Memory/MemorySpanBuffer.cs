using Sheaf.Spans;

namespace Sheaf.Buffering.Memory;

/// <summary>A client of a <see cref="MemoryBuffer"/>. All operations complete at once. Owner: one ingest pipeline or one flusher worker.</summary>
public sealed class MemorySpanBuffer : ISpanBuffer
{
    private const long NotHeld = -1;
    private const int PrefetchDistance = 6; // segments are written about in the order of the claim

    private readonly MemoryBuffer _buffer;
    private readonly long[] _epochs; // by shard: the takeover that made it ours
    private volatile bool _fenced;

    internal MemorySpanBuffer(MemoryBuffer buffer)
    {
        _buffer = buffer;
        _epochs = NoneHeld(_buffer.ShardCount);
    }

    /// <summary>
    /// Takes from this client the right to take over, claim and remove. Any thread; does not wait. What it had claimed is due again when another
    /// client takes the shards over.
    /// </summary>
    public void Fence() => _fenced = true;

    public ValueTask AppendAsync(SpanBatch batch, CancellationToken cancel)
    {
        _buffer.Shard(batch.Shard).Append(batch);
        return ValueTask.CompletedTask;
    }

    public ValueTask TakeOverAsync(ReadOnlyMemory<ShardId> shards, CancellationToken cancel)
    {
        ThrowIfFenced();
        foreach (ShardId shard in shards.Span) _epochs[shard.Value] = _buffer.Shard(shard).TakeOver();
        return ValueTask.CompletedTask;
    }

    public ValueTask ClaimAsync(ShardId shard, long beforeMs, int maxTraces, ClaimBatch into, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTraces, 1);
        ThrowIfFenced();
        _buffer.Shard(shard).Claim(_epochs[shard.Value], beforeMs, maxTraces, into);
        return ValueTask.CompletedTask;
    }

    public ValueTask ReadPayloadsAsync(ClaimBatch batch, ReadOnlyMemory<int> spans, CancellationToken cancel)
    {
        ThrowIfFenced();
        _buffer.Shard(batch.Shard).ThrowIfLapsed(_epochs[batch.Shard.Value]); // the payloads are in reach already
        return ValueTask.CompletedTask;
    }

    public ReadOnlySpan<byte> Payload(ClaimBatch batch, int span)
    {
        MemoryShard shard = _buffer.Shard(batch.Shard);
        if (span + PrefetchDistance < batch.SpanCount) shard.PrefetchPayload(batch.Spans[span + PrefetchDistance]);
        return shard.Payload(batch.Spans[span]);
    }

    public ValueTask RemoveAsync(ClaimBatch batch, Range traces, CancellationToken cancel)
    {
        ThrowIfFenced();
        _buffer.Shard(batch.Shard).Remove(_epochs[batch.Shard.Value], batch, traces);
        return ValueTask.CompletedTask;
    }

    /// <summary>Nothing to do: what is removed is gone.</summary>
    public ValueTask<bool> SettleAsync(bool now, CancellationToken cancel) => new(true);

    /// <summary>Nothing to do: the shard is dropped by the buffer's owner (<see cref="MemoryBuffer.Drop"/>).</summary>
    public ValueTask LetGoAsync(ShardId shard, bool settles, CancellationToken cancel) => ValueTask.CompletedTask;

    public ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) => new(_buffer.Measure(shard));

    public ValueTask<double> LoadAsync(CancellationToken cancel) => new(_buffer.Load);

    /// <summary>Nothing to give back: claims that are left are taken over by the next client.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void ThrowIfFenced()
    {
        if (_fenced) throw new ClaimLapsedException("This client of the buffer was fenced: its worker was replaced.");
    }

    private static long[] NoneHeld(int shards)
    {
        long[] epochs = new long[shards];
        Array.Fill(epochs, NotHeld);
        return epochs;
    }
}

using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Configuration;
using Sheaf.Flushing;
using Sheaf.Spans;
using Sheaf.Supervision;

namespace Sheaf;

/// <summary>A client of the buffer for a worker that is a thread.</summary>
/// <param name="Fence">Takes from it the right to do anything more. Any thread; does not wait.</param>
internal readonly record struct WorkerClient(ISpanClaimer Buffer, Action Fence);

/// <summary>The buffer of one run, whichever engine it is: a client for each who needs one, and what is in it. Owner: the run; the looks at it are for any thread.</summary>
/// <param name="control">Of the run.</param>
internal abstract class RunBuffer(ControlBlock control) : IAsyncDisposable
{
    /// <summary>The ingest pipeline's client.</summary>
    public abstract ISpanAppender IngestClient { get; }

    /// <summary>By shard: how far an earlier run has stored the input. Empty: there was none.</summary>
    public virtual IReadOnlyList<StoredPosition> Stored => [];

    /// <summary>What a worker process needs to open a client of its own; null where it cannot.</summary>
    public virtual BufferAddress? Address => null;

    /// <summary>Ends "what is still buffered was not produced: ".</summary>
    public abstract string HowToGoOn { get; }

    /// <summary>What and where it is, without secrets.</summary>
    public abstract string Description { get; }

    /// <summary>Why it does not answer; null while it does.</summary>
    public virtual string? WhyAway => null;

    /// <summary>Share of the memory that the buffer may use, as it was last looked at.</summary>
    public abstract double Load { get; }

    /// <summary>Shards from 0 on.</summary>
    public abstract int ShardCount { get; }

    /// <summary>Whether what is buffered is there for the next process.</summary>
    public abstract bool OutlivesTheProcess { get; }

    /// <summary>Spans that were in the buffer when the run began, or when the shard came to it.</summary>
    public virtual long CarriedOver(ShardId shard) => 0;

    /// <summary>Spans that were in the buffer when the shard went elsewhere.</summary>
    public virtual long HandedOver(ShardId shard) => 0;

    /// <summary>Spans of a shard that should be in the buffer, by what is counted.</summary>
    public long Expected(ShardId shard)
    {
        ShardCells cells = control.Shard(shard);
        return Math.Max(0, CarriedOver(shard) + cells.StoredSpans - cells.ProducedSpans - cells.DuplicateSpans - HandedOver(shard));
    }

    /// <summary>A worker that was ended may have left in the buffer what it had counted as produced. That does not count twice.</summary>
    public long WithoutProduced(ShardId shard, long measured) =>
        Math.Clamp(Expected(shard), Math.Max(0, measured - control.Shard(shard).UnremovedSpans), measured);

    /// <param name="worker">Its number.</param>
    public abstract WorkerClient OpenWorkerClient(int worker);

    /// <inheritdoc cref="Ingesting.IShardOwner.TakeAsync"/>
    public abstract ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel);

    /// <summary>The shard's input is read from behind here on, but for these offsets: what came with them has left already. Before anything of it is appended.</summary>
    /// <exception cref="BufferUnavailableException">Try again.</exception>
    public abstract ValueTask BeginAsync(ShardId shard, StoredPosition stored, SettledOffsets settled, CancellationToken cancel);

    /// <inheritdoc cref="Ingesting.IShardOwner.ReadOnFrom"/>
    public abstract long ReadOnFrom(ShardId shard);

    /// <summary>The shard goes elsewhere, and nobody here touches it any more.</summary>
    public abstract void HandOver(ShardId shard);

    /// <summary>What is buffered for a shard, at no great cost: for metrics and progress.</summary>
    public abstract BufferDepth Depth(ShardId shard);

    /// <summary>What is buffered for a shard, exactly: for the end of the run.</summary>
    public abstract ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel);

    /// <summary>The input has ended and everything has left.</summary>
    public virtual ValueTask CompleteAsync(CancellationToken cancel) => default;

    public abstract ValueTask DisposeAsync();
}

/// <summary>Spans wait in the memory of this process.</summary>
internal sealed class MemoryRunBuffer : RunBuffer
{
    private readonly MemoryBuffer _buffer;
    private readonly MemorySpanBuffer _ingest;
    private readonly ControlBlock _control;
    private readonly long[] _handedOver;
    private readonly ProgressSnapshot _progress = new();
    private readonly long _maxBytes;

    public MemoryRunBuffer(ProcessSpansPlan plan, ControlBlock control)
        : base(control)
    {
        _control = control;
        _maxBytes = plan.MaxBufferBytes;
        _handedOver = new long[control.ShardCount];
        _buffer = new MemoryBuffer(plan.Rules, plan.Shards, plan.MaxBufferBytes, keepsProgress: plan.KafkaInput is not null);
        _ingest = _buffer.OpenClient();
    }

    public override ISpanAppender IngestClient => _ingest;

    public MemoryBuffer Engine => _buffer;

    public override int ShardCount => _control.ShardCount;

    public override bool OutlivesTheProcess => false;

    public override string HowToGoOn => "run again from the beginning of the input";

    public override string Description => $"memory, {Commands.ByteText.Of(_maxBytes)} at most";

    public override double Load => _buffer.Load;

    public override WorkerClient OpenWorkerClient(int worker)
    {
        MemorySpanBuffer client = _buffer.OpenClient();
        return new WorkerClient(client, client.Fence);
    }

    public override BufferDepth Depth(ShardId shard) => _buffer.Measure(shard);

    public override long HandedOver(ShardId shard) => Volatile.Read(ref _handedOver[shard.Value]);

    /// <summary>Only the group's committed offset tells where an earlier owner was.</summary>
    public override ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel) => default;

    public override ValueTask BeginAsync(ShardId shard, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        _buffer.Begin(shard, stored, settled);
        return default;
    }

    /// <summary>Whatever waits here is read again: the oldest of it is where to begin.</summary>
    public override long ReadOnFrom(ShardId shard)
    {
        _buffer.TakeProgress(shard, _progress);
        _buffer.AcknowledgeProgress(_progress); // nobody keeps the rest of it
        return _progress.ReadOnFrom;
    }

    public override void HandOver(ShardId shard)
    {
        _handedOver[shard.Value] += WithoutProduced(shard, _buffer.Measure(shard).Spans);
        _buffer.Drop(shard);
    }

    public override ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) => new(_buffer.Measure(shard));

    public override ValueTask DisposeAsync() => _ingest.DisposeAsync();
}

using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Flushing;

/// <summary>What the parent wants of a worker.</summary>
public enum WorkerCommand : long
{
    /// <summary>Flush what is due.</summary>
    Run,

    /// <summary>The input has ended: flush everything, then end.</summary>
    Drain,

    /// <summary>Finish what is claimed, then end.</summary>
    Stop,
}

/// <summary>What a worker is doing, for whoever asks why its heartbeat stopped.</summary>
public enum WorkerPhase : long
{
    Starting,
    Waiting,
    Claiming,
    Assembling,
    Producing,
    Removing,
    Ended,
}

/// <summary>
/// The few numbers that the parent and its flusher workers share. Every cell has one writer, named beside it; reads and writes are
/// volatile, 64 bits, and carry no data but themselves. It outlives the workers: counters go on where a dead one left them.
/// </summary>
public sealed class ControlBlock
{
    private const int CellsPerLine = 16; // two cache lines: neighbours are prefetched in pairs

    private readonly long[] _cells;

    public ControlBlock(int workers, int shards)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(shards, 1);
        WorkerCount = workers;
        ShardCount = shards;
        _cells = new long[(workers + shards) * CellsPerLine];
        for (int s = 0; s < shards; s++)
        {
            Shard(new ShardId(s)).ClockMs = long.MinValue;
            Shard(new ShardId(s)).FlushedThroughMs = long.MinValue;
        }
    }

    public int WorkerCount { get; }

    public int ShardCount { get; }

    public WorkerCells Worker(int worker) => new(_cells, worker * CellsPerLine);

    public ShardCells Shard(ShardId shard) => new(_cells, (WorkerCount + shard.Value) * CellsPerLine);
}

/// <summary>The cells of one worker. Times are <see cref="TimeProvider.GetTimestamp"/>; 0 = not.</summary>
public readonly struct WorkerCells
{
    private readonly long[] _cells;
    private readonly int _at;

    internal WorkerCells(long[] cells, int at) => (_cells, _at) = (cells, at);

    /// <summary>Writer: the parent.</summary>
    public WorkerCommand Command
    {
        get => (WorkerCommand)Volatile.Read(ref _cells[_at]);
        set => Volatile.Write(ref _cells[_at], (long)value);
    }

    /// <summary>Last sign of life. Writer: the worker; the parent resets it before a start.</summary>
    public long Heartbeat
    {
        get => Volatile.Read(ref _cells[_at + 1]);
        set => Volatile.Write(ref _cells[_at + 1], value);
    }

    /// <summary>Writer: the worker.</summary>
    public WorkerPhase Phase
    {
        get => (WorkerPhase)Volatile.Read(ref _cells[_at + 2]);
        set => Volatile.Write(ref _cells[_at + 2], (long)value);
    }

    /// <summary>When this worker became ready. Writer: the worker; the parent resets it before a start.</summary>
    public long HealthySince
    {
        get => Volatile.Read(ref _cells[_at + 3]);
        set => Volatile.Write(ref _cells[_at + 3], value);
    }

    /// <summary>Since when it has been behind: due segments were left over after every full flush batch, or the output made it wait. Writer: the worker.</summary>
    public long BackpressureSince
    {
        get => Volatile.Read(ref _cells[_at + 4]);
        set => Volatile.Write(ref _cells[_at + 4], value);
    }
}

/// <summary>The cells of one shard.</summary>
public readonly struct ShardCells
{
    private const int FirstReason = 6;
    private const int FlushOldestCell = 12;

    private readonly long[] _cells;
    private readonly int _at;

    internal ShardCells(long[] cells, int at) => (_cells, _at) = (cells, at);

    /// <summary>
    /// The shard's stream time in ms; <see cref="long.MinValue"/> before the first span. Moves only after everything up to it is stored.
    /// Writer: the ingest pipeline.
    /// </summary>
    public long ClockMs
    {
        get => Volatile.Read(ref _cells[_at]);
        set => Volatile.Write(ref _cells[_at], value);
    }

    /// <summary>All that was due at this stream time is flushed. Writer: the worker.</summary>
    public long FlushedThroughMs
    {
        get => Volatile.Read(ref _cells[_at + 1]);
        set => Volatile.Write(ref _cells[_at + 1], value);
    }

    /// <summary>Spans produced and removed. Writer: the worker.</summary>
    public long ProducedSpans
    {
        get => Volatile.Read(ref _cells[_at + 2]);
        set => Volatile.Write(ref _cells[_at + 2], value);
    }

    /// <summary>Bytes of messages produced. Writer: the worker.</summary>
    public long ProducedBytes
    {
        get => Volatile.Read(ref _cells[_at + 3]);
        set => Volatile.Write(ref _cells[_at + 3], value);
    }

    /// <summary>Copies of spans removed (rule 7). Writer: the worker.</summary>
    public long DuplicateSpans
    {
        get => Volatile.Read(ref _cells[_at + 4]);
        set => Volatile.Write(ref _cells[_at + 4], value);
    }

    /// <summary>Segments that left as several messages. Writer: the worker.</summary>
    public long OversizedSegments
    {
        get => Volatile.Read(ref _cells[_at + 5]);
        set => Volatile.Write(ref _cells[_at + 5], value);
    }

    /// <summary>Also flush the oldest segments early: the buffer is full. Writer: the ingest pipeline.</summary>
    public bool FlushOldest
    {
        get => Volatile.Read(ref _cells[_at + FlushOldestCell]) != 0;
        set => Volatile.Write(ref _cells[_at + FlushOldestCell], value ? 1 : 0);
    }

    /// <summary>Segments produced, by the reason they closed. Writer: the worker.</summary>
    public long Segments(FlushReason reason) => Volatile.Read(ref _cells[_at + FirstReason + (int)reason]);

    /// <summary>Counts produced segments. Writer: the worker.</summary>
    public void AddSegments(FlushReason reason, long count)
    {
        ref long cell = ref _cells[_at + FirstReason + (int)reason];
        Volatile.Write(ref cell, cell + count);
    }
}

using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;
using Sheaf.Buffering;
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

    /// <summary>The buffer cannot be reached, or has lost what it held; it is tried again and again.</summary>
    Recovering,
    Claiming,
    Assembling,
    Producing,
    Removing,
    Ended,
}

/// <summary>
/// The few numbers that the parent and its flusher workers share. Every cell has one writer, named beside it; reads and writes are
/// volatile, 64 bits, and carry no data but themselves. It outlives the workers: counters go on where a dead one left them. Where workers are
/// processes, it lies in memory that they share (<see cref="CreateShared"/>).
/// </summary>
/// <remarks>
/// The layout is frozen by a test, since two processes read it: a head of 16 cells, 16 for each worker, 48 for each shard, then for each worker its
/// <see cref="Accounted"/>.
/// </remarks>
public sealed unsafe class ControlBlock : IDisposable
{
    private const long Magic = 0x53_48_45_41_46_00_00_04; // "SHEAF", and the version of the layout
    private const int HeadCells = 16;
    private const int CellsPerWorker = 16; // two cache lines: neighbours are prefetched in pairs
    private const int CellsPerShard = 48; // the worker's, the ingest side's, and what the worker shows of its buffer

    private readonly long* _cells;
    private readonly object _memory; // keeps the cells where they are, for as long as anybody can reach this block
    private readonly FileStream? _file;
    private readonly bool _ownsFile;

    /// <summary>A block in the memory of this process.</summary>
    public ControlBlock(int workers, int shards)
        : this(workers, shards, Pin(CellCount(workers, shards), out object memory), memory, file: null, ownsFile: false)
    {
        Begin();
    }

    private ControlBlock(int workers, int shards, long* cells, object memory, FileStream? file, bool ownsFile)
    {
        WorkerCount = workers;
        ShardCount = shards;
        _cells = cells;
        _memory = memory;
        _file = file;
        _ownsFile = ownsFile;
    }

    public int WorkerCount { get; }

    public int ShardCount { get; }

    /// <summary>Where a worker process finds the block (<see cref="Attach"/>); null where it is in the memory of this process alone.</summary>
    public string? SharedPath { get; private init; }

    /// <summary>Its file, for locks between the processes that share it; null where it is in the memory of this process alone.</summary>
    public SafeFileHandle? SharedFile => _file?.SafeFileHandle;

    /// <summary>
    /// A block that other processes can attach to. On Linux its file has no name from the first moment on, so that nothing is left of it however this
    /// process ends; elsewhere it is removed by <see cref="Dispose"/>.
    /// </summary>
    /// <exception cref="ConfigurationException">There is no place for it.</exception>
    public static ControlBlock CreateShared(int workers, int shards)
    {
        long bytes = CellCount(workers, shards) * sizeof(long);
        FileStream file = CreateFile(bytes);
        string path = file.Name;
        if (OperatingSystem.IsLinux())
        {
            File.Delete(path);
            path = $"/proc/{Environment.ProcessId}/fd/{file.SafeFileHandle.DangerousGetHandle()}";
        }
        var block = new ControlBlock(workers, shards, Map(file, out object memory), memory, file, ownsFile: !OperatingSystem.IsLinux()) { SharedPath = path };
        block.Begin();
        return block;
    }

    /// <summary>The block that another process has created.</summary>
    /// <exception cref="InvalidDataException">What lies there is no such block: parent and worker are of different versions.</exception>
    public static ControlBlock Attach(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        bool isWhole = file.Length >= HeadCells * sizeof(long);
        long* cells = isWhole ? Map(file, out object memory) : Pin(HeadCells, out memory);
        if (cells[0] == Magic && cells[1] is >= 1 and <= int.MaxValue and var workers && cells[2] is >= 1 and <= int.MaxValue and var shards
            && file.Length == CellCount((int)workers, (int)shards) * sizeof(long))
            return new ControlBlock((int)workers, (int)shards, cells, memory, file, ownsFile: false) { SharedPath = path };
        file.Dispose();
        throw new InvalidDataException($"{path} is not the control block of this version of Sheaf; start worker and parent from the same executable");
    }

    public RunCells Run => new(_cells);

    public WorkerCells Worker(int worker) => new(_cells + HeadCells + ((long)worker * CellsPerWorker));

    public ShardCells Shard(ShardId shard) => new(_cells + HeadCells + ((long)WorkerCount * CellsPerWorker) + ((long)shard.Value * CellsPerShard));

    /// <summary>What a worker has counted and may not have removed yet.</summary>
    public AccountedCells Accounted(int worker) => new(
        Worker(worker),
        _cells + HeadCells + ((long)WorkerCount * CellsPerWorker) + ((long)ShardCount * CellsPerShard) + ((long)worker * AccountedCells.Cells));

    /// <summary>Takes the file of a shared block away. Those who have attached keep theirs, and whoever still holds this one may go on using it.</summary>
    public void Dispose()
    {
        string? path = _ownsFile ? _file!.Name : null;
        _file?.Dispose();
        if (path is not null) File.Delete(path);
    }

    private void Begin()
    {
        for (int s = 0; s < ShardCount; s++)
        {
            Shard(new ShardId(s)).ClockMs = StreamClock.None;
            Shard(new ShardId(s)).FlushedThroughMs = long.MinValue;
            Shard(new ShardId(s)).StoredThrough = StoredPosition.BeforeFirst.Offset;
            Shard(new ShardId(s)).ReadThrough = StoredPosition.BeforeFirst.Offset;
            Shard(new ShardId(s)).EarliestDeadlineMs = SegmentRules.Never;
        }
        _cells[1] = WorkerCount;
        _cells[2] = ShardCount;
        Volatile.Write(ref _cells[0], Magic);
    }

    private static long CellCount(int workers, int shards)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(shards, 1);
        return HeadCells + ((long)workers * (CellsPerWorker + AccountedCells.Cells)) + ((long)shards * CellsPerShard);
    }

    // 128 bytes more, so that the first cell can lie at the start of a pair of cache lines.
    private static long* Pin(long count, out object memory)
    {
        long[] cells = GC.AllocateArray<long>(checked((int)count + CellsPerWorker), pinned: true);
        memory = cells;
        nint at = (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(cells));
        return (long*)((at + 127) & ~127);
    }

    /// <summary>
    /// In memory where it can be, else in the temporary folder. All of it is taken at once: where a file system became full later, the first touch of a page
    /// would end the process.
    /// </summary>
    private static FileStream CreateFile(long bytes)
    {
        string? reason = null;
        foreach (string folder in (string[])["/dev/shm", Path.GetTempPath()])
        {
            string path = Path.Combine(folder, $"sheaf-{Environment.ProcessId}-{Guid.NewGuid():N}");
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0, PreallocationSize = bytes,
            };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            try
            {
                var file = new FileStream(path, options);
                file.SetLength(bytes);
                return file;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                reason = $"{reason}{(reason is null ? "" : "; ")}{folder}: {e.Message}";
            }
        }
        throw new ConfigurationException(
            $"what worker processes share ({bytes} bytes) has no place: {reason}; make room in one of these folders, or use --flusher-isolation thread");
    }

    private static long* Map(FileStream file, out object memory)
    {
        MemoryMappedFile mapped = MemoryMappedFile.CreateFromFile(file, mapName: null, 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        MemoryMappedViewAccessor view = mapped.CreateViewAccessor();
        memory = view;
        byte* first = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref first); // never released: whoever can reach the block may use its cells
        return (long*)first;
    }
}

/// <summary>The cells of the run as a whole.</summary>
public readonly unsafe struct RunCells
{
    private readonly long* _at;

    internal RunCells(long* at) => _at = at;

    /// <summary>What follows from the configuration that holds now: most traces of one claim. Writer: the parent.</summary>
    public int MaxFlushSegments
    {
        get => (int)Volatile.Read(ref _at[3]);
        set => Volatile.Write(ref _at[3], value);
    }

    /// <summary>Least important log events that are wanted (the number of a log level). Writer: the parent.</summary>
    public int LogLevel
    {
        get => (int)Volatile.Read(ref _at[4]);
        set => Volatile.Write(ref _at[4], value);
    }

    /// <summary>Somebody listens to what worker processes measure per message. Writer: the parent.</summary>
    public bool MeasuresMessages
    {
        get => Volatile.Read(ref _at[5]) != 0;
        set => Volatile.Write(ref _at[5], value ? 1 : 0);
    }

    /// <summary>Bytes of whole lines in the output file; what lies behind is torn. Writer: whoever has the turn to write to it.</summary>
    public long OutputLength
    {
        get => Volatile.Read(ref _at[6]);
        set => Volatile.Write(ref _at[6], value);
    }

    /// <summary>How far in the output file this run may have written; what lies behind is somebody else's. Writer: as above.</summary>
    public long OutputReach
    {
        get => Volatile.Read(ref _at[7]);
        set => Volatile.Write(ref _at[7], value);
    }

    /// <summary>Which file both are about. Writer: as above.</summary>
    public long OutputInode
    {
        get => Volatile.Read(ref _at[8]);
        set => Volatile.Write(ref _at[8], value);
    }
}

/// <summary>The cells of one worker. Times are <see cref="TimeProvider.GetTimestamp"/>, the same clock in all processes; 0 = not.</summary>
public readonly unsafe struct WorkerCells
{
    private readonly long* _at;

    internal WorkerCells(long* at) => _at = at;

    /// <summary>Writer: the parent.</summary>
    public WorkerCommand Command
    {
        get => (WorkerCommand)Volatile.Read(ref _at[0]);
        set => Volatile.Write(ref _at[0], (long)value);
    }

    /// <summary>Last sign of life. Writer: the worker; the parent resets it before a start.</summary>
    public long Heartbeat
    {
        get => Volatile.Read(ref _at[1]);
        set => Volatile.Write(ref _at[1], value);
    }

    /// <summary>Writer: the worker.</summary>
    public WorkerPhase Phase
    {
        get => (WorkerPhase)Volatile.Read(ref _at[2]);
        set => Volatile.Write(ref _at[2], (long)value);
    }

    /// <summary>When this worker became ready. Writer: the worker; the parent resets it before a start.</summary>
    public long HealthySince
    {
        get => Volatile.Read(ref _at[3]);
        set => Volatile.Write(ref _at[3], value);
    }

    /// <summary>
    /// Since when it has been behind: due segments were left over after every full flush batch, or the output or the buffer made it wait. Writer: the worker.
    /// </summary>
    public long BackpressureSince
    {
        get => Volatile.Read(ref _at[4]);
        set => Volatile.Write(ref _at[4], value);
    }

    /// <summary>
    /// Share of the memory that this worker's buffer may use; 0 where the buffer is not the worker's own. Writer: the worker.
    /// </summary>
    public double BufferLoad
    {
        get => BitConverter.Int64BitsToDouble(Volatile.Read(ref _at[6]));
        set => Volatile.Write(ref _at[6], BitConverter.DoubleToInt64Bits(value));
    }

    /// <summary>How many entries of <see cref="AccountedCells"/> count. Writer: the worker.</summary>
    internal long AccountedCount
    {
        get => Volatile.Read(ref _at[5]);
        set => Volatile.Write(ref _at[5], value);
    }
}

/// <summary>
/// Identities of what a worker has counted as produced or as duplicate and may not have removed from the buffer yet. Should the worker die, its successor
/// finds the same spans again, and knows from here that they are counted: so the ledger is right whatever dies when. Writer: the worker.
/// </summary>
public readonly unsafe struct AccountedCells
{
    /// <summary>The most that is remembered. A worker that has counted more and dies before it has removed them may count the rest again.</summary>
    public const int Capacity = 1 << 15;

    internal const int Cells = 2 * Capacity;

    private readonly WorkerCells _worker;
    private readonly long* _at;

    internal AccountedCells(WorkerCells worker, long* at)
    {
        _worker = worker;
        _at = at;
    }

    public int Count => (int)_worker.AccountedCount;

    public UInt128 this[int index]
    {
        get => new((ulong)Volatile.Read(ref _at[2 * index]), (ulong)Volatile.Read(ref _at[(2 * index) + 1]));
    }

    /// <summary>Puts an identity at an index behind <see cref="Count"/>; beyond the capacity it is forgotten. It counts from <see cref="Publish"/> on.</summary>
    public void Put(int index, UInt128 identity)
    {
        if (index >= Capacity) return;
        Volatile.Write(ref _at[2 * index], (long)(ulong)(identity >> 64));
        Volatile.Write(ref _at[(2 * index) + 1], (long)(ulong)identity);
    }

    /// <summary>From now on this many count.</summary>
    public void Publish(int count)
    {
        WorkerCells worker = _worker;
        worker.AccountedCount = Math.Min(count, Capacity);
    }
}

/// <summary>The cells of one shard.</summary>
public readonly unsafe struct ShardCells
{
    private const int FirstReason = 6;
    private const int IngestHalf = 16;
    private const int BufferThird = 32;

    /// <summary>The <see cref="Assignment"/> of a shard that a group may give to this process and has not yet. Assignments have numbers from 2.</summary>
    public const long NotAssigned = -1;

    private readonly long* _at;

    internal ShardCells(long* at) => _at = at;

    /// <summary>
    /// The shard's stream time in ms; <see cref="long.MinValue"/> before the first span. Moves only after everything up to it is stored.
    /// Writer: the ingest pipeline.
    /// </summary>
    public long ClockMs
    {
        get => Volatile.Read(ref _at[IngestHalf]);
        set => Volatile.Write(ref _at[IngestHalf], value);
    }

    /// <summary>
    /// How much of <see cref="ClockMs"/> was leapt over. Moves before it; whoever reads both reads it afterwards. Writer: the ingest pipeline.
    /// </summary>
    public long LeaptMs
    {
        get => Volatile.Read(ref _at[IngestHalf + 6]);
        set => Volatile.Write(ref _at[IngestHalf + 6], value);
    }

    /// <summary>Also flush the oldest segments early: the buffer is full. Writer: the ingest pipeline.</summary>
    public bool FlushOldest
    {
        get => Volatile.Read(ref _at[IngestHalf + 1]) != 0;
        set => Volatile.Write(ref _at[IngestHalf + 1], value ? 1 : 0);
    }

    /// <summary>Spans that the buffer has taken in, copies of what it had already not counted. Writer: the ingest pipeline.</summary>
    public long StoredSpans
    {
        get => Volatile.Read(ref _at[IngestHalf + 2]);
        set => Volatile.Write(ref _at[IngestHalf + 2], value);
    }

    /// <summary>Bytes of their payloads. Writer: the ingest pipeline.</summary>
    public long StoredBytes
    {
        get => Volatile.Read(ref _at[IngestHalf + 3]);
        set => Volatile.Write(ref _at[IngestHalf + 3], value);
    }

    /// <summary>
    /// Source offset up to which the shard's input is stored. A worker on a buffer that outlives the process closes nothing that lies behind it: that may be stored in part,
    /// and is read again after a crash. Moves before <see cref="ClockMs"/>. Writer: the ingest pipeline.
    /// </summary>
    public long StoredThrough
    {
        get => Volatile.Read(ref _at[IngestHalf + 4]);
        set => Volatile.Write(ref _at[IngestHalf + 4], value);
    }

    /// <summary>
    /// Under which assignment this process has the shard: 0 where it always has, as with a file; a positive number, another one each time that a group gives it the
    /// shard; the negative of the last one while it has not. Writer: the ingest pipeline.
    /// </summary>
    public long Assignment
    {
        get => Volatile.Read(ref _at[IngestHalf + 5]);
        set => Volatile.Write(ref _at[IngestHalf + 5], value);
    }

    /// <summary>
    /// The <see cref="Assignment"/> that the worker acts on: it has taken the shard over for a positive one, and does not touch it any more for a negative one. The negative
    /// of the positive assignment that holds: another process has taken the shard over, although nobody has told this one yet. Writer: the worker.
    /// </summary>
    public long HeldAssignment
    {
        get => Volatile.Read(ref _at[0]);
        set => Volatile.Write(ref _at[0], value);
    }

    /// <summary>Whether the shard is this process's, as far as the group and the buffer have told it.</summary>
    public bool IsOwned => Assignment is var assignment && (assignment == 0 || (assignment > 0 && HeldAssignment != -assignment));

    /// <summary>All that was due at this stream time is flushed. Writer: the worker.</summary>
    public long FlushedThroughMs
    {
        get => Volatile.Read(ref _at[1]);
        set => Volatile.Write(ref _at[1], value);
    }

    /// <summary>Spans produced: the output has acknowledged them. Repeats after a crash are not counted again. Writer: the worker.</summary>
    public long ProducedSpans
    {
        get => Volatile.Read(ref _at[2]);
        set => Volatile.Write(ref _at[2], value);
    }

    /// <summary>Bytes of messages produced. Writer: the worker.</summary>
    public long ProducedBytes
    {
        get => Volatile.Read(ref _at[3]);
        set => Volatile.Write(ref _at[3], value);
    }

    /// <summary>Copies of spans found among what is buffered (rule 7). Writer: the worker.</summary>
    public long DuplicateSpans
    {
        get => Volatile.Read(ref _at[4]);
        set => Volatile.Write(ref _at[4], value);
    }

    /// <summary>Segments that left as several messages. Writer: the worker.</summary>
    public long OversizedSegments
    {
        get => Volatile.Read(ref _at[5]);
        set => Volatile.Write(ref _at[5], value);
    }

    /// <summary>Segments that were produced again after a crash, with the flush ids that they had. Writer: the worker.</summary>
    public long RepeatedSegments
    {
        get => Volatile.Read(ref _at[12]);
        set => Volatile.Write(ref _at[12], value);
    }

    /// <summary>Payload bytes of what is counted as produced or as copies. Writer: the worker.</summary>
    public long FlushedBytes
    {
        get => Volatile.Read(ref _at[13]);
        set => Volatile.Write(ref _at[13], value);
    }

    /// <summary>How often the worker found that the buffer had lost what it held. Writer: the worker.</summary>
    public long Losses
    {
        get => Volatile.Read(ref _at[14]);
        set => Volatile.Write(ref _at[14], value);
    }

    /// <summary>
    /// At most so many spans are counted as produced or as copies and still in the buffer. More than none at the end of a run whose last worker died in between. Writer: the worker.
    /// </summary>
    public long UnremovedSpans
    {
        get => Volatile.Read(ref _at[15]);
        set => Volatile.Write(ref _at[15], value);
    }

    /// <summary>
    /// How often the reader has found that the journal holds less than it had acknowledged: the worker looks then, and writes it anew. Writer: the
    /// ingest pipeline.
    /// </summary>
    public long RestoresWanted
    {
        get => Volatile.Read(ref _at[IngestHalf + 7]);
        set => Volatile.Write(ref _at[IngestHalf + 7], value);
    }

    /// <summary>Source offset up to which the worker has taken the shard's journal into its memory. Writer: the worker.</summary>
    public long ReadThrough
    {
        get => Volatile.Read(ref _at[BufferThird]);
        set => Volatile.Write(ref _at[BufferThird], value);
    }

    /// <summary>The same under today's assignment; before the first offset while the worker has not taken the shard over under that.</summary>
    public long TakenThrough => HeldAssignment == Assignment ? ReadThrough : StoredPosition.BeforeFirst.Offset;

    /// <summary>Traces in the memory of the worker, where the buffer is there. Writer: the worker.</summary>
    public long BufferedTraces
    {
        get => Volatile.Read(ref _at[BufferThird + 1]);
        set => Volatile.Write(ref _at[BufferThird + 1], value);
    }

    /// <summary>Bytes of the payloads there. Writer: the worker.</summary>
    public long BufferedBytes
    {
        get => Volatile.Read(ref _at[BufferThird + 2]);
        set => Volatile.Write(ref _at[BufferThird + 2], value);
    }

    /// <summary>The earliest deadline there, in ms of stream time; <see cref="SegmentRules.Never"/> where nothing is. Writer: the worker.</summary>
    public long EarliestDeadlineMs
    {
        get => Volatile.Read(ref _at[BufferThird + 3]);
        set => Volatile.Write(ref _at[BufferThird + 3], value);
    }

    /// <summary>How often the worker has written the shard's journal anew, since that had lost something. Writer: the worker.</summary>
    public long RestoredJournals
    {
        get => Volatile.Read(ref _at[BufferThird + 4]);
        set => Volatile.Write(ref _at[BufferThird + 4], value);
    }

    /// <summary>How often the worker has missed entries in the journal: the reader appends again then what the worker has not read. Writer: the worker.</summary>
    public long ResendsWanted
    {
        get => Volatile.Read(ref _at[BufferThird + 5]);
        set => Volatile.Write(ref _at[BufferThird + 5], value);
    }

    /// <summary>Publishes the shard's clock. Writer: the ingest pipeline.</summary>
    public void SetClock(in StreamClock clock) => (LeaptMs, ClockMs) = (clock.LeaptMs, clock.Ms);

    /// <summary>Segments produced, by the reason they closed. Writer: the worker.</summary>
    public long Segments(FlushReason reason) => Volatile.Read(ref _at[FirstReason + (int)reason]);

    /// <summary>Counts produced segments. Writer: the worker.</summary>
    public void AddSegments(FlushReason reason, long count)
    {
        ref long cell = ref _at[FirstReason + (int)reason];
        Volatile.Write(ref cell, cell + count);
    }
}

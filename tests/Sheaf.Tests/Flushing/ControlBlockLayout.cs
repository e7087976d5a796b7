using System.Buffers.Binary;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Flushing;

/// <summary>
/// The layout that two processes agree on, frozen: what is written through one block lies at these cells (8 bytes each) of the file. A change here
/// is a change of the version in the first cell.
/// </summary>
public sealed class ControlBlockLayout : IDisposable
{
    private const int Workers = 2, Shards = 3;
    private const int Worker1 = 16 + 16;
    private const int Shard2 = 16 + (Workers * 16) + (2 * 48);
    private const int Accounted1 = 16 + (Workers * 16) + (Shards * 48) + (2 * AccountedCells.Capacity);

    private readonly ControlBlock _block = ControlBlock.CreateShared(Workers, Shards);
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _block.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void The_head_says_what_it_is()
    {
        Assert.Equal(16 + (Workers * 16) + (Shards * 48) + (Workers * 65_536), Cells().Length);
        Assert.Equal([0x53_48_45_41_46_00_00_04, Workers, Shards], Cells()[..3]);
    }

    [Fact]
    public void Every_cell_has_its_place()
    {
        RunCells run = _block.Run;
        run.MaxFlushSegments = 103;
        run.LogLevel = 104;
        run.MeasuresMessages = true;
        run.OutputLength = 106;
        run.OutputReach = 107;
        run.OutputInode = 108;
        WorkerCells worker = _block.Worker(1);
        worker.Command = WorkerCommand.Stop;
        worker.Heartbeat = 201;
        worker.Phase = WorkerPhase.Ended;
        worker.HealthySince = 203;
        worker.BackpressureSince = 204;
        worker.BufferLoad = 0.75;
        _block.Accounted(1).Put(0, new UInt128(300, 301));
        _block.Accounted(1).Put(AccountedCells.Capacity - 1, new UInt128(302, 303));
        _block.Accounted(1).Publish(205);
        ShardCells shard = _block.Shard(new ShardId(2));
        shard.FlushedThroughMs = 401;
        shard.ProducedSpans = 402;
        shard.ProducedBytes = 403;
        shard.DuplicateSpans = 404;
        shard.OversizedSegments = 405;
        foreach (FlushReason reason in Enum.GetValues<FlushReason>()) shard.AddSegments(reason, 406 + (int)reason);
        shard.RepeatedSegments = 412;
        shard.FlushedBytes = 413;
        shard.Losses = 414;
        shard.UnremovedSpans = 415;
        shard.HeldAssignment = 400;
        shard.ClockMs = 416;
        shard.FlushOldest = true;
        shard.StoredSpans = 418;
        shard.StoredBytes = 419;
        shard.StoredThrough = 420;
        shard.Assignment = 421;
        shard.LeaptMs = 422;
        shard.RestoresWanted = 423;
        shard.ReadThrough = 432;
        shard.BufferedTraces = 433;
        shard.BufferedBytes = 434;
        shard.EarliestDeadlineMs = 435;
        shard.RestoredJournals = 436;
        shard.ResendsWanted = 437;

        long[] cells = Cells();
        Assert.Equal([103, 104, 1, 106, 107, 108], cells[3..9]);
        Assert.Equal([2, 201, 7, 203, 204, 205, BitConverter.DoubleToInt64Bits(0.75)], cells[Worker1..(Worker1 + 7)]);
        Assert.Equal([400, .. Enumerable.Range(401, 5).Select(n => (long)n), .. Enumerable.Range(406, 10).Select(n => (long)n)], cells[Shard2..(Shard2 + 16)]);
        Assert.Equal([416, 1, 418, 419, 420, 421, 422, 423], cells[(Shard2 + 16)..(Shard2 + 24)]);
        Assert.Equal([432, 433, 434, 435, 436, 437], cells[(Shard2 + 32)..(Shard2 + 38)]);
        Assert.Equal([300, 301], cells[Accounted1..(Accounted1 + 2)]);
        Assert.Equal([302, 303], cells[^2..]);
        Assert.Equal(5, (int)Enum.GetValues<FlushReason>().Max()); // a further one would lie on RepeatedSegments
    }

    [Fact]
    public void One_who_attaches_sees_what_the_other_writes()
    {
        using ControlBlock attached = ControlBlock.Attach(_block.SharedPath!);
        Assert.Equal((Workers, Shards), (attached.WorkerCount, attached.ShardCount));
        WorkerCells theirs = attached.Worker(0);
        theirs.Heartbeat = 42;
        Assert.Equal(42, _block.Worker(0).Heartbeat);
    }

    [Fact]
    public void What_is_no_such_block_is_refused()
    {
        long[] cells = Cells();
        byte[] good = new byte[cells.Length * sizeof(long)];
        Buffer.BlockCopy(cells, 0, good, 0, good.Length);
        using (ControlBlock.Attach(Written(good)))
        {
        }

        Refused([]);
        Refused(good[..100]);
        Refused(good[..^8]);
        Refused([.. good, 0]);
        Refused(With(0, cells[0] + 1)); // another version of the layout
        Refused(With(1, 0));
        Refused(With(1, Workers + 1));
        Refused(With(2, -1));
        Refused(With(2, long.MaxValue));

        byte[] With(int cell, long value)
        {
            byte[] changed = (byte[])good.Clone();
            BinaryPrimitives.WriteInt64LittleEndian(changed.AsSpan(cell * sizeof(long)), value);
            return changed;
        }

        void Refused(byte[] content) => Assert.Throws<InvalidDataException>(() => ControlBlock.Attach(Written(content)));
    }

    [Fact]
    public void Nothing_of_it_is_left_in_the_file_system()
    {
        if (!OperatingSystem.IsLinux()) return;
        Assert.StartsWith("/proc/", _block.SharedPath, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles("/dev/shm", $"sheaf-{Environment.ProcessId}-*"));
    }

    private string Written(byte[] content)
    {
        string path = _folder.File("block");
        File.WriteAllBytes(path, content);
        return path;
    }

    private long[] Cells()
    {
        byte[] bytes = File.ReadAllBytes(_block.SharedPath!);
        long[] cells = new long[bytes.Length / sizeof(long)];
        Buffer.BlockCopy(bytes, 0, cells, 0, bytes.Length);
        return cells;
    }
}

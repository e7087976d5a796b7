using System.Diagnostics;
using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Dev;
using Sheaf.Flushing;
using Sheaf.Journals;
using Sheaf.Redis;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Redis;
using StackExchange.Redis;

namespace Sheaf.Load;

/// <summary>
/// The Redis journal on a redis-server of its own, on a core of its own: spans appended by one task, read back, parsed, buffered, claimed, removed and settled by another, both on
/// the other core. Beside it the floor: the same bytes in plain XADD, XRANGE and XDEL through the same client.
/// </summary>
internal sealed class RedisBench(LoadArguments arguments)
{
    private const int Lead = 20; // batches that lie in Redis at a time
    private const long StepMs = 10; // of stream time, from batch to batch

    private readonly List<byte[]> _payloads = [];
    private RedisServer _server = null!;

    public async Task RunAsync()
    {
        MakePayloads();
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.UnixSocket });
        _server = server;
        Pin(server.ProcessId, core: 0);
        Pin(Environment.ProcessId, core: Math.Min(1, Environment.ProcessorCount - 1));
        Measurements.Line($"spans of {_payloads.Average(p => p.Length):N0} B, {Lead} batches in Redis at a time, Unix socket, {arguments.Rounds} rounds, medians");
        Measurements.Line($"{"spans a batch",14} {"",-22} {"spans/s",10} {"of floor",9} {"redis us/span",14} {"our us/span",12} {"commands/span",14}");
        foreach (int perBatch in (int[])[1000, 100, 10])
        {
            long spans = Math.Min(arguments.Spans, perBatch * 200L);
            (string Name, Func<Task> Run)[] kinds =
            [
                ("XADD, XRANGE, XDEL", () => FloorAsync(spans, perBatch)),
                ("journal, plain", () => JournalAsync(spans, perBatch, RedisJournalOptions.NotCompressed)),
                ("journal, zstd 1", () => JournalAsync(spans, perBatch, 1)),
            ];
            var figures = new Dictionary<string, Measurements>();
            for (int round = 0; round <= arguments.Rounds; round++)
            {
                foreach ((string name, Func<Task> run) in kinds)
                {
                    Measurements of = figures.TryGetValue(name, out Measurements? known) ? known : figures[name] = new Measurements();
                    await MeasureAsync(run, spans, round == 0 ? new Measurements() : of); // the first round is cold
                }
            }
            foreach ((string name, _) in kinds)
            {
                Measurements of = figures[name];
                double rate = 1e6 / of.Median("wall"), floor = 1e6 / figures[kinds[0].Name].Median("wall");
                Measurements.Line($"{perBatch,14} {name,-22} {rate,10:N0} {rate / floor,9:F2} {of.Median("redis"),14:F2} {of.Median("own"),12:F2} {of.Median("commands"),14:F3}");
            }
        }
    }

    /// <summary>Adds microseconds per span: of the wall, of Redis' processor, of ours; and commands per span.</summary>
    private async Task MeasureAsync(Func<Task> run, long spans, Measurements into)
    {
        (double cpuBefore, long commandsBefore) = await ServerAsync();
        TimeSpan ownBefore = Process.GetCurrentProcess().TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        await run();
        double wall = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        TimeSpan own = Process.GetCurrentProcess().TotalProcessorTime - ownBefore;
        (double cpu, long commands) = await ServerAsync();
        into.Add("wall", wall / spans);
        into.Add("redis", (cpu - cpuBefore) * 1e6 / spans);
        into.Add("own", own.TotalMicroseconds / spans);
        into.Add("commands", (double)(commands - commandsBefore) / spans);
    }

    private async Task JournalAsync(long spans, int perBatch, int level)
    {
        var shard = new ShardId(0);
        var rules = new SegmentRules(TimeoutMs: 1, RootTimeoutMs: 1);
        var options = new RedisJournalOptions(_server.Address, new JournalOrigin("bench", 1)) { CompressionLevel = level };
        await using RedisJournal journal = await RedisJournal.OpenAsync(options, TimeProvider.System, default);
        await journal.RemoveAsync(shard, default);
        using var control = new ControlBlock(workers: 1, shards: 1);
        using var appender = new JournalAppender(journal, control, (_, what) => throw new InvalidOperationException(what));
        await appender.OpenAsync(shard, default);
        await appender.BeginAsync(shard, StoredPosition.BeforeFirst, SettledOffsets.None, default);
        var memory = new MemoryBuffer(rules, 1, long.MaxValue, keepsProgress: true);
        await using var worker = new JournaledBuffer(
            journal, memory, control, 0, new JournaledBufferOptions(SpanFormat.SentryJson, TimeSpan.FromMinutes(1)), TimeProvider.System, e => throw e);
        await worker.TakeOverAsync(new[] { shard }, default);
        long batches = spans / perBatch, flushed = -1;
        ShardCells stored = control.Shard(shard);
        stored.StoredThrough = StoredPosition.BeforeFirst.Offset;
        Task flushing = Task.Run(async () =>
        {
            var claim = new ClaimBatch();
            long removed = 0;
            ShardCells cells = control.Shard(shard);
            while (removed < batches * perBatch)
            {
                long through = (cells.StoredThrough + 1) / perBatch; // batches
                long clock = through >= batches ? long.MaxValue : (through - Lead) * StepMs;
                await worker.ClaimAsync(shard, clock, 500, claim, default);
                if (claim.TraceCount == 0)
                {
                    Volatile.Write(ref flushed, through);
                    await Task.Yield();
                    continue;
                }
                claim.Removed.Fill(true);
                await worker.RemoveAsync(claim, .., default);
                removed += claim.SpanCount;
                await worker.SettleAsync(now: removed == batches * perBatch, default);
            }
            Volatile.Write(ref flushed, long.MaxValue);
        });
        var batch = new SpanBatch(shard);
        byte[] block = new byte[perBatch * _payloads.Max(p => p.Length)];
        for (long b = 0; b < batches; b++)
        {
            // The input is never far ahead of the flushing, as in the pipeline.
            while (b - Volatile.Read(ref flushed) > 3 * Lead && b > 3 * Lead) await Task.Delay(1);
            Fill(batch, block, b, perBatch);
            await appender.AppendAsync(batch, default);
            stored.StoredThrough = batch.Through.Offset;
        }
        await flushing;
        await journal.RemoveAsync(shard, default);
    }

    private async Task FloorAsync(long spans, int perBatch)
    {
        var address = (RedisAddress.UnixSocket)_server.Address;
        var options = new ConfigurationOptions();
        options.EndPoints.Add(new System.Net.Sockets.UnixDomainSocketEndPoint(address.Path));
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(options);
        IDatabase database = connection.GetDatabase();
        long batches = spans / perBatch, stored = -1;
        Task reading = Task.Run(async () =>
        {
            for (long b = 0; b < batches; b++)
            {
                while (Volatile.Read(ref stored) < Math.Min(b + Lead, batches - 1)) await Task.Yield();
                StreamEntry[] entries = await database.StreamRangeAsync("floor", $"{b + 1}-0", $"{b + 1}-0");
                if (entries.Length != 1) throw new InvalidOperationException("an entry is not there");
                await database.StreamDeleteAsync("floor", [entries[0].Id]);
            }
        });
        int next = 0;
        byte[] block = new byte[perBatch * _payloads.Max(p => p.Length)];
        for (long b = 0; b < batches; b++)
        {
            int length = 0;
            for (int i = 0; i < perBatch; i++)
            {
                byte[] payload = _payloads[next++ % _payloads.Count];
                payload.CopyTo(block, length);
                length += payload.Length;
            }
            await database.StreamAddAsync("floor", "messages", (RedisValue)block.AsMemory(0, length), $"{b + 1}-0");
            Volatile.Write(ref stored, b);
        }
        await reading;
        await database.KeyDeleteAsync("floor");
    }

    private void Fill(SpanBatch batch, byte[] block, long number, int perBatch)
    {
        batch.Reset(block);
        int at = 0;
        for (int i = 0; i < perBatch; i++)
        {
            long offset = (number * perBatch) + i;
            byte[] payload = _payloads[(int)(offset % _payloads.Count)];
            payload.CopyTo(block, at);
            ref TraceSpan span = ref batch.Add();
            span = default;
            span.SourceOffset = offset;
            span.StreamTimeMs = number * StepMs;
            span.PayloadStart = at;
            span.PayloadLength = payload.Length;
            at += payload.Length;
        }
        batch.Through = new StoredPosition(((number + 1) * perBatch) - 1, number * StepMs);
    }

    private void MakePayloads()
    {
        var generator = new SpanGenerator(new LoadOptions { Spans = 20_000 });
        for (ReadOnlyMemory<byte> block; !(block = generator.NextBlock()).IsEmpty;)
        {
            foreach (Range line in block.Span.Split((byte)'\n'))
                if (block.Span[line].Length > 0) _payloads.Add(block.Span[line].ToArray());
        }
    }

    private async Task<(double Cpu, long Commands)> ServerAsync()
    {
        await using TestRedis client = await TestRedis.ConnectAsync(_server.Address);
        return (await RedisFigures.CpuAsync(client), (long)await RedisFigures.NumberAsync(client, "stats", "total_commands_processed"));
    }

    private static void Pin(int process, int core)
    {
        using Process taskset = Process.Start(new ProcessStartInfo("taskset", ["-a", "-c", "-p", core.ToString(CultureInfo.InvariantCulture), process.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true })!;
        taskset.WaitForExit();
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text;
using Sheaf.Buffering;
using Sheaf.Dev;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Redis;

namespace Sheaf.Load;

/// <summary>
/// The Redis engine on a redis-server of its own, on a core of its own: spans appended by one task, claimed, read and removed by another, both on the other core. Beside it the
/// floor: the same bytes in plain SET, GET and DEL, through the same client, equally far apart.
/// </summary>
internal sealed class RedisBench(LoadArguments arguments)
{
    private const int BatchSpans = 1000;
    private const int Lead = 20; // batches that lie in Redis at a time
    private const long FlushAfterMs = 1;

    private readonly List<byte[]> _payloads = [];
    private RedisServer _server = null!;

    public async Task RunAsync()
    {
        long spans = Math.Min(arguments.Spans, 200_000);
        MakePayloads();
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.UnixSocket });
        _server = server;
        Pin(server.ProcessId, core: 0);
        Pin(Environment.ProcessId, core: Math.Min(1, Environment.ProcessorCount - 1));
        Measurements.Line($"{spans:N0} spans of {_payloads.Average(p => p.Length):N0} B, {BatchSpans} a batch, {Lead} batches in Redis at a time, Unix socket, {arguments.Rounds} rounds, medians");
        Measurements.Line($"{"spans a record",14} {"",-22} {"spans/s",10} {"of floor",9} {"redis us/span",14} {"our us/span",12} {"commands/span",14} {"redis us/record",16}");
        foreach (int perRecord in (int[])[1, 10, 100])
        {
            (string Name, Func<Task> Run)[] kinds =
            [
                ("SET, GET, DEL", () => FloorAsync(spans, perRecord)),
                ("engine, plain", () => EngineAsync(spans, perRecord, RedisBufferOptions.NotCompressed)),
                ("engine, zstd 1", () => EngineAsync(spans, perRecord, 1)),
                ("engine, zstd default", () => EngineAsync(spans, perRecord, 0)),
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
                Measurements.Line($"{perRecord,14} {name,-22} {rate,10:N0} {rate / floor,9:F2} {of.Median("redis"),14:F2} {of.Median("own"),12:F2} {of.Median("commands"),14:F2} {of.Median("redis") * perRecord,16:F1}");
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

    private async Task EngineAsync(long spans, int perRecord, int level)
    {
        var rules = new SegmentRules(TimeoutMs: FlushAfterMs, RootTimeoutMs: FlushAfterMs);
        var options = new RedisBufferOptions(_server.Address, rules, Shards: 1) { CompressionLevel = level };
        await using RedisBuffer buffer = await RedisBuffer.OpenAsync(options, default);
        await buffer.DiscardAsync(default);
        await buffer.BeginAsync(default);
        await using RedisSpanBuffer appender = buffer.OpenClient(), claimer = buffer.OpenClient();
        await appender.BeginTermAsync(new ShardId(0), default);
        await claimer.TakeOverAsync(new[] { new ShardId(0) }, default);
        long batches = spans / BatchSpans;
        long stored = -1, flushed = -1;
        Task flushing = Task.Run(async () =>
        {
            var claim = new ClaimBatch();
            int[] all = [];
            long removed = 0;
            while (removed < batches * BatchSpans)
            {
                // Batch b is at b times 10 ms, and due once the clock is past it: all but the newest ones.
                long through = Volatile.Read(ref stored);
                long clock = through == batches - 1 ? long.MaxValue : (through - Lead + 1) * 10;
                await claimer.ClaimAsync(new ShardId(0), clock, 500, claim, default);
                if (claim.TraceCount == 0)
                {
                    Volatile.Write(ref flushed, through);
                    await Task.Yield();
                    continue;
                }
                if (all.Length < claim.SpanCount) all = [.. Enumerable.Range(0, 2 * claim.SpanCount)];
                await claimer.ReadPayloadsAsync(claim, all.AsMemory(0, claim.SpanCount), default);
                for (int i = 0; i < claim.SpanCount; i++)
                    if (claimer.Payload(claim, i).Length != claim.Spans[i].PayloadLength) throw new InvalidOperationException("a payload is not what it was");
                claim.Removed.Fill(true);
                await claimer.RemoveAsync(claim, .., default);
                removed += claim.SpanCount;
            }
            Volatile.Write(ref flushed, long.MaxValue);
        });
        var batch = new SpanBatch(new ShardId(0));
        byte[] block = new byte[BatchSpans * _payloads.Max(p => p.Length)];
        for (long b = 0; b < batches; b++)
        {
            // The input is never far ahead of the flushing, as in the pipeline.
            while (b - Volatile.Read(ref flushed) > 3 * Lead && b > 3 * Lead) await Task.Delay(1);
            Fill(batch, block, b, perRecord);
            await appender.AppendAsync(batch, default);
            Volatile.Write(ref stored, b);
        }
        await flushing;
    }

    private async Task FloorAsync(long spans, int perRecord)
    {
        await using RedisClient writer = await RedisClient.ConnectAsync(_server.Address, new RedisClientOptions(), default);
        await using RedisClient reader = await RedisClient.ConnectAsync(_server.Address, new RedisClientOptions(), default);
        long batches = spans / BatchSpans;
        int records = BatchSpans / perRecord;
        long stored = -1, read = -1;
        Task reading = Task.Run(async () =>
        {
            var commands = new RespBatch();
            for (long b = 0; b < batches; b++)
            {
                while (Volatile.Read(ref stored) < Math.Min(b + Lead, batches - 1)) await Task.Yield();
                foreach (string name in (string[])["GET", "DEL"])
                {
                    commands.Clear();
                    for (int r = 0; r < records; r++)
                    {
                        commands.Begin(2, HashSlot.Any);
                        commands.Add(Encoding.ASCII.GetBytes(name));
                        commands.Add(KeyOf(b, r));
                    }
                    await reader.ExecuteAsync(commands, default);
                }
                Volatile.Write(ref read, b);
            }
        });
        var sets = new RespBatch();
        int next = 0;
        for (long b = 0; b < batches; b++)
        {
            while (b - Volatile.Read(ref read) > 3 * Lead && b > 3 * Lead) await Task.Delay(1);
            sets.Clear();
            for (int r = 0; r < records; r++)
            {
                sets.Begin(3, HashSlot.Any);
                sets.Add("SET"u8);
                sets.Add(KeyOf(b, r));
                int length = 0;
                for (int i = 0; i < perRecord; i++) length += _payloads[(next + i) % _payloads.Count].Length;
                Span<byte> blob = sets.AddUninitialized(length);
                for (int i = 0; i < perRecord; i++)
                {
                    byte[] payload = _payloads[next++ % _payloads.Count];
                    payload.CopyTo(blob);
                    blob = blob[payload.Length..];
                }
            }
            await writer.ExecuteAsync(sets, default);
            Volatile.Write(ref stored, b);
        }
        await reading;
    }

    private void Fill(SpanBatch batch, byte[] block, long number, int perRecord)
    {
        batch.Reset(block);
        int at = 0;
        for (int i = 0; i < BatchSpans; i++)
        {
            long offset = (number * BatchSpans) + i;
            byte[] payload = _payloads[(int)(offset % _payloads.Count)];
            payload.CopyTo(block, at);
            ref TraceSpan span = ref batch.Add();
            span = default;
            span.Trace = new TraceKey(402, new TraceId((ulong)(offset / perRecord) * 0x9E3779B97F4A7C15, (ulong)(offset / perRecord)));
            span.SpanId = new SpanId((ulong)offset + 1);
            span.EffectiveParent = new SpanId((ulong)(offset / perRecord) + 7);
            span.PayloadHash = (ulong)offset * 0xD6E8FEB86659FD93;
            span.SourceOffset = offset;
            span.StreamTimeMs = number * 10;
            span.PayloadStart = at;
            span.PayloadLength = payload.Length;
            span.Edits = new PayloadEdits(payload.Length - 40, 1, IsSegmentForm.False, SegmentIdForm.Absent, Irregular: false);
            at += payload.Length;
        }
        batch.Through = new StoredPosition((number + 1) * BatchSpans, number * 10);
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
        await using RedisClient client = await RedisClient.ConnectAsync(_server.Address, new RedisClientOptions(), default);
        var info = new RespBatch();
        info.Begin(3, HashSlot.Any);
        info.Add("INFO"u8);
        info.Add("cpu"u8);
        info.Add("stats"u8);
        await client.ExecuteAsync(info, default);
        string text = Encoding.ASCII.GetString(info.Reply(0).Bytes);
        double Of(string name) => double.Parse(text.Split("\r\n").First(line => line.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 1)..], CultureInfo.InvariantCulture);
        return (Of("used_cpu_user") + Of("used_cpu_sys"), (long)Of("total_commands_processed"));
    }

    private static byte[] KeyOf(long batch, int record) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"floor:{batch}:{record}"));

    private static void Pin(int process, int core)
    {
        using Process taskset = Process.Start(new ProcessStartInfo("taskset", ["-a", "-c", "-p", core.ToString(CultureInfo.InvariantCulture), process.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true })!;
        taskset.WaitForExit();
    }
}

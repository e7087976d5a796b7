using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;
using Sheaf.TestKit.Redis;

namespace Sheaf.Load;

/// <summary>
/// From a filled topic to another one through <c>sheaf process-spans</c>, with either engine and in every variant that was named, beside what librdkafka alone needs for the same
/// messages; everything once per round. Nothing is pinned to a core: broker, Redis and Sheaf share them, as they share the time.
/// </summary>
internal sealed class KafkaBench(LoadArguments arguments, KafkaBroker broker, RedisServer redis, string folder)
{
    private const int Partitions = 2;
    private const string ConsumeFloor = "librdkafka: consume, drop", ProduceFloor = "librdkafka: produce, all at once";

    // Most of the stream closes by its root's timeout while it is read. The spans of Ends close nothing and are never flushed: a run is over when its output has stopped growing.
    private static readonly string[] Rules = ["--timeout", "60s", "--root-timeout", "2s", "--max-segment-bytes", "900KiB"];
    private const string Assigned = " is this instance's, from offset ";
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan MostTime = TimeSpan.FromMinutes(5);

    private readonly Dictionary<string, Measurements> _figures = [];
    private readonly List<string> _names = [];
    private string _input = "";
    private long _inputBytes;
    private long _segments;
    private int _segmentBytes;
    private int _runs;

    public static async Task RunAsync(LoadArguments arguments)
    {
        if (arguments.Kafka != "start") Environment.SetEnvironmentVariable("SHEAF_TEST_KAFKA", arguments.Kafka);
        using var broker = new KafkaBroker();
        if (broker.Kind == KafkaBrokerKind.Mock) throw new InvalidOperationException("--kafka start needs SHEAF_TEST_KAFKA_DIR, a folder with the script `kafka`");
        await using RedisServer redis = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.UnixSocket });
        using var folder = new TempFolder();
        await new KafkaBench(arguments, broker, redis, folder.Root).RunAsync();
    }

    private async Task RunAsync()
    {
        if (arguments.Floors)
        {
            (_segments, _segmentBytes) = (arguments.Spans / 10, 11_350); // as the generated spans give them
            var alone = new KafkaFloors(broker.Brokers);
            for (int round = 0; round <= arguments.Rounds; round++) await ProduceFloorsAsync(alone, round);
            Report([]);
            return;
        }
        await FillAsync();
        Measurements.Line($"{arguments.Spans:N0} spans, {_inputBytes / 1e6:N0} MB, {Partitions} partitions in, {Partitions} out, load average {LoadAverage()}");

        (string Name, string[] Words)[] variants = [("memory", []), ("redis", ["--buffer", redis.Uri]), .. arguments.Variants];
        for (int round = 0; round <= arguments.Rounds; round++)
        {
            foreach ((string name, string[] words) in variants) await ProductAsync(name, words, round);
            var floors = new KafkaFloors(broker.Brokers);
            await FloorAsync(ConsumeFloor, round, arguments.Spans, _inputBytes, _ => floors.ConsumeAsync(_input, Partitions, arguments.Spans));
            await ProduceFloorsAsync(floors, round);
        }
        Report([.. variants.Select(v => v.Name)]);
    }

    private async Task ProduceFloorsAsync(KafkaFloors floors, int round)
    {
        long messages = KafkaFloors.InBatches(_segments), bytes = messages * _segmentBytes;
        await ProduceAsync(ProduceFloor, atOnce: true, FieldsBeside.None);
        await ProduceAsync("the same, 1 MiB at a time", atOnce: false, FieldsBeside.None);
        await ProduceAsync("… with the header of a segment", atOnce: false, FieldsBeside.OneHeader);
        await ProduceAsync("… with a header for each of its 13 fields", atOnce: false, FieldsBeside.HeaderEach);
        await FloorAsync("… through the sink", round, messages, bytes, topic => floors.SinkAsync(topic, messages, _segmentBytes));
        Measurements.Line($"round {round}{(round == 0 ? ", apart" : "")}: load average {LoadAverage()}");

        Task ProduceAsync(string name, bool atOnce, FieldsBeside fields) =>
            FloorAsync(name, round, messages, bytes, to => floors.ProduceAsync(to, messages, _segmentBytes, atOnce, fields));
    }

    private void Report(string[] variants)
    {
        Console.WriteLine();
        Measurements.Line($"Medians of {arguments.Rounds} rounds; segments of {_segmentBytes:N0} B, {arguments.Spans / (double)_segments:F1} spans each; processor time in us.");
        Console.WriteLine();
        Console.WriteLine("| librdkafka and the sink, in one process | messages/s | MB/s | us/message, client | us/message, broker | B garbage/message |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        foreach (string name in _names.Except(variants))
        {
            Measurements of = _figures[name];
            Measurements.Line($"| {name} | {of.Median("rate"):N0} | {of.Median("MB/s"):N0} | {of.Median("own"):F2} | {OfBroker(of)} | {of.Median("garbage"):N0} |");
        }
        if (variants.Length == 0) return;
        Console.WriteLine();
        Console.WriteLine("| Kafka to Kafka | spans/s | of the consume floor | of the produce floor | us/span, sheaf | us/span, its workers | us/span, redis | us/span, broker | B garbage/span, 2nd half | peak MB | whole run, s |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (string name in variants)
        {
            Measurements of = _figures[name];
            double perSegment = arguments.Spans / (double)_segments;
            double ofConsume = of.Median("rate") / _figures[ConsumeFloor].Median("rate"), ofProduce = of.Median("rate") / perSegment / _figures[ProduceFloor].Median("rate");
            Measurements.Line($"| {name} | {of.Median("rate"):N0} | {ofConsume:F2} | {ofProduce:F2} | {of.Median("own"):F2} | {of.Median("workers"):F2} | {of.Median("redis"):F2} | {OfBroker(of)} | {of.Median("garbage"):F1} | {of.Median("peak") / 1e6:N0} | {of.Median("wall"):F1} |");
        }
    }

    private string OfBroker(Measurements of) => broker.ProcessId == 0 ? "not known" : of.Median("broker").ToString("F2", CultureInfo.InvariantCulture);

    private async Task FloorAsync(string name, int round, long messages, long bytes, Func<string, Task> run)
    {
        string topic = NewTopic();
        using Process self = Process.GetCurrentProcess();
        double ofBroker = ProcessMeter.Cpu(broker.ProcessId);
        self.Refresh();
        TimeSpan own = self.TotalProcessorTime;
        long allocated = GC.GetTotalAllocatedBytes(precise: true), start = Stopwatch.GetTimestamp();
        await run(topic);
        double wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        self.Refresh();
        own = self.TotalProcessorTime - own;
        ofBroker = ProcessMeter.Cpu(broker.ProcessId) - ofBroker;
        broker.DeleteTopic(topic);
        Measurements.Line($"  {name}: {messages / wall:N0} messages/s, {own.TotalMicroseconds / messages:F2} us a message");
        if (round == 0) return;
        Measurements of = Of(name);
        of.Add("rate", messages / wall);
        of.Add("MB/s", bytes / wall / 1e6);
        of.Add("own", own.TotalMicroseconds / messages);
        of.Add("broker", ofBroker * 1e6 / messages);
        of.Add("garbage", (double)allocated / messages);
    }

    private async Task ProductAsync(string name, string[] words, int round)
    {
        string output = NewTopic();
        await EmptyRedisAsync();
        string allocations = Path.Combine(folder, $"run-{++_runs}");
        Directory.CreateDirectory(allocations);
        var start = new ProcessStartInfo(arguments.Sheaf,
        [
            "process-spans", "--input", $"kafka://{broker.Brokers}/{_input}?group=load-{Environment.ProcessId}-{_runs}", "--output", $"kafka://{broker.Brokers}/{output}", "--auto-offset-reset", "earliest",
            "--flusher-processes", Partitions.ToString(CultureInfo.InvariantCulture), "--summary", "json", "--log-level", "information", .. Rules, .. words, .. arguments.Words,
        ])
        {
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = allocations,
        };
        foreach (string variable in start.Environment.Keys.Where(k => k.StartsWith("SHEAF_", StringComparison.Ordinal)).ToArray()) start.Environment.Remove(variable);
        start.Environment["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location;
        start.Environment[StartupHook.FolderVariable] = allocations;
        using Process sheaf = Process.Start(start)!;
        var watch = new RunWatch(sheaf, broker.ProcessId, redis.ProcessId, allocations);
        List<(long Messages, Sample Used)> samples = [];
        string said = "";
        try
        {
            Task<string> error = watch.ReadErrorAsync(Assigned);
            await WatchAsync(watch, output, samples);
            if (!sheaf.HasExited)
            {
                using Process kill = Process.Start("kill", ["-TERM", sheaf.Id.ToString(CultureInfo.InvariantCulture)]);
                await kill.WaitForExitAsync();
                await sheaf.WaitForExitAsync().WaitAsync(MostTime);
            }
            said = await error;
        }
        finally
        {
            if (!sheaf.HasExited) sheaf.Kill(entireProcessTree: true);
        }
        broker.DeleteTopic(output);
        JsonElement summary = Summary(name, sheaf.ExitCode, said);
        if (samples.Count == 0) throw new InvalidOperationException($"{name}: nothing was produced:\n{said}");
        if (summary.GetProperty("produced").GetInt64() != arguments.Spans || !summary.GetProperty("adds_up").GetBoolean()) throw new InvalidOperationException($"{name}: not every span was produced:\n{said}");
        (_segments, _segmentBytes) = (summary.GetProperty("segments").GetInt64(), (int)(summary.GetProperty("bytes_out").GetInt64() / summary.GetProperty("segments").GetInt64()));
        Sample last = samples[^1].Used, half = samples.First(s => s.Messages >= samples[^1].Messages / 2).Used;
        Note(name, watch.Began, half, last, round);
    }

    private static JsonElement Summary(string name, int exitCode, string said)
    {
        string last = said.TrimEnd().Split('\n')[^1];
        if (exitCode != 0 || !last.StartsWith('{')) throw new InvalidOperationException($"{name}: sheaf ended with exit code {exitCode}:\n{said}");
        return JsonDocument.Parse(last).RootElement;
    }

    /// <summary>Looks at everything until the output has stopped growing, and notes what the processes have used each time that it grew.</summary>
    private async Task WatchAsync(RunWatch watch, string output, List<(long Messages, Sample Used)> samples)
    {
        var options = new KafkaConsumerOptions { Address = new KafkaAddress(broker.Brokers, [output], "watch", []) };
        using var watcher = KafkaConsumer.Read(options, []);
        while (!watch.HasEnded)
        {
            long messages = 0;
            for (int p = 0; p < Partitions; p++)
                if (watcher.QueryWatermarks(p, out _, out long high, TimeSpan.FromSeconds(5)).IsNone) messages += high;
            if (messages > (samples.Count == 0 ? 0 : samples[^1].Messages)) samples.Add((messages, watch.Take()));
            else if (samples.Count > 0 && watch.Seconds - samples[^1].Used.Seconds > Quiet.TotalSeconds) return;
            if (watch.Seconds > MostTime.TotalSeconds) throw new InvalidOperationException($"sheaf was not done within {MostTime}");
            await Task.Delay(Look);
        }
    }

    /// <summary>Figures from when it had its partitions to the last message: compiling is in them, starting and joining the group are not. Garbage from half of the output on, when the buffer has grown.</summary>
    private void Note(string name, Sample from, Sample half, Sample to, int round)
    {
        double spans = arguments.Spans, seconds = to.Seconds - from.Seconds;
        Measurements.Line($"  {name}: {spans / seconds:N0} spans/s, {(to.Own - from.Own + to.Workers - from.Workers) * 1e6 / spans:F2} us a span, {to.Seconds:F1} s in all");
        if (round == 0) return;
        Measurements of = Of(name);
        of.Add("rate", spans / seconds);
        of.Add("own", (to.Own - from.Own) * 1e6 / spans);
        of.Add("workers", (to.Workers - from.Workers) * 1e6 / spans);
        of.Add("redis", (to.Redis - from.Redis) * 1e6 / spans);
        of.Add("broker", (to.Broker - from.Broker) * 1e6 / spans);
        of.Add("garbage", (to.Allocated - half.Allocated) / (spans / 2));
        of.Add("peak", to.Peak);
        of.Add("wall", to.Seconds);
    }

    /// <summary>Fills the input: every trace in one partition, at the times of the generated stream; then a span per partition that moves the clock past every deadline.</summary>
    private async Task FillAsync()
    {
        _input = NewTopic();
        using var producer = new TestProducer(broker.Brokers, _input, ("linger.ms", "5"));
        DateTimeOffset begin = TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1);
        var load = new LoadOptions { Spans = arguments.Spans };
        var generator = new SpanGenerator(load);
        long sent = 0;
        List<byte[]> spans = [];
        for (ReadOnlyMemory<byte> block; !(block = generator.NextBlock()).IsEmpty;)
        {
            foreach (Range line in block.Span.Split((byte)'\n'))
                if (block.Span[line].Length > 0) spans.Add(block.Span[line].ToArray());
            // As the broker would stamp them: a batch has one time.
            await SendAsync(producer, spans, begin.AddSeconds(sent / load.StreamRate));
            sent += spans.Count;
            _inputBytes += spans.Sum(s => (long)s.Length);
            spans.Clear();
        }
        if (sent != arguments.Spans) throw new InvalidOperationException($"{sent} spans were generated, not {arguments.Spans}");
        await SendAsync(producer, [.. Enumerable.Range(1, 64).Select(End)], begin.AddMinutes(30));
    }

    private static async Task SendAsync(TestProducer producer, List<byte[]> spans, DateTimeOffset at)
    {
        KafkaError error = await producer.ProduceAsync(spans, at.ToUnixTimeMilliseconds(), i => TraceOf(spans[i]));
        if (!error.IsNone) throw new InvalidOperationException($"the input could not be filled: {error.Text}");
    }

    /// <summary>A span whose parent never comes.</summary>
    private static byte[] End(int number) => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
        $$"""{"trace_id":"{{number:x32}}","span_id":"{{number:x16}}","parent_span_id":"ffffffffffffffff","project_id":99,"organization_id":1,"start_timestamp":1,"end_timestamp":2,"received":3,"retention_days":90,"status":"ok"}"""));

    private static string TraceOf(byte[] span)
    {
        var name = "\"trace_id\":\""u8;
        int at = span.AsSpan().IndexOf(name) + name.Length;
        return Encoding.ASCII.GetString(span.AsSpan(at, 32));
    }

    private async Task EmptyRedisAsync()
    {
        await using TestRedis client = await TestRedis.ConnectAsync(redis.Address);
        await client.AskAsync("FLUSHALL");
    }

    private string NewTopic() => broker.CreateTopic(Partitions, ("file.delete.delay.ms", "1000"));

    private Measurements Of(string name)
    {
        if (_figures.TryGetValue(name, out Measurements? known)) return known;
        _names.Add(name);
        return _figures[name] = new Measurements();
    }

    private static string LoadAverage() => File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
}

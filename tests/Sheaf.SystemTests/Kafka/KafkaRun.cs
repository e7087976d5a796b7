using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Kafka;

/// <summary>
/// Topics, a group, and instances of <c>sheaf process-spans</c> between them: what goes in is remembered, what comes out is read along, and both are compared. None of its instances is left
/// when it is disposed.
/// </summary>
internal sealed class KafkaRun : IAsyncDisposable
{
    private const int OutputPartitions = 2;

    /// <summary>Seconds after the beginning that are as far ahead of now as a broker takes by default, and ten minutes less.</summary>
    public const double FiftyMinutesAhead = 3600 + (50 * 60);

    /// <summary>Later than everything of the input by more than any timeout.</summary>
    private static readonly TimeSpan Later = TimeSpan.FromMinutes(30);

    private readonly KafkaBroker _broker;
    private readonly TempFolder _folder = new();
    private readonly List<SheafProcess> _instances = [];
    private readonly List<string> _spans = [];
    private readonly TestProducer _producer;
    private TestMember? _reader; // from the first look on: brokers tell of a new topic late
    private readonly long _beginMs;
    private int _readUpTo;

    private KafkaRun(
        KafkaBroker broker, int partitions, RedisServer? redis, (string Name, string Value)[] inputProperties, (string Name, string Value)[] outputProperties,
        int inputCopies = -1)
    {
        _broker = broker;
        Redis = redis;
        _beginMs = (TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1)).ToUnixTimeMilliseconds();
        Input = broker.CreateTopic(partitions, inputCopies, inputProperties);
        Output = broker.CreateTopic(OutputPartitions, outputProperties);
        Group = broker.NewName("group");
        _producer = new TestProducer(broker.Brokers, Input);
    }

    public RedisServer? Redis { get; }

    public string Brokers => _broker.Brokers;

    public string Input { get; }

    public string Output { get; }

    public string Group { get; }

    public string Folder => _folder.Root;

    /// <summary>What instances that are started from now on have in their environment.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    /// <summary>Messages of the output, as far as it was read.</summary>
    public IReadOnlyList<ReceivedMessage> Segments => _reader?.Messages ?? [];

    /// <summary>Spans in them; a message that came again counts once.</summary>
    public long SpansOut { get; private set; }

    public static async Task<KafkaRun> CreateAsync(KafkaBroker broker, int partitions = 1, bool withRedis = false, params (string Name, string Value)[] inputProperties) =>
        new(broker, partitions, withRedis ? await RedisServer.StartAsync() : null, inputProperties, []);

    /// <summary>As above, with properties of the output topic.</summary>
    public static KafkaRun CreateWithOutput(KafkaBroker broker, params (string Name, string Value)[] outputProperties) => new(broker, 1, null, [], outputProperties);

    /// <summary>One whose input has a single copy: where its broker is away, so is the partition.</summary>
    public static KafkaRun OnSingleCopies(KafkaBroker cluster, int partitions) => new(cluster, partitions, redis: null, inputProperties: [], outputProperties: [], inputCopies: 1);

    /// <summary>Starts another instance.</summary>
    public SheafProcess Start(params string[] words) => StartFrom($"kafka://{_broker.Brokers}/{Input}?group={Group}", words);

    public SheafProcess StartFrom(string input, params string[] words)
    {
        List<string> all =
        [
            "process-spans", "--summary", "json", "--input", input,
            "--max-batch-time-ms", "50", "--flusher-processes", "2",
        ];
        if (!words.Contains("--shutdown-timeout")) all.AddRange(["--shutdown-timeout", "60"]);
        if (!Variables.ContainsKey("SHEAF_KAFKA_CONFIG")) all.AddRange(["--kafka-config", "fetch.wait.max.ms=50"]);
        if (!words.Contains("--log-level")) all.AddRange(["--log-level", "information"]);
        if (!words.Contains("--output")) all.AddRange(["--output", $"kafka://{_broker.Brokers}/{Output}"]);
        if (Redis is not null) all.AddRange(["--buffer", Redis.Uri]);
        SheafProcess instance = SheafProcess.Start(Folder, new Dictionary<string, string>(Variables), [.. all, .. words]);
        _instances.Add(instance);
        instance.BeginOutput();
        return instance;
    }

    /// <summary>Waits until an instance has told of so many partitions that it got, over its life.</summary>
    public static Task AssignedAsync(SheafProcess instance, int partitions = 1) =>
        instance.WaitForErrorAsync(error => Logged.Count(error, EventIds.PartitionAssigned) >= partitions);

    /// <summary>Produces spans, each to its trace's partition, at a time in seconds after the beginning.</summary>
    public async Task ProduceAsync(IReadOnlyList<string> spans, double second = 0)
    {
        _spans.AddRange(spans);
        KafkaError error = await _producer.ProduceAsync([.. spans.Select(Encoding.UTF8.GetBytes)], _beginMs + (long)(1000 * second), i => TraceOf(spans[i]));
        Assert.Equal("no error", error.ToString());
    }

    /// <summary>Produces spans to a partition each, by their index.</summary>
    public async Task ProduceToPartitionsAsync(IReadOnlyList<string> spans, Func<int, int> partition, double second = 0)
    {
        _spans.AddRange(spans);
        KafkaError error = await _producer.ProduceAsync([.. spans.Select(Encoding.UTF8.GetBytes)], _beginMs + (long)(1000 * second), partition: partition);
        Assert.Equal("no error", error.ToString());
    }

    /// <summary>Produces spans through another producer, which knows the partitions that the topic has gained.</summary>
    public async Task ProduceAnewAsync(IReadOnlyList<string> spans, double second = 0)
    {
        _spans.AddRange(spans);
        using var producer = new TestProducer(_broker.Brokers, Input);
        KafkaError error = await producer.ProduceAsync([.. spans.Select(Encoding.UTF8.GetBytes)], _beginMs + (long)(1000 * second), i => TraceOf(spans[i]));
        Assert.Equal("no error", error.ToString());
    }

    /// <summary>Waits until an instance has logged an event so often.</summary>
    public static Task LoggedAsync(SheafProcess instance, int eventId, int times = 1) =>
        instance.WaitForErrorAsync(error => error.Split(string.Create(CultureInfo.InvariantCulture, $" {eventId}: ")).Length > times);

    /// <summary>Produces a message that is no span, and that <see cref="VerifyAsync"/> does not look for.</summary>
    public async Task ProduceBadAsync(string message) => Assert.Equal("no error", (await _producer.ProduceAsync([Encoding.UTF8.GetBytes(message)], _beginMs)).ToString());

    /// <summary>Produces what moves the clock of every partition past every deadline; its own spans stay buffered.</summary>
    public Task LetTimePassAsync() => LetTimePassAsync(_producer);

    /// <summary>As above, through another producer, which knows the partitions that the topic has gained.</summary>
    public async Task LetTimePassAnewAsync()
    {
        using var producer = new TestProducer(_broker.Brokers, Input);
        await LetTimePassAsync(producer);
    }

    private async Task LetTimePassAsync(TestProducer producer)
    {
        string[] late = [.. Enumerable.Range(1, 64).Select(i => Span(project: 99, trace: $"{i:x32}", id: i))];
        KafkaError error = await producer.ProduceAsync([.. late.Select(Encoding.UTF8.GetBytes)], _beginMs + (long)Later.TotalMilliseconds, i => TraceOf(late[i]));
        Assert.Equal("no error", error.ToString());
    }

    /// <summary>Reads the output until it has so many spans.</summary>
    public Task ReadAsync(long spans) => Eventually.TrueAsync(
        () => SpansOut >= spans, $"{spans} spans in the output", Look, () => $"It has {SpansOut}; instances:\n{string.Join("\n", _instances.Select(i => i.Error))}");

    /// <summary>Reads the output once more, from its beginning to its end.</summary>
    public Task ReadToEndAsync()
    {
        _reader?.Dispose();
        _reader = null;
        _readUpTo = 0;
        return Eventually.TrueAsync(() => _reader?.Ends.Count == OutputPartitions, "the end of the output", Look);
    }

    /// <summary>Ends an instance as an orchestrator does.</summary>
    public static async Task<Ended> StopAsync(SheafProcess instance)
    {
        await LoggedAsync(instance, EventIds.WorkersHealthy); // before that a signal only ends it
        await instance.SignalAsync(SheafProcess.Terminate);
        Ended ended = await instance.EndAsync();
        ended.AssertEnded(0);
        return ended;
    }

    /// <summary>What is wrong with all that came out, seen together with all that went in.</summary>
    /// <param name="expected">Lines of what is expected; null: only the rules hold.</param>
    public async Task<RunVerifier> VerifyAsync(IEnumerable<string>? expected = null)
    {
        await ReadToEndAsync();
        var verifier = new RunVerifier();
        await verifier.ReadSpansAsync(Lines(_spans), default);
        if (expected is not null) await verifier.ReadExpectedAsync(Lines(expected), default);
        await verifier.ReadSegmentsAsync(Lines(Segments.Select(m => m.Text).Where(text => !text.Contains("\"project_id\":99,", StringComparison.Ordinal))), default);
        verifier.Finish();
        return verifier;
    }

    /// <summary>Spans of a step of <see cref="ProduceOverTimeAsync"/>.</summary>
    public const int SpansPerStep = 100;

    /// <summary>Produces traces, half of which are complete only with the next step, three seconds of stream time later.</summary>
    public async Task ProduceOverTimeAsync(int first, int steps)
    {
        for (int step = first; step < first + steps; step++)
        {
            string[] spans = Traces(step * SpansPerStep / 5, SpansPerStep / 5);
            await ProduceAsync(spans[..(SpansPerStep / 2)], second: 3 * step);
            await ProduceAsync(spans[(SpansPerStep / 2)..], second: (3 * step) + 3);
        }
    }

    public static void AssertRight(RunVerifier verified) => Assert.True(verified.Problems.Count == 0, string.Join("\n", verified.Problems.First));

    public static string Span(int project, string trace, int id, string? parent = null) => string.Create(CultureInfo.InvariantCulture,
        $$"""{"trace_id":"{{trace}}","span_id":"{{id:x16}}","parent_span_id":{{(parent is null ? "null" : $"\"{parent}\"")}},"project_id":{{project}},"organization_id":1,"start_timestamp":1.5,"end_timestamp":2.5,"received":3,"retention_days":90,"status":"ok","name":"n"}""");

    /// <summary>Traces of a root and some children each, in random order.</summary>
    public static string[] Traces(int first, int count, int spans = 5)
    {
        string[] lines = [.. Enumerable.Range(first, count).SelectMany(t => Enumerable.Range(1, spans).Select(i => Span(t % 7, $"{t + 1000:x32}", i, i == 1 ? null : $"{1:x16}")))];
        new Random(first).Shuffle(lines);
        return lines;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SheafProcess instance in _instances) await instance.DisposeAsync();
        if (Redis is not null) await Redis.DisposeAsync();
        _producer.Dispose();
        _reader?.Dispose();
        _folder.Dispose();
    }

    private static MemoryStream Lines(IEnumerable<string> lines) => new(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n"))));

    private static string TraceOf(string span)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(span);
            return json.RootElement.TryGetProperty("trace_id", out JsonElement trace) ? trace.ToString() : "none";
        }
        catch (JsonException)
        {
            return "none";
        }
    }

    private readonly HashSet<string> _flushIds = [];

    /// <summary>Reads what is there.</summary>
    public void Look()
    {
        _reader ??= TestMember.Reader(_broker.Brokers, Output, OutputPartitions);
        _reader.Step(20);
        for (; _readUpTo < _reader.Messages.Count; _readUpTo++)
        {
            IReadOnlyDictionary<string, string> fields = _reader.Messages[_readUpTo].Fields();
            bool isNew = _flushIds.Add($"{fields["flush_id"]} {fields["lowest_offset"]}");
            if (isNew) SpansOut += long.Parse(fields["span_count"], CultureInfo.InvariantCulture);
        }
    }
}

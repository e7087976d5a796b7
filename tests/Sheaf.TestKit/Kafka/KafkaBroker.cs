using System.Diagnostics;
using System.Globalization;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;

namespace Sheaf.TestKit.Kafka;

/// <summary>Which broker the tests talk to.</summary>
public enum KafkaBrokerKind
{
    /// <summary>A real Apache Kafka that the tests have started, and end.</summary>
    Started,

    /// <summary>A real one, named by <c>SHEAF_TEST_KAFKA=host:port</c>; it is not stopped, and topics stay behind.</summary>
    Given,

    /// <summary>librdkafka's mock cluster in this process.</summary>
    Mock,
}

/// <summary>
/// A broker of the tests: the address in <c>SHEAF_TEST_KAFKA</c> (<c>mock</c>: the mock cluster, whatever else there is), else a real Apache
/// Kafka started from the folder <c>SHEAF_TEST_KAFKA_DIR</c> or <c>shared/kafka</c> in a folder above the repository, else the mock cluster.
/// The tests of all collections share one, side by side, each with topics and groups of its own; a test that stops its broker has one of its
/// own (<see cref="StartOwn"/>). What was started ends with its object, or with this process: a watcher sees to it.
/// </summary>
public sealed unsafe class KafkaBroker : IDisposable
{
    private static readonly TimeSpan MostTime = Eventually.Patience;

    /// <summary>Started by the first test that needs it, and left to the watcher at the end of this process.</summary>
    private static readonly Lazy<KafkaBroker> Shared = new(StartShared);

    private static int s_count;

    private readonly MockCluster? _mock;
    private readonly string _script = "";
    private readonly TempFolder? _folder;
    private readonly ClientHandle _admin;
    private readonly int _number = Interlocked.Increment(ref s_count);
    private int _names;

    /// <summary>The one that all tests share.</summary>
    public KafkaBroker()
    {
        KafkaBroker shared = Shared.Value;
        (Kind, Brokers, _mock, IsOwn) = (shared.Kind, shared.Brokers, shared._mock, false);
        _admin = AdminOf(Brokers);
    }

    /// <summary>One that somebody else starts and ends.</summary>
    internal KafkaBroker(string brokers)
    {
        Kind = KafkaBrokerKind.Given;
        Brokers = brokers;
        _admin = AdminOf(brokers);
    }

    private KafkaBroker(KafkaBrokerKind kind, int brokers)
    {
        TestFunctions.EnsureLoaded();
        (Kind, IsOwn) = (kind, kind != KafkaBrokerKind.Given);
        if (kind == KafkaBrokerKind.Given)
        {
            Brokers = Given!;
        }
        else if (kind == KafkaBrokerKind.Mock)
        {
            _mock = new MockCluster();
            Brokers = _mock.Brokers;
        }
        else
        {
            _script = FindScript()!;
            _folder = new TempFolder();
            StartWatcher();
            Brokers = StartInFolder(brokers);
        }
        _admin = AdminOf(Brokers);
    }

    /// <summary>One that no other test talks to, so that it may be stopped. The caller disposes it.</summary>
    public static KafkaBroker StartOwn() => new(ChosenKind, brokers: 1);

    /// <summary>Several brokers of one cluster; the first is the controller too. The caller disposes it.</summary>
    public static KafkaBroker StartCluster(int brokers) => new(KafkaBrokerKind.Started, brokers);

    public KafkaBrokerKind Kind { get; }

    /// <summary>Which broker the tests talk to; decided without starting one.</summary>
    public static KafkaBrokerKind ChosenKind { get; } = Given switch
    {
        Mock => KafkaBrokerKind.Mock,
        { Length: > 0 } => KafkaBrokerKind.Given,
        _ => FindScript() is null ? KafkaBrokerKind.Mock : KafkaBrokerKind.Started,
    };

    private const string Mock = "mock";

    private static string? Given => Environment.GetEnvironmentVariable("SHEAF_TEST_KAFKA");

    private string Described => Kind switch
    {
        KafkaBrokerKind.Given => "a given broker (SHEAF_TEST_KAFKA)",
        KafkaBrokerKind.Started => $"Apache Kafka started from {Path.GetDirectoryName(_script)}",
        KafkaBrokerKind.Mock => "librdkafka's mock cluster",
    };

    /// <summary>Its bootstrap servers.</summary>
    public string Brokers { get; }

    /// <summary>Whether no other test talks to it, so that it may be stopped.</summary>
    private bool IsOwn { get; }

    /// <summary>The broker's process, where it was started for this test; else 0.</summary>
    public int ProcessId => _folder is not null ? int.Parse(File.ReadAllText(Path.Combine(_folder.Root, "1", "pid")), CultureInfo.InvariantCulture) : 0;

    /// <summary>Whether it can say what a topic's configuration is, and keeps to it.</summary>
    public bool HasTopicConfiguration => Kind != KafkaBrokerKind.Mock;

    /// <summary>A name that no other test has.</summary>
    public string NewName(string begin) =>
        string.Create(CultureInfo.InvariantCulture, $"{begin}-{Environment.ProcessId}-{_number}-{Interlocked.Increment(ref _names)}");

    /// <summary>Creates a topic of its own for a test.</summary>
    public string CreateTopic(int partitions = 1, params (string Name, string Value)[] properties) => CreateTopic(partitions, copies: -1, properties);

    /// <param name="copies">How many brokers have each partition; -1: as the cluster has it by default.</param>
    public string CreateTopic(int partitions, int copies, params (string Name, string Value)[] properties)
    {
        string name = NewName("test");
        if (_mock is not null) _mock.CreateTopic(name, partitions);
        else CreateTopic(name, partitions, copies, properties);
        return name;
    }

    /// <summary>Creates a topic of a real broker, for instance one that was deleted.</summary>
    public void CreateTopic(string name, int partitions, int copies, params (string Name, string Value)[] properties)
    {
        byte* error = stackalloc byte[NativeText.ErrorSize];
        nint topic = LibRdKafka.rd_kafka_NewTopic_new(name, partitions, copies, error, NativeText.ErrorSize);
        Xunit.Assert.True(topic != 0, NativeText.Read(error));
        foreach ((string property, string value) in properties) Xunit.Assert.Equal(0, LibRdKafka.rd_kafka_NewTopic_set_config(topic, property, value));
        nint queue = LibRdKafka.rd_kafka_queue_new(_admin);
        LibRdKafka.rd_kafka_CreateTopics(_admin, &topic, 1, 0, queue);
        nint answer = LibRdKafka.rd_kafka_queue_poll(queue, (int)MostTime.TotalMilliseconds);
        Xunit.Assert.True(answer != 0, $"topic {name} was not created within {MostTime}");
        nuint count;
        nint* results = LibRdKafka.rd_kafka_CreateTopics_result_topics(LibRdKafka.rd_kafka_event_CreateTopics_result(answer), &count);
        Xunit.Assert.True(
            count == 1 && LibRdKafka.rd_kafka_topic_result_error(*results) == 0,
            NativeText.Read(count == 1 ? LibRdKafka.rd_kafka_topic_result_error_string(*results) : LibRdKafka.rd_kafka_event_error_string(answer)));
        LibRdKafka.rd_kafka_event_destroy(answer);
        LibRdKafka.rd_kafka_queue_destroy(queue);
        LibRdKafka.rd_kafka_NewTopic_destroy(topic);
        WaitUntilKnown(name, partitions);
    }

    // Brokers take their time with many partitions, and answer until then that they know no such topic.
    private void WaitUntilKnown(string topic, int partitions)
    {
        nint handle = _admin.Topic(topic);
        long begun = TimeProvider.System.GetTimestamp();
        int[] leaders;
        while (!KafkaTopic.AskLeaders(_admin, handle, out leaders).IsNone || leaders.Length < partitions || leaders.Contains(KafkaTopic.NoLeader))
        {
            Xunit.Assert.True(TimeProvider.System.GetElapsedTime(begun) < MostTime, $"topic {topic} is not known within {MostTime}");
            Thread.Yield();
        }
    }

    /// <summary>Deletes a topic of a real broker; its files go after <c>file.delete.delay.ms</c>.</summary>
    public void DeleteTopic(string name)
    {
        nint topic = TestFunctions.rd_kafka_DeleteTopic_new(name);
        nint queue = LibRdKafka.rd_kafka_queue_new(_admin);
        TestFunctions.rd_kafka_DeleteTopics(_admin, &topic, 1, 0, queue);
        nint answer = LibRdKafka.rd_kafka_queue_poll(queue, (int)MostTime.TotalMilliseconds);
        Xunit.Assert.True(answer != 0, $"topic {name} was not deleted within {MostTime}");
        LibRdKafka.rd_kafka_event_destroy(answer);
        LibRdKafka.rd_kafka_queue_destroy(queue);
        TestFunctions.rd_kafka_DeleteTopic_destroy(topic);
    }

    /// <summary>Gives a topic more partitions. Not with the mock cluster.</summary>
    public void AddPartitions(string topic, int total)
    {
        byte* error = stackalloc byte[NativeText.ErrorSize];
        nint partitions = TestFunctions.rd_kafka_NewPartitions_new(topic, (nuint)total, error, NativeText.ErrorSize);
        Xunit.Assert.True(partitions != 0, NativeText.Read(error));
        nint queue = LibRdKafka.rd_kafka_queue_new(_admin);
        TestFunctions.rd_kafka_CreatePartitions(_admin, &partitions, 1, 0, queue);
        nint answer = LibRdKafka.rd_kafka_queue_poll(queue, (int)MostTime.TotalMilliseconds);
        Xunit.Assert.True(answer != 0, $"topic {topic} was not given {total} partitions within {MostTime}");
        Xunit.Assert.Equal("Success", NativeText.Read(LibRdKafka.rd_kafka_event_error_string(answer)));
        LibRdKafka.rd_kafka_event_destroy(answer);
        LibRdKafka.rd_kafka_queue_destroy(queue);
        TestFunctions.rd_kafka_NewPartitions_destroy(partitions);
    }

    /// <summary>The broker that leads a partition.</summary>
    public int LeaderOf(string topic, int partition)
    {
        KafkaError error = KafkaTopic.AskLeaders(_admin, _admin.Topic(topic), out int[] leaders);
        return error.IsNone && leaders[partition] > 0 ? leaders[partition] : throw new InvalidOperationException($"{topic}/{partition} has no leader: {error}");
    }

    /// <summary>Kills a broker, for real.</summary>
    public void Halt(int broker = 1)
    {
        Xunit.Assert.True(IsOwn, "other tests talk to this broker");
        if (_mock is not null) _mock.StopBroker();
        else Run("kill", _folder!.Root, broker.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Starts it again, on its own log. Clients find it when it is up.</summary>
    public void Restart(int broker = 1)
    {
        if (_mock is not null) _mock.StartBroker();
        else Run("restart", _folder!.Root, broker.ToString(CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _admin.Dispose();
        if (IsOwn) _mock?.Dispose();
        if (_folder is not null) Stop();
    }

    private static KafkaBroker StartShared()
    {
        KafkaBroker shared = StartOwn();
        // The runner shows nothing of what a suite writes to the console: ./test names a file, and shows that.
        if (Environment.GetEnvironmentVariable("SHEAF_TEST_TOLD") is { Length: > 0 } told)
            File.WriteAllText(told, $"Kafka: {shared.Described}, librdkafka {KafkaLibrary.Version}\n");
        return shared;
    }

    private string StartInFolder(int brokers)
    {
        try
        {
            return Run("start", _folder!.Root, "-b", brokers.ToString(CultureInfo.InvariantCulture)).Trim();
        }
        catch
        {
            Stop();
            throw;
        }
    }

    private static ClientHandle AdminOf(string brokers) =>
        ClientHandle.Create(ClientType.Producer, new KafkaConfig().Set("bootstrap.servers", brokers), new ClientEvents(null));

    /// <summary>What starts brokers; null where it is not there.</summary>
    internal static string? FindScript()
    {
        if (Environment.GetEnvironmentVariable("SHEAF_TEST_KAFKA_DIR") is { Length: > 0 } given)
        {
            string script = Path.Combine(given, "kafka");
            return File.Exists(script) ? script : throw new FileNotFoundException($"SHEAF_TEST_KAFKA_DIR: no {script}");
        }
        for (DirectoryInfo? folder = new DirectoryInfo(RepositoryFiles.Root).Parent; folder is not null; folder = folder.Parent)
        {
            string script = Path.Combine(folder.FullName, "shared", "kafka", "kafka");
            if (File.Exists(script) && OperatingSystem.IsLinux()) return script;
        }
        return null;
    }

    /// <summary>Ends the broker when this process is gone without having done so.</summary>
    private void StartWatcher() => StartWatcher(_script, _folder!.Root);

    internal static void StartWatcher(string script, string folder)
    {
        const string Watch = """exec >/dev/null 2>&1; while kill -0 "$1" 2>/dev/null && [ -d "$3" ]; do sleep 1; done; if [ -d "$3" ]; then "$2" stop "$3"; rm -rf "$3"; fi""";
        using var watcher = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", Watch, "sheaf-kafka-watcher", $"{Environment.ProcessId}", script, folder])
        {
            RedirectStandardInput = true,
        });
    }

    private void Stop()
    {
        Run("stop", _folder!.Root);
        _folder.Dispose();
    }

    private string Run(params string[] words) => RunProgram(_script, words);

    internal static string RunProgram(string program, params string[] words)
    {
        var start = new ProcessStartInfo(program, words) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1"; // brokers that live for minutes: half of a start is compiling
        using Process process = Process.Start(start)!;
        string error = "";
        process.ErrorDataReceived += (_, line) => error += line.Data + "\n";
        process.BeginErrorReadLine();
        string output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(MostTime) || process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', words)}: {output}{error}");
        return output;
    }
}

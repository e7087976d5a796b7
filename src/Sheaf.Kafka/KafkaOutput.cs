using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Kafka.Native;
using Sheaf.Kafka.Progress;
using Sheaf.Segments;

namespace Sheaf.Kafka;

/// <summary>Segments as messages of one topic or several, checked once; each flusher worker takes a client of its own. Immutable; any thread.</summary>
public sealed class KafkaOutput
{
    /// <summary>What a segment's message needs besides its value: its header, and as much again for key and batch.</summary>
    public const int MessageOverhead = 2 * SegmentFields.MostBytes;

    private readonly KafkaConfig _config;
    private readonly ILogger? _log;
    private readonly TimeProvider _time;
    private readonly OutageWatch _outages;

    // Where the brokers do not tell what a topic takes: what they let one take unless somebody says otherwise.
    private const int UsualMaxMessageBytes = 1_048_588;

    // As low as --max-segment-bytes may be.
    private const int LeastSegmentBytes = 1 << 10;

    private KafkaOutput(KafkaOutputOptions options, int maxMessageBytes, ILogger? log, TimeProvider time)
    {
        Options = options;
        _config = options.ToConfig(maxMessageBytes);
        // A property of the client may be lower than what the topics take.
        MaxMessageBytes = Math.Min(maxMessageBytes, _config.MaxMessageBytes ?? maxMessageBytes);
        MaxSegmentBytes = options.MaxSegmentBytes ?? Math.Min(MaxMessageBytes - MessageOverhead, SegmentRules.UsualMaxSegmentBytes);
        _log = log;
        _time = time;
        _outages = new OutageWatch(
            $"output {options.Address}", options.Address.Topics, "Segments wait in the buffer, and the input waits once that is full", isOutput: true,
            log ?? NullLogger.Instance, time);
    }

    /// <summary>How segments leave.</summary>
    public KafkaOutputOptions Options { get; }

    /// <summary>The largest message, in bytes, that every topic takes, and the client.</summary>
    public int MaxMessageBytes { get; }

    /// <summary>The largest message that is made of several spans: what was asked for, or else what fits.</summary>
    public int MaxSegmentBytes { get; }

    /// <summary>A sentence for each topic whose limit the brokers do not tell: what is assumed, and what to do.</summary>
    public IReadOnlyList<string> UnknownLimits { get; private init; } = [];

    /// <summary>Asks the brokers for the topics and their limits. Waits for brokers that are away.</summary>
    /// <exception cref="ConfigurationException">A topic is missing or too small for a segment, a property is wrong, or librdkafka is missing.</exception>
    /// <exception cref="SinkException">No broker answered in time.</exception>
    public static async ValueTask<KafkaOutput> OpenAsync(
        KafkaOutputOptions options, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        // librdkafka's waits block their thread.
        var unknown = new List<string>();
        int maxMessageBytes = await Task.Run(() => CheckTopics(options, unknown, log, time, cancel), cancel);
        return new KafkaOutput(options, maxMessageBytes, log, time) { UnknownLimits = unknown };
    }

    /// <summary>An output that another process has checked already.</summary>
    /// <param name="maxMessageBytes">Its <see cref="MaxMessageBytes"/>.</param>
    public static KafkaOutput Checked(KafkaOutputOptions options, int maxMessageBytes, ILogger? log, TimeProvider time) => new(options, maxMessageBytes, log, time);

    /// <summary>A client for one worker.</summary>
    /// <exception cref="ConfigurationException">librdkafka refuses the properties.</exception>
    public KafkaSegmentSink CreateClient() => new(Options, KafkaProducer.Create(_config, _log, _outages), _time);

    /// <summary>A client for one worker that delivers exactly once.</summary>
    /// <param name="worker">Its number: its successor takes its place at the brokers.</param>
    /// <exception cref="ConfigurationException">librdkafka refuses the properties.</exception>
    public KafkaSegmentSink CreateClient(KafkaProgress progress, int worker) =>
        new(Options, progress.OpenTransactions(string.Create(CultureInfo.InvariantCulture, $"worker-{worker}"), _config, _outages), progress, _time);

    private static int CheckTopics(KafkaOutputOptions options, List<string> unknown, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        KafkaLibrary.EnsureLoaded();
        int least = (options.MaxSegmentBytes ?? LeastSegmentBytes) + MessageOverhead;
        var events = new ClientEvents(log);
        KafkaConfig config = KafkaProducer.WithDelivery(options.ToConfig());
        using ClientHandle client = ClientHandle.Create(ClientType.Producer, config, events);
        int? smallest = null;
        var faults = new List<string>();
        foreach (string name in options.Address.Topics)
        {
            if (KafkaTopic.Find(client, events, name, options.StartTimeout, time, out KafkaError error, cancel) is not { } topic)
            {
                SheafException missing = Missing(options, name, error, events.LastError);
                if (missing is not ConfigurationException) throw missing;
                faults.Add(missing.Message);
                continue;
            }
            if (KafkaRights.WhyNotTopic(client, options.Address, name, KafkaRight.Write, time, cancel) is { } lack) faults.Add($"{options.Name}: {options.Address}: {lack}");
            int limit = topic.MaxMessageBytes ?? (options.MaxSegmentBytes is null ? UsualMaxMessageBytes : least);
            if (topic.MaxMessageBytes is null)
            {
                unknown.Add(Untold(options, name, limit));
                if (log is not null) KafkaLog.LimitUnknown(log, unknown[^1]);
            }
            if (limit < least) faults.Add(TooSmall(options, name, limit));
            smallest = Math.Min(limit, smallest ?? limit);
        }
        if (faults.Count > 0) throw new ConfigurationException(faults);
        return smallest ?? least;
    }

    /// <summary>Asks the brokers for the first topic. Waits for brokers that are away.</summary>
    /// <exception cref="ConfigurationException">It is missing, a property is wrong, or librdkafka is missing.</exception>
    /// <exception cref="SinkException">No broker answered in time.</exception>
    internal static async ValueTask<KafkaTopic> FindTopicAsync(KafkaOutputOptions options, ILogger? log, TimeProvider time, CancellationToken cancel) =>
        await Task.Run(
            () =>
            {
                KafkaLibrary.EnsureLoaded();
                var events = new ClientEvents(log);
                using ClientHandle client = ClientHandle.Create(ClientType.Producer, KafkaProducer.WithDelivery(options.ToConfig()), events);
                KafkaTopic topic = Find(options, options.Address.Topic, client, events, time, cancel);
                return KafkaRights.WhyNotTopic(client, options.Address, topic.Name, KafkaRight.Write, time, cancel) is { } lack
                    ? throw new ConfigurationException($"{options.Name}: {options.Address}: {lack}") : topic;
            },
            cancel);

    private static KafkaTopic Find(KafkaOutputOptions options, string name, ClientHandle client, ClientEvents events, TimeProvider time, CancellationToken cancel) =>
        KafkaTopic.Find(client, events, name, options.StartTimeout, time, out KafkaError error, cancel) ?? throw Missing(options, name, error, events.LastError);

    private static SheafException Missing(KafkaOutputOptions options, string topic, KafkaError error, KafkaError cause)
    {
        string message = $"{options.Name}: {options.Address}: topic {topic}: {error.Text}. {error.WayOut(topic)}";
        if (error.Kind is not KafkaErrorKind.Retriable) return new ConfigurationException(message);
        // The time-out itself says nothing; what the client heard last may say why.
        return new SinkException(cause.IsNone ? message : $"{message}. Last: {cause.Text}");
    }

    private static string Untold(KafkaOutputOptions options, string topic, int limit) => options.MaxSegmentBytes is { } asked
        ? $"topic {topic}: the brokers do not tell its max.message.bytes; it must be {limit} or more for --max-segment-bytes {asked}"
        : $"topic {topic}: the brokers do not tell its max.message.bytes, so {limit} is assumed, which is what they take unless told otherwise. Give this client's user "
            + "the right DescribeConfigs on the topic, or name the limit with --max-segment-bytes";

    private static string TooSmall(KafkaOutputOptions options, string topic, int limit)
    {
        string asked = options.MaxSegmentBytes is { } bytes ? $"a segment may have --max-segment-bytes {bytes}" : $"a segment needs {LeastSegmentBytes}";
        string lower = options.MaxSegmentBytes is null ? "" : limit >= LeastSegmentBytes + MessageOverhead
            ? $"; or lower --max-segment-bytes to {limit - MessageOverhead}, or leave it out" : "; or lower --max-segment-bytes";
        return $"{options.Name}: topic {topic} takes messages of at most {limit} bytes (max.message.bytes), but {asked} and {MessageOverhead} for key and header. "
            + $"Raise the topic's: kafka-configs.sh --bootstrap-server {options.Address.Brokers} --alter --topic {topic} "
            + $"--add-config max.message.bytes={(options.MaxSegmentBytes ?? SegmentRules.UsualMaxSegmentBytes) + MessageOverhead}{lower}";
    }
}

namespace Sheaf.Kafka;

/// <summary>Where to begin in a partition without a committed offset.</summary>
public enum AutoOffsetReset
{
    Earliest,
    Latest,

    /// <summary>Not at all: the run ends and says so.</summary>
    Error,
}

/// <summary>How a group consumer reads. Immutable.</summary>
public sealed record KafkaConsumerOptions
{
    /// <summary>Brokers, topic, group, and properties, which go before those of <see cref="Config"/>.</summary>
    public required KafkaAddress Address { get; init; }

    /// <summary>Further properties of librdkafka; they replace what the address and the options below say.</summary>
    public KafkaConfig Config { get; init; } = new();

    /// <summary>Where to begin in a partition without a committed offset.</summary>
    public AutoOffsetReset AutoOffsetReset { get; init; } = AutoOffsetReset.Latest;

    /// <summary>
    /// A committed offset that is out of range is an error, whatever <see cref="AutoOffsetReset"/> says: the messages between are lost. The owner then
    /// resolves partitions without a committed offset itself (<see cref="KafkaConsumer.Committed"/>).
    /// </summary>
    public bool StrictOffsetReset { get; init; } = true;

    /// <summary>The longest time between two polls, after which the group goes on without this consumer.</summary>
    public TimeSpan MaxPollInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Static membership: a restart within the session time-out keeps its partitions. Empty: dynamic.</summary>
    public string GroupInstanceId { get; init; } = "";

    /// <summary>
    /// How long the brokers may say that there is no such topic, which was there at the start: while they restart some of them do not know it yet. As long as librdkafka itself waits for a new
    /// topic (<c>topic.metadata.propagation.max.ms</c>).
    /// </summary>
    public TimeSpan AbsencePatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What <see cref="AbsencePatience"/> is measured with.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The properties that follow.</summary>
    internal KafkaConfig ToConfig()
    {
        KafkaConfig config = new KafkaConfig()
            .Set("bootstrap.servers", Address.Brokers)
            .Set("group.id", Address.Group)
            .Set("enable.auto.commit", "false")
            .Set("enable.auto.offset.store", "false")
            .Set("enable.partition.eof", "true")
            .Set("max.poll.interval.ms", Milliseconds(MaxPollInterval))
            .Set("auto.offset.reset", StrictOffsetReset ? "error" : Name(AutoOffsetReset));
        if (MaxPollInterval < SessionTimeout) config.Set("session.timeout.ms", Milliseconds(MaxPollInterval));
        if (GroupInstanceId.Length > 0) config.Set("group.instance.id", GroupInstanceId);
        foreach ((string name, string value) in Address.Properties) config.Set(name, value);
        foreach ((string name, string value) in Config.Properties) config.Set(name, value);
        return config;
    }

    // librdkafka's default; it refuses a poll interval that is shorter than the session's time-out.
    private static readonly TimeSpan SessionTimeout = TimeSpan.FromSeconds(45);

    private static string Milliseconds(TimeSpan time) => ((long)time.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static string Name(AutoOffsetReset reset) => reset switch
    {
        AutoOffsetReset.Earliest => "earliest",
        AutoOffsetReset.Latest => "latest",
        AutoOffsetReset.Error => "error",
    };
}

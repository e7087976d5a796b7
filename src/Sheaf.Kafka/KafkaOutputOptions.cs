using Sheaf.Segments;

namespace Sheaf.Kafka;

/// <summary>What the key of a segment's message is, and so which segments share a partition.</summary>
public enum KafkaKeyChoice
{
    /// <summary>No key: librdkafka fills one partition for a moment, then the next.</summary>
    None,

    /// <summary>The trace id, 32 hex digits.</summary>
    Trace,

    /// <summary>The project id, decimal.</summary>
    Project,
}

/// <summary>How segments leave for Kafka. Immutable.</summary>
public sealed record KafkaOutputOptions
{
    /// <summary>What messages to people call it.</summary>
    public string Name { get; init; } = "output";

    /// <summary>Brokers, topics, and properties, which go before those of <see cref="Config"/>.</summary>
    public required KafkaAddress Address { get; init; }

    /// <summary>Further properties of librdkafka; they replace what the address and the options below say.</summary>
    public KafkaConfig Config { get; init; } = new();

    /// <summary>What the messages' key is.</summary>
    public KafkaKeyChoice Key { get; init; } = KafkaKeyChoice.None;

    /// <summary>none, gzip, snappy, lz4 or zstd; as far as librdkafka was built with it.</summary>
    public string Compression { get; init; } = "none";

    /// <summary>
    /// The largest message that the flusher makes of several spans, in bytes; every topic must take it. Null: what they take, and <see cref="SegmentRules.UsualMaxSegmentBytes"/> at most.
    /// </summary>
    public int? MaxSegmentBytes { get; init; }

    /// <summary>How long the brokers may take to answer at the start.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The properties that follow.</summary>
    /// <param name="maxMessageBytes">What every topic takes; null: not known yet.</param>
    internal KafkaConfig ToConfig(int? maxMessageBytes = null)
    {
        KafkaConfig config = new KafkaConfig()
            .Set("bootstrap.servers", Address.Brokers)
            .Set("compression.type", Compression)
            // A worker hands over a whole batch and waits for it, so nothing comes that a message could wait for. (While less than a millisecond of a wait is left, librdkafka 2.0 spins.)
            .Set("linger.ms", "0")
            // librdkafka allows 1000 to 1000000000.
            .Set("message.max.bytes", Math.Clamp(maxMessageBytes ?? MaxSegmentBytes ?? SegmentRules.UsualMaxSegmentBytes, 1000, 1_000_000_000).ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach ((string name, string value) in Address.Properties) config.Set(name, value);
        foreach ((string name, string value) in Config.Properties) config.Set(name, value);
        return config;
    }
}

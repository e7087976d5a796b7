namespace Sheaf.Kafka.Progress;

/// <summary>Where the progress of a run without a buffer of its own outside is kept. Immutable.</summary>
public sealed record KafkaProgressOptions
{
    /// <summary>The run's input: its brokers, topic, group and properties.</summary>
    public required KafkaConsumerOptions Input { get; init; }

    /// <summary>The compacted topic that holds it, on the brokers of the input. Made where it is missing.</summary>
    public required string Topic { get; init; }

    /// <summary>What the transactional ids of this instance begin with; no two instances may have the same.</summary>
    public required string Instance { get; init; }

    /// <summary>How long the brokers may take to answer at the start.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long progress that is committed may take to be readable, when a partition comes: the brokers end a transaction everywhere, but not everywhere at the same time.
    /// </summary>
    public TimeSpan ReadTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

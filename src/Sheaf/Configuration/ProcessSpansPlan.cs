using Microsoft.Extensions.Logging;
using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Configuration;

/// <summary>What a run of <c>sheaf process-spans</c> is to do: every value bound and in its range. Immutable.</summary>
internal sealed record ProcessSpansPlan
{
    /// <summary>A path, or <c>-</c> for standard input; an address where <see cref="KafkaInput"/> says more.</summary>
    public required string Input { get; init; }

    /// <summary>How spans are written in the input's messages.</summary>
    public required SpanFormat InputFormat { get; init; }

    /// <summary>How the input is read from Kafka; null where it is a file.</summary>
    public KafkaInputPlan? KafkaInput { get; init; }

    /// <summary>A path, or <c>-</c> for standard output; an address where <see cref="KafkaOutput"/> says more.</summary>
    public required string Output { get; init; }

    /// <summary>How segments leave for Kafka; null where they go to a file.</summary>
    public KafkaOutputOptions? KafkaOutput { get; init; }
    public required DeliveryGuarantee Delivery { get; init; }

    /// <summary>What becomes of what an output file holds already.</summary>
    public required ExistingContent ExistingOutput { get; init; }
    public required bool WithHeaders { get; init; }
    public required int MaxMessageBytes { get; init; }
    public required SegmentRules Rules { get; init; }
    public required int Shards { get; init; }
    public required int FlusherProcesses { get; init; }
    public required long MaxBufferBytes { get; init; }
    public required BufferFullPolicy OnBufferFull { get; init; }
    public required BufferTarget Buffer { get; init; }
    public required FlusherIsolation Isolation { get; init; }

    /// <summary>For a buffer that outlives a run.</summary>
    public required EarlierRun EarlierRun { get; init; }
    public required double MaxMemoryShare { get; init; }
    public required TimeSpan RedisTtl { get; init; }
    public required int CompressionLevel { get; init; }
    public required int? SliceId { get; init; }
    public required TimeSpan MaxUnhealthy { get; init; }
    public required TimeSpan Backpressure { get; init; }
    public required TimeSpan ShutdownTimeout { get; init; }
    public required DeadLetterTarget DeadLetter { get; init; }
    public required ProgressMode Progress { get; init; }
    public required SummaryFormat Summary { get; init; }
    public required LogFormat LogFormat { get; init; }

    /// <summary>How often the log tells how the run gets on; zero: never.</summary>
    public required TimeSpan LogInterval { get; init; }

    /// <summary>The watched file, if there is one.</summary>
    public required string? ConfigPath { get; init; }

    /// <summary>What can change during the run, as it is at the start; <see cref="LivePlan"/> has what holds now.</summary>
    public required ReloadablePlan Reloadable { get; init; }

    /// <summary>How the progress of a buffer in memory is kept; null where it is kept nowhere, or is the buffer's own.</summary>
    public KafkaProgressOptions? ProgressOptions() =>
        Buffer is not BufferTarget.Memory || KafkaInput is not { ProgressTopic: { } topic, Consumer: var consumer } ? null : new KafkaProgressOptions
        {
            Input = consumer,
            Topic = topic,
            Instance = $"{consumer.Address.Group}-{(consumer.GroupInstanceId.Length > 0 ? consumer.GroupInstanceId : Guid.NewGuid().ToString("N"))}",
        };

    /// <summary>The topic of dead letters is on the brokers that are known: those of the output, or else of the input.</summary>
    public KafkaOutputOptions DeadLetterTopic(DeadLetterTarget.Kafka target) => new()
    {
        Name = "dead letters",
        Address = new KafkaAddress(KafkaOutput?.Address.Brokers ?? KafkaInput!.Consumer.Address.Brokers, [target.Topic], "", []),
        Config = KafkaOutput?.Config ?? KafkaInput!.Consumer.Config,
    };
}

/// <summary>How the input is read from Kafka. Immutable.</summary>
/// <param name="ProgressTopic">Where the progress of a buffer in memory is kept; null: nowhere.</param>
internal sealed record KafkaInputPlan(KafkaConsumerOptions Consumer, KafkaSourceOptions Source, string? ProgressTopic);

/// <summary>The part of the plan that a change of the file changes during a run. Immutable; swapped whole.</summary>
/// <param name="DeadLetterMaxRatio">0 to 1; applied after 1000 messages.</param>
/// <param name="DeadLetterMaxConsecutive">0 = no limit.</param>
internal sealed record ReloadablePlan(
    DropRules DropRules,
    int MaxFlushSegments,
    double DeadLetterMaxRatio,
    int DeadLetterMaxConsecutive,
    LogLevel LogLevel);

/// <summary>The reloadable plan that holds now. Anyone may read it, at any time; one watcher swaps it. Take it once per batch, not once per span.</summary>
internal sealed class LivePlan(ReloadablePlan initial)
{
    private volatile ReloadablePlan _current = initial;

    public ReloadablePlan Current
    {
        get => _current;
        set => _current = value;
    }
}

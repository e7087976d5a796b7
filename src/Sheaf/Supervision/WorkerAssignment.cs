using System.Text.Json;
using System.Text.Json.Serialization;
using Sheaf.Kafka;
using Sheaf.Segments;

namespace Sheaf.Supervision;

/// <summary>
/// All that a worker process needs to know for its life: one line of JSON on its standard input, since it may hold secrets, and since words of a command
/// and variables of an environment can be read by others. What changes while it lives is in the control block. Immutable.
/// </summary>
internal sealed record WorkerAssignment
{
    /// <summary>Where the control block lies (<see cref="Flushing.ControlBlock.SharedPath"/>).</summary>
    public required string ControlBlock { get; init; }

    /// <summary>Its number, from 0; also that of its cells in the control block.</summary>
    public required int Worker { get; init; }

    /// <summary>Ascending, at least one.</summary>
    public required IReadOnlyList<int> Shards { get; init; }

    public required SegmentRules Rules { get; init; }

    public required BufferAddress Buffer { get; init; }

    /// <summary>The file that all workers write to; the parent has prepared it. A name for people where <see cref="KafkaOutput"/> says more.</summary>
    public required string Output { get; init; }

    /// <summary>The topics that segments go to; null where they go to a file.</summary>
    public KafkaOutputAddress? KafkaOutput { get; init; }

    public bool WithHeaders { get; init; }

    /// <summary>See <see cref="Flushing.FlusherOptions.ProduceBytes"/>.</summary>
    public int ProduceBytes { get; init; } = new Flushing.FlusherOptions(new SegmentRules()).ProduceBytes;

    /// <summary>What of the <see cref="FaultPlan"/> is armed in this life.</summary>
    public string FaultPoints { get; init; } = "";

    /// <summary>Of what the fault plan leaves to chance.</summary>
    public int FaultSeed { get; init; }

    /// <summary>As one line, without its end.</summary>
    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, WorkerJson.Default.WorkerAssignment);

    /// <summary>Reads a line; false where it is no assignment.</summary>
    public static bool TryRead(ReadOnlySpan<byte> line, out WorkerAssignment assignment)
    {
        try
        {
            assignment = JsonSerializer.Deserialize(line, WorkerJson.Default.WorkerAssignment)!;
            return assignment is { Worker: >= 0, Shards.Count: > 0 };
        }
        catch (JsonException)
        {
            assignment = null!;
            return false;
        }
    }
}

/// <summary>Where the journal is that parent and workers share, and what a worker must know to fill its buffer from it. Plain values.</summary>
/// <param name="Address">With what it needs to be let in.</param>
internal sealed record BufferAddress(string Address)
{
    /// <summary>Keeps what belongs to this deployment apart from others on the same server; null: nothing does.</summary>
    public int? SliceId { get; init; }

    /// <summary>After so long without a write the journal forgets.</summary>
    public long TtlSeconds { get; init; } = 3600;

    /// <summary>Of entries; -1: none.</summary>
    public int CompressionLevel { get; init; } = -1;

    /// <summary>What counts as full in the memory of a worker.</summary>
    public long MaxBytes { get; init; } = long.MaxValue;

    /// <summary>What the journal is of: a file's name, or topic and group.</summary>
    public string Source { get; init; } = "";

    /// <summary>How the messages are written.</summary>
    public Spans.SpanFormat Format { get; init; }

    /// <summary>Without the address, which may hold a password.</summary>
    public override string ToString() => $"{nameof(BufferAddress)} {{ SliceId = {SliceId}, TtlSeconds = {TtlSeconds}, CompressionLevel = {CompressionLevel} }}";
}

/// <summary>The topics that segments go to, and what a producer for them must know. The parent has checked them.</summary>
/// <param name="Properties">Of librdkafka; they may be secret.</param>
internal sealed record KafkaOutputAddress(
    string Brokers, IReadOnlyList<string> Topics, IReadOnlyList<KeyValuePair<string, string>> Properties, KafkaKeyChoice Key, string Compression, int MaxSegmentBytes, int MaxMessageBytes)
{
    public static KafkaOutputAddress Of(KafkaOutput output) => new(
        output.Options.Address.Brokers, output.Options.Address.Topics, [.. output.Options.Address.Properties, .. output.Options.Config.Properties], output.Options.Key,
        output.Options.Compression, output.MaxSegmentBytes, output.MaxMessageBytes);

    public KafkaOutputOptions ToOptions()
    {
        var config = new KafkaConfig();
        foreach ((string name, string value) in Properties) config.Set(name, value);
        return new KafkaOutputOptions
        {
            Address = new KafkaAddress(Brokers, [.. Topics], "", []),
            Config = config,
            Key = Key,
            Compression = Compression,
            MaxSegmentBytes = MaxSegmentBytes,
        };
    }

    /// <summary>Without the properties.</summary>
    public override string ToString() => $"{nameof(KafkaOutputAddress)} {{ {Brokers}, {string.Join(',', Topics)} }}";
}

/// <summary>What parent and worker say to each other, as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(WorkerAssignment))]
[JsonSerializable(typeof(WorkerMessage))]
internal sealed partial class WorkerJson : JsonSerializerContext;

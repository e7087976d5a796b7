using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Buffering;

namespace Sheaf.Kafka.Progress;

/// <summary>
/// How progress is written in its topic. Each partition of the input has a head, and a message for each chunk of settled offsets: keys are <c>GROUP/TOPIC/PARTITION/head</c> and
/// <c>GROUP/TOPIC/PARTITION/NUMBER</c>. A head is JSON; a chunk is its bits, and belongs to the head whose epoch it names in a header.
/// </summary>
internal static class ProgressRecords
{
    private const string HeadName = "head";

    /// <summary>The header of a chunk that names its epoch.</summary>
    public static ReadOnlySpan<byte> EpochHeader => "epoch"u8;

    public static byte[] HeadKey(KafkaAddress input, int partition) => Key(input, partition, HeadName);

    public static byte[] ChunkKey(KafkaAddress input, int partition, long chunk) => Key(input, partition, chunk.ToString(CultureInfo.InvariantCulture));

    /// <summary>Reads a key. False: it belongs to another group or topic, or to nobody.</summary>
    /// <param name="chunk">Null: it is the head's.</param>
    public static bool TryReadKey(ReadOnlySpan<byte> key, KafkaAddress input, out int partition, out long? chunk)
    {
        (partition, chunk) = (0, null);
        string text = Encoding.UTF8.GetString(key);
        string begin = $"{input.Group}/{input.Topic}/";
        if (!text.StartsWith(begin, StringComparison.Ordinal)) return false;
        string[] rest = text[begin.Length..].Split('/');
        if (rest.Length != 2 || !int.TryParse(rest[0], NumberStyles.None, CultureInfo.InvariantCulture, out partition)) return false;
        if (rest[1] == HeadName) return true;
        if (!long.TryParse(rest[1], NumberStyles.None, CultureInfo.InvariantCulture, out long number)) return false;
        chunk = number;
        return true;
    }

    public static byte[] WriteHead(ProgressHead head) => JsonSerializer.SerializeToUtf8Bytes(head, ProgressJson.Default.ProgressHead);

    /// <summary>Null where it is none that this version can read.</summary>
    public static ProgressHead? ReadHead(ReadOnlySpan<byte> value)
    {
        try
        {
            return JsonSerializer.Deserialize(value, ProgressJson.Default.ProgressHead) is { Version: ProgressHead.Present } head ? head : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static byte[] Key(KafkaAddress input, int partition, string last) =>
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{input.Group}/{input.Topic}/{partition}/{last}"));
}

/// <summary>The progress of one partition of the input, but for its settled offsets. Immutable.</summary>
/// <param name="Epoch">Another one each time that reading begins anew, where somebody has set the group's offsets: what was settled before counts no more.</param>
/// <param name="Sequence">Counts the commits of an epoch; what the group's offset is committed with names it too.</param>
/// <param name="ReadOnFrom">The group's committed offset.</param>
/// <param name="ClockMs">The shard's clock before that offset, in ms; with the rest of it (<see cref="StreamClock"/>), which earlier versions did not write.</param>
internal sealed record ProgressHead(int Version, long Epoch, long Sequence, long ReadOnFrom, long ClockMs, long LeaptMs = 0, ulong Ahead = 0, long AheadMs = 0)
{
    [System.Text.Json.Serialization.JsonIgnore]
    public StreamClock Clock => new(ClockMs, LeaptMs, Ahead, AheadMs);

    /// <summary>The version that is written.</summary>
    public const int Present = 1;
}

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(ProgressHead))]
internal sealed partial class ProgressJson : System.Text.Json.Serialization.JsonSerializerContext;

/// <summary>What the group's offset is committed with, when progress goes with it: which commit of which epoch that is.</summary>
internal readonly record struct ProgressMark(long Epoch, long Sequence)
{
    private const string Begin = "sheaf-progress";

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Begin} {Epoch} {Sequence}");

    /// <summary>Null: somebody else has committed the offset, or set it by hand.</summary>
    public static ProgressMark? Parse(string metadata) =>
        metadata.Split(' ') is [Begin, var epoch, var sequence, ..]
        && long.TryParse(epoch, NumberStyles.None, CultureInfo.InvariantCulture, out long e) && long.TryParse(sequence, NumberStyles.None, CultureInfo.InvariantCulture, out long s)
            ? new ProgressMark(e, s) : null;
}

using Sheaf.Spans;
using StackExchange.Redis;

namespace Sheaf.Redis;

/// <summary>The two keys of a shard. What is in braces decides the slot of a cluster, so both lie in one. Frozen by a test. Immutable.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>sheaf:{SHARD}:log</c></term><description>stream: an entry for each appended batch, and for each one that was carried forward
/// (<see cref="JournalFields"/>)</description></item>
/// <item><term><c>sheaf:{SHARD}:state</c></term><description>hash: generations, how far the input is stored, what is settled
/// (<see cref="JournalFields"/>)</description></item>
/// </list>
/// With a slice id the braces hold <c>SLICE:SHARD</c>.
/// </remarks>
internal sealed class JournalKeys
{
    /// <param name="sliceId"><c>kafka-slice-id</c>; null for none.</param>
    public JournalKeys(int? sliceId, ShardId shard)
    {
        string common = sliceId is { } slice ? $"sheaf:{{{slice}:{shard}}}" : $"sheaf:{{{shard}}}";
        All = [common + ":state", common + ":log"];
    }

    /// <summary>As the scripts want them: the state, then the log.</summary>
    public RedisKey[] All { get; }

    public RedisKey State => All[0];

    public RedisKey Log => All[1];
}

/// <summary>The names of the fields in both keys. Frozen: what they hold outlives the version that wrote it.</summary>
internal static class JournalFields
{
    // Of an entry in the log.

    /// <summary>The spans of the entry come from behind this offset.</summary>
    public const string First = "first";

    /// <summary>The last offset of the entry.</summary>
    public const string Through = "through";

    /// <summary>How many spans it has.</summary>
    public const string Spans = "spans";

    /// <summary>How the messages are packed: <see cref="EntryPacking"/>.</summary>
    public const string Packing = "packing";

    /// <summary>The messages.</summary>
    public const string Messages = "messages";

    // Of the state. A side's are its generation, the token of the call that began it, and the number of its last step.

    public const string Appender = "appender";
    public const string Worker = "worker";
    public const string TokenSuffix = ":token";
    public const string StepSuffix = ":step";

    /// <summary>The offset up to which the input is stored.</summary>
    public const string Stored = "stored";

    /// <summary>The clock there (<see cref="JournalState.Text"/>). Of an entry too.</summary>
    public const string Clock = "clock";

    /// <summary>Every position up to this offset is settled.</summary>
    public const string ReadOn = "read_on";

    /// <summary>Prefix of a chunk of settled positions; its number follows.</summary>
    public const string Chunk = "settled:";

    /// <summary>Spans that were appended since the shard's journal began.</summary>
    public const string AppendedSpans = "appended_spans";

    /// <summary>How many of them have left.</summary>
    public const string SettledSpans = "settled_spans";

    /// <summary>How many entries the log has: another number than that tells that a part of it is gone.</summary>
    public const string Entries = "entries";

    /// <summary>The id of the last entry that was added.</summary>
    public const string LastEntry = "last_entry";

    /// <summary>The id of the last entry that was carried forward.</summary>
    public const string LastCarried = "last_carried";

    /// <summary>The id of the last entry that was written anew.</summary>
    public const string Restored = "restored";

    /// <summary>What the input is.</summary>
    public const string Source = "source";

    /// <summary>How many shards it is dealt to.</summary>
    public const string Shards = "shards";
}

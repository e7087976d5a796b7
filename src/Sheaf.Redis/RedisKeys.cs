using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>
/// The name of every key that Sheaf has in Redis, frozen by a test. What is in braces decides the slot of a cluster. Immutable.
/// </summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>sheaf:{SHARD}:due</c></term><description>sorted set: trace by armed deadline, in ms of stream time</description></item>
/// <item><term><c>sheaf:{SHARD}:inflight</c></term><description>sorted set: traces that the worker of the shard has claimed, by the deadline for which they were armed</description></item>
/// <item><term><c>sheaf:{SHARD}:stored</c></term><description>string: how far the shard's input is stored (<see cref="StoredMark"/>)</description></item>
/// <item><term><c>sheaf:{SHARD}:term</c></term><description>string: the number of the term of whoever may append; each who is given the shard begins a higher one</description></item>
/// <item><term><c>sheaf:{SHARD}:epoch</c></term><description>string: who claims now. Where it is gone, so is everything else</description></item>
/// <item><term><c>sheaf:{SHARD:PROJECT:TRACE}</c></term><description>hash: a trace's records, what is known of their spans → their payloads (<see cref="RecordName"/>, <see cref="RecordPayloads"/>)</description></item>
/// </list>
/// With a slice id every name begins with <c>sheaf:SLICE:</c>. A trace in <c>due</c> and <c>inflight</c> is <c>PROJECT:TRACE</c>.
/// </remarks>
internal sealed class RedisKeys
{
    private const int LongestNumber = 20;

    /// <summary>Room that a trace's name needs at most.</summary>
    public const int LongestTraceName = LongestNumber + 1 + TraceId.TextLength;

    private readonly byte[] _prefix;
    private readonly bool _hasSlots;

    /// <param name="sliceId"><c>kafka-slice-id</c>; null for none.</param>
    /// <param name="hasSlots">The server is a cluster: slots are worth computing.</param>
    public RedisKeys(int? sliceId, bool hasSlots)
    {
        _prefix = Encoding.ASCII.GetBytes(sliceId is { } slice ? $"sheaf:{slice}:" : "sheaf:");
        _hasSlots = hasSlots;
    }

    /// <summary>Room that the key of a trace needs at most.</summary>
    public int LongestTraceKey => _prefix.Length + 2 + LongestNumber + 1 + LongestTraceName;

    /// <summary>The keys of a shard.</summary>
    public ShardKeys Of(ShardId shard)
    {
        string common = $"{Encoding.ASCII.GetString(_prefix)}{{{shard}}}:";
        return new ShardKeys(common, SlotOf(Encoding.ASCII.GetBytes(common)));
    }

    /// <summary>Matches every key of this name space, for <c>SCAN</c>.</summary>
    public string Pattern => Encoding.ASCII.GetString(_prefix) + "{*";

    /// <summary>Writes the key of a trace and returns its length.</summary>
    public int WriteTraceKey(ShardId shard, in TraceKey trace, Span<byte> destination)
    {
        _prefix.CopyTo(destination);
        int length = _prefix.Length;
        destination[length++] = (byte)'{';
        length += Write(shard.Value, destination[length..]);
        destination[length++] = (byte)':';
        length += WriteTraceName(trace, destination[length..]);
        destination[length++] = (byte)'}';
        return length;
    }

    /// <summary>Writes what a trace is called in <c>due</c> and <c>inflight</c>, and returns the length.</summary>
    public static int WriteTraceName(in TraceKey trace, Span<byte> destination)
    {
        int length = Write(trace.ProjectId, destination);
        destination[length++] = (byte)':';
        trace.TraceId.WriteTo(destination[length..]);
        return length + TraceId.TextLength;
    }

    /// <summary>Reads what <see cref="WriteTraceName"/> has written; false for anything else.</summary>
    public static bool TryReadTraceName(ReadOnlySpan<byte> name, out TraceKey trace)
    {
        trace = default;
        if (!Utf8Parser.TryParse(name, out long project, out int length) || name.Length != length + 1 + TraceId.TextLength || name[length] != (byte)':'
            || !TraceId.TryParse(name[(length + 1)..], out TraceId id)) return false;
        trace = new TraceKey(project, id);
        return true;
    }

    /// <summary>The slot of a key, where slots matter.</summary>
    public int SlotOf(ReadOnlySpan<byte> key) => _hasSlots ? HashSlot.Of(key) : HashSlot.Any;

    private static int Write(long number, Span<byte> destination)
    {
        Utf8Formatter.TryFormat(number, destination, out int length);
        return length;
    }
}

/// <summary>The keys that a shard has besides those of its traces. All in one slot.</summary>
[SuppressMessage("Performance", "CA1819", Justification = "names that are made once and sent again and again")]
internal sealed class ShardKeys(string common, int slot)
{
    public int Slot { get; } = slot;

    public byte[] Due { get; } = Encoding.ASCII.GetBytes(common + "due");

    public byte[] Inflight { get; } = Encoding.ASCII.GetBytes(common + "inflight");

    public byte[] Stored { get; } = Encoding.ASCII.GetBytes(common + "stored");

    public byte[] Term { get; } = Encoding.ASCII.GetBytes(common + "term");

    public byte[] Epoch { get; } = Encoding.ASCII.GetBytes(common + "epoch");
}

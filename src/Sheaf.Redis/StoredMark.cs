using System.Globalization;
using System.Text;
using Sheaf.Buffering;
using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>
/// The value of a shard's <c>stored</c> key: <c>OFFSET CLOCK SHARDS SOURCE</c>. The clock is <c>MS:LEAPT:AHEAD:AHEADMS</c> (<see cref="StreamClock"/>); of what was written by earlier
/// versions, only the first number.
/// </summary>
/// <param name="Shards">How many shards the input was dealt to: with another number traces have other shards.</param>
/// <param name="Source">What was read.</param>
public sealed record StoredMark(StoredPosition Position, int Shards, string Source)
{
    /// <summary>Reads a value; null where it is none.</summary>
    public static StoredMark? TryParse(string text)
    {
        string[] parts = text.Split(' ', 4);
        return parts.Length == 4
            && long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long offset)
            && TryParseClock(parts[1], out StreamClock clock)
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int shards)
            ? new StoredMark(new StoredPosition(offset, clock), shards, parts[3])
            : null;
    }

    /// <summary>What the server holds for a shard; null where it holds nothing.</summary>
    /// <exception cref="ConfigurationException">It is no mark.</exception>
    internal static StoredMark? Read(in RespReply reply, RedisAddress address, ShardKeys keys)
    {
        if (reply.IsNull) return null;
        string text = Encoding.UTF8.GetString(reply.Bytes);
        return TryParse(text)
            ?? throw new ConfigurationException($"{address}: {Encoding.ASCII.GetString(keys.Stored)} holds '{text}', which no version of Sheaf has written that this one knows; remove the key if nothing of value is buffered");
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Position.Offset} {Position.Clock.Ms}:{Position.Clock.LeaptMs}:{Position.Clock.Ahead}:{Position.Clock.AheadMs} {Shards} {Source}");

    private static bool TryParseClock(string text, out StreamClock clock)
    {
        clock = default;
        string[] parts = text.Split(':');
        if (!TryParse(parts[0], out long ms)) return false;
        clock = new StreamClock(ms);
        if (parts.Length == 1) return true;
        if (parts.Length != 4 || !TryParse(parts[1], out long leapt) || !TryParse(parts[3], out long aheadMs)
            || !ulong.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out ulong ahead))
            return false;
        clock = new StreamClock(ms, leapt, ahead, aheadMs);
        return true;

        static bool TryParse(string number, out long value) => long.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
    }
}

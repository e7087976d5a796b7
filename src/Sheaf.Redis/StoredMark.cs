using System.Globalization;
using Sheaf.Buffering;

namespace Sheaf.Redis;

/// <summary>The value of a shard's <c>stored</c> key: <c>OFFSET CLOCK SHARDS SOURCE</c>.</summary>
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
            && long.TryParse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long clock)
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int shards)
            ? new StoredMark(new StoredPosition(offset, clock), shards, parts[3])
            : null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Position.Offset} {Position.ClockMs} {Shards} {Source}");
}

using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Journals;
using StackExchange.Redis;

namespace Sheaf.Redis;

/// <summary>How the state of a shard stands in its hash (<see cref="JournalFields"/>). Stateless.</summary>
internal static class JournalState
{
    /// <summary>Reads all fields of a state.</summary>
    /// <param name="fields">Name, value, name, value, …</param>
    /// <param name="entries">How many entries the log has.</param>
    /// <param name="place">Where they stand, for messages.</param>
    /// <exception cref="ConfigurationException">No version of Sheaf has written them that this one knows.</exception>
    public static JournalShard Read(RedisValue[] fields, JournalGeneration generation, long entries, string place)
    {
        var values = new Dictionary<string, RedisValue>(fields.Length / 2);
        for (int i = 0; i + 1 < fields.Length; i += 2) values[fields[i].ToString()] = fields[i + 1];

        long Number(string name, long missing) => !values.TryGetValue(name, out RedisValue value) ? missing
            : value.TryParse(out long number) ? number
            : throw Unknown(name, value);
        ConfigurationException Unknown(string name, RedisValue value) => new(
            $"journal: {place} has '{value}' as its {name}, which no version of Sheaf has written that this one knows. Remove the key if nothing of value waits there");

        StoredPosition? stored = null;
        if (values.ContainsKey(JournalFields.Stored))
        {
            RedisValue text = values.GetValueOrDefault(JournalFields.Clock);
            if (!TryReadClock(text.ToString(), out StreamClock clock)) throw Unknown(JournalFields.Clock, text);
            stored = new StoredPosition(Number(JournalFields.Stored, 0), clock);
        }
        var settled = new SettledOffsets(values
            .Where(field => field.Key.StartsWith(JournalFields.Chunk, StringComparison.Ordinal))
            .Select(field => KeyValuePair.Create(
                long.Parse(field.Key.AsSpan(JournalFields.Chunk.Length), NumberStyles.None, CultureInfo.InvariantCulture), (ReadOnlyMemory<byte>)field.Value)));
        bool isWhole = entries == Number(JournalFields.Entries, 0) && (stored is not null || entries == 0);
        return new JournalShard(
            generation, stored, Number(JournalFields.ReadOn, stored?.Offset ?? StoredPosition.BeforeFirst.Offset), settled,
            Number(JournalFields.AppendedSpans, 0), Number(JournalFields.SettledSpans, 0), Number(JournalFields.LastEntry, 0), isWhole,
            new JournalOrigin(values.GetValueOrDefault(JournalFields.Source).ToString(), (int)Number(JournalFields.Shards, 0)));
    }

    /// <summary>The fields of a shard that begins.</summary>
    public static void WriteBegin(JournalOrigin origin, StoredPosition stored, SettledOffsets settled, List<RedisValue> into)
    {
        WriteOrigin(origin, stored, appendedSpans: 0, into);
        into.AddRange([JournalFields.ReadOn, stored.Offset]);
        foreach ((long index, ReadOnlyMemory<byte> bits) in settled.ToChunks()) into.AddRange([Chunk(index), bits]);
    }

    /// <summary>The fields of a shard that is written anew.</summary>
    public static void WriteRestored(
        JournalOrigin origin, StoredPosition stored, long waitingSpans, int entries, ProgressSnapshot progress, List<RedisValue> into)
    {
        WriteOrigin(origin, stored, waitingSpans, into);
        into.AddRange([JournalFields.Entries, entries, JournalFields.LastEntry, entries]);
        WriteProgress(progress, into);
    }

    /// <summary>The fields that a settle changes, with their number in front, and then those that it removes, likewise.</summary>
    public static void WriteSettled(ProgressSnapshot progress, List<RedisValue> into)
    {
        into.Add(2 + (2 * progress.Chunks.Count));
        WriteProgress(progress, into);
        into.Add(progress.Outdated.Count);
        foreach (long index in progress.Outdated) into.Add(Chunk(index));
    }

    /// <summary>A clock as it stands in a field: empty where no span has come yet.</summary>
    public static RedisValue Text(in StreamClock clock) => clock.Ms == StreamClock.None
        ? RedisValue.EmptyString
        : string.Create(CultureInfo.InvariantCulture, $"{clock.Ms} {clock.LeaptMs} {clock.Ahead} {clock.AheadMs}");

    /// <summary>Reads what <see cref="Text"/> has written.</summary>
    public static bool TryReadClock(ReadOnlySpan<char> text, out StreamClock clock)
    {
        clock = StreamClock.NotStarted;
        if (text.IsEmpty) return true;
        Span<Range> parts = stackalloc Range[5];
        if (text.Split(parts, ' ') != 4
            || !long.TryParse(text[parts[0]], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long ms)
            || !long.TryParse(text[parts[1]], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long leapt)
            || !ulong.TryParse(text[parts[2]], NumberStyles.None, CultureInfo.InvariantCulture, out ulong ahead)
            || !long.TryParse(text[parts[3]], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long aheadMs)) return false;
        clock = new StreamClock(ms, leapt, ahead, aheadMs);
        return true;
    }

    private static void WriteOrigin(JournalOrigin origin, StoredPosition stored, long appendedSpans, List<RedisValue> into) => into.AddRange(
    [
        JournalFields.Source, origin.Source, JournalFields.Shards, origin.Shards, JournalFields.AppendedSpans, appendedSpans, JournalFields.SettledSpans, 0,
        JournalFields.Stored, stored.Offset, JournalFields.Clock, Text(stored.Clock),
    ]);

    private static void WriteProgress(ProgressSnapshot progress, List<RedisValue> into)
    {
        into.AddRange([JournalFields.ReadOn, progress.ReadOnFrom - 1]);
        foreach (ProgressSnapshot.Chunk chunk in progress.Chunks) into.AddRange([Chunk(chunk.Index), chunk.Buffer.AsMemory(0, chunk.Length)]);
    }

    private static string Chunk(long index) => string.Create(CultureInfo.InvariantCulture, $"{JournalFields.Chunk}{index}");
}

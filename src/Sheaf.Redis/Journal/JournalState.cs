using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Journals;
using StackExchange.Redis;

namespace Sheaf.Redis.Journal;

/// <summary>How the state of a shard stands in its hash (<see cref="JournalFields"/>). Stateless.</summary>
internal static class JournalState
{
    /// <summary>Reads all fields of a state.</summary>
    /// <param name="fields">Name, value, name, value, …</param>
    /// <param name="entries">How many entries the log has.</param>
    /// <param name="place">Where they stand, for messages.</param>
    /// <exception cref="ConfigurationException">No version of Sheaf has written them that this one knows.</exception>
    public static JournalShard Read(RedisValue[] fields, long generation, long entries, string place)
    {
        var values = new Dictionary<string, RedisValue>(fields.Length / 2);
        for (int i = 0; i + 1 < fields.Length; i += 2) values[fields[i].ToString()] = fields[i + 1];

        long Number(string name, long missing) => !values.TryGetValue(name, out RedisValue value) ? missing
            : value.TryParse(out long number) ? number
            : throw new ConfigurationException(
                $"journal: {place} has '{value}' as its {name}, which no version of Sheaf has written that this one knows. Remove the key if nothing of value waits there");
        long Clock(string name) => values.TryGetValue(name, out RedisValue value) && value != "" ? Number(name, 0) : long.MinValue;

        StoredPosition? stored = values.ContainsKey(JournalFields.Stored) ? new(Number(JournalFields.Stored, 0), Clock(JournalFields.Clock)) : null;
        var readOn = new StoredPosition(Number(JournalFields.ReadOn, stored?.Offset ?? StoredPosition.BeforeFirst.Offset), Clock(JournalFields.ReadOnClock));
        var settled = new SettledOffsets(values
            .Where(field => field.Key.StartsWith(JournalFields.Chunk, StringComparison.Ordinal))
            .Select(field => KeyValuePair.Create(
                long.Parse(field.Key.AsSpan(JournalFields.Chunk.Length), NumberStyles.None, CultureInfo.InvariantCulture), (ReadOnlyMemory<byte>)field.Value)));
        bool isWhole = entries == Number(JournalFields.Entries, 0) && (stored is not null || entries == 0);
        return new JournalShard(
            generation, stored, readOn, settled, Number(JournalFields.AppendedSpans, 0), Number(JournalFields.SettledSpans, 0), isWhole,
            new JournalOrigin(values.GetValueOrDefault(JournalFields.Source).ToString(), (int)Number(JournalFields.Shards, 0)));
    }

    /// <summary>The fields of a shard that begins.</summary>
    public static void Write(JournalOrigin origin, StoredPosition stored, SettledOffsets settled, List<RedisValue> into)
    {
        into.AddRange([JournalFields.Source, origin.Source, JournalFields.Shards, origin.Shards, JournalFields.AppendedSpans, 0, JournalFields.SettledSpans, 0]);
        into.AddRange([JournalFields.Stored, stored.Offset, JournalFields.Clock, Text(stored.ClockMs)]);
        into.AddRange([JournalFields.ReadOn, stored.Offset, JournalFields.ReadOnClock, Text(stored.ClockMs)]);
        foreach ((long index, ReadOnlyMemory<byte> bits) in settled.ToChunks()) into.AddRange([Chunk(index), bits]);
    }

    /// <summary>The fields that a settle changes, with their number in front, and then those that it removes, likewise.</summary>
    public static void Write(ProgressSnapshot progress, List<RedisValue> into)
    {
        into.Add(4 + (2 * progress.Chunks.Count));
        into.AddRange([JournalFields.ReadOn, progress.ReadOnFrom - 1, JournalFields.ReadOnClock, Text(progress.ClockMs)]);
        foreach (ProgressSnapshot.Chunk chunk in progress.Chunks) into.AddRange([Chunk(chunk.Index), chunk.Buffer.AsMemory(0, chunk.Length)]);
        into.Add(progress.Outdated.Count);
        foreach (long index in progress.Outdated) into.Add(Chunk(index));
    }

    /// <summary>A clock as it stands in a field: empty where no span has come yet.</summary>
    public static RedisValue Text(long clockMs) => clockMs == long.MinValue ? RedisValue.EmptyString : clockMs;

    private static string Chunk(long index) => string.Create(CultureInfo.InvariantCulture, $"{JournalFields.Chunk}{index}");
}

using System.Globalization;
using StackExchange.Redis;

namespace Sheaf.Redis;

/// <summary>How full Redis says it is, over all its primaries. Asked at most every <see cref="RedisJournalOptions.LoadInterval"/>. One caller at a time.</summary>
internal sealed class RedisMemoryGauge(RedisConnection connection, RedisJournalOptions options, TimeProvider time)
{
    /// <summary>Where only a full server itself is to stop the input, the load stays below 1.</summary>
    private const double BelowFull = 0.999;

    private long _askedAt;
    private double _load;

    /// <summary>
    /// Memory in use over the memory that may be used (<c>maxmemory</c>, or the machine's where there is no such limit), over
    /// <see cref="RedisJournalOptions.MaxMemoryShare"/>. While a server does not answer it is what it was last: the next step tells soon enough.
    /// </summary>
    public async ValueTask<double> LoadAsync(CancellationToken cancel)
    {
        if (_askedAt != 0 && time.GetElapsedTime(_askedAt) < options.LoadInterval) return _load;
        try
        {
            long used = 0, most = 0;
            foreach (IServer server in connection.Primaries)
            {
                ILookup<string, string> memory = await InfoAsync(connection, server, "memory").WaitAsync(cancel);
                used += Number(memory, "used_memory");
                most += Number(memory, "maxmemory") is > 0 and var limit ? limit : Number(memory, "total_system_memory");
            }
            double share = most > 0 ? (double)used / most : 0;
            _load = options.MaxMemoryShare < 1 ? share / options.MaxMemoryShare : Math.Min(share, BelowFull);
        }
        catch (Exception e) when (e is BufferUnavailableException or RedisServerException)
        {
            // See above.
        }
        _askedAt = time.GetTimestamp();
        return _load;
    }

    /// <summary>A section of <c>INFO</c>.</summary>
    public static async Task<ILookup<string, string>> InfoAsync(RedisConnection connection, IServer server, string section)
    {
        IGrouping<string, KeyValuePair<string, string>>[] sections = await connection.AskAsync(server, one => one.InfoAsync(section));
        return sections.SelectMany(section => section).ToLookup(field => field.Key, field => field.Value);
    }

    /// <summary>A number of <c>INFO</c>; 0 where there is none of that name.</summary>
    public static long Number(ILookup<string, string> section, string name) =>
        long.TryParse(section[name].FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;
}

using System.Globalization;
using StackExchange.Redis;

namespace Sheaf.Redis;

/// <summary>How large an entry the servers take: <c>proto-max-bulk-len</c>, or what a managed server allows in one command. Any thread.</summary>
/// <remarks>
/// A server ends the connection at the first bytes of what is larger than <c>proto-max-bulk-len</c>, and its answer is often lost then: so it is asked before. Where it does not say,
/// its answer to the command tells.
/// </remarks>
internal sealed class RedisSizeLimit(RedisConnection connection, TimeProvider time)
{
    private const string Name = "proto-max-bulk-len";

    /// <summary>No server can be set to take less.</summary>
    private const int AlwaysAllowed = 1 << 20;

    private static readonly TimeSpan KnownFor = TimeSpan.FromSeconds(10);

    private long _askedAt;
    private long _most = long.MaxValue;

    /// <summary>Whether the servers take a value of so many bytes.</summary>
    /// <exception cref="BufferUnavailableException">They do not answer.</exception>
    public async ValueTask<bool> AllowsAsync(int bytes)
    {
        if (bytes <= AlwaysAllowed) return true;
        if (Volatile.Read(ref _askedAt) is not 0 and var askedAt && time.GetElapsedTime(askedAt) < KnownFor) return bytes <= Volatile.Read(ref _most);
        long most = long.MaxValue;
        foreach (IServer server in connection.Primaries) most = Math.Min(most, await AskAsync(server));
        Volatile.Write(ref _most, most);
        Volatile.Write(ref _askedAt, time.GetTimestamp());
        return bytes <= most;
    }

    /// <summary>Whether a server has refused a command for its size.</summary>
    public static bool IsExceeded(RedisServerException e) =>
        e.Message.Contains("invalid bulk length", StringComparison.OrdinalIgnoreCase)
        || e.Message.Contains("exceeds maximum", StringComparison.OrdinalIgnoreCase)
        || e.Message.Contains("max request size exceeded", StringComparison.OrdinalIgnoreCase);

    private async Task<long> AskAsync(IServer server)
    {
        try
        {
            KeyValuePair<string, string>[] found = await connection.AskAsync(server, one => one.ConfigGetAsync(Name));
            return found is [{ Value: var text }] && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long most) ? most : long.MaxValue;
        }
        catch (RedisServerException)
        {
            return long.MaxValue; // this user may not ask
        }
    }
}

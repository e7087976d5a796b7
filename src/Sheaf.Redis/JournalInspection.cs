using StackExchange.Redis;

namespace Sheaf.Redis;

/// <summary>Finds out at the start whether a server will do, and says how to mend it where it will not. Stateless.</summary>
internal static class JournalInspection
{
    private static readonly RedisKey[] Probe = ["sheaf:{probe}:state", "sheaf:{probe}:log"];

    /// <summary>What the server is, for people: <c>Redis 7.2.4</c>.</summary>
    /// <exception cref="BufferUnavailableException">It does not answer.</exception>
    /// <exception cref="ConfigurationException">It will not do.</exception>
    public static async Task<string> InspectAsync(RedisConnection connection, RedisJournalOptions options)
    {
        string version = "";
        if (connection.Replica is { } replica)
        {
            ILookup<string, string> replication = await InfoAsync(connection, replica, "replication", options);
            throw new ConfigurationException(
                $"buffer: {options.Address}: this is a read-only replica; name its primary, {replication["master_host"].FirstOrDefault()}:"
                + $"{replication["master_port"].FirstOrDefault()}, or let Sentinel say which it is (redis-sentinel://…?service=NAME)");
        }
        foreach (IServer server in connection.Primaries)
        {
            CheckEviction(await InfoAsync(connection, server, "memory", options), server, options);
            ILookup<string, string> about = await InfoAsync(connection, server, "server", options);
            version = about["valkey_version"].FirstOrDefault() is { } valkey ? $"Valkey {valkey}" : $"Redis {about["redis_version"].FirstOrDefault()}";
        }
        await ProbeAsync(connection, options);
        await CheckOtherEditionAsync(connection, options);
        return version;
    }

    /// <summary>The first edition of Sheaf kept a hash per trace, which this one does not read.</summary>
    private static async Task CheckOtherEditionAsync(RedisConnection connection, RedisJournalOptions options)
    {
        string prefix = options.SliceId is { } slice ? $"sheaf:{slice}:" : "sheaf:";
        for (int shard = 0; shard < options.Origin.Shards; shard++)
        {
            RedisKey key = $"{prefix}{{{shard}}}:stored";
            if (!await connection.AskAsync(database => database.KeyExistsAsync(key))) continue;
            throw new ConfigurationException(
                $"buffer: {options.Address} holds what an earlier version of Sheaf has left ({key}), which this one does not read. Let it leave with that version (--drain, or --resume to the end of the file), "
                + $"or throw it away: redis-cli --scan --pattern '{prefix}*' | xargs -r redis-cli UNLINK");
        }
    }

    private static async Task<ILookup<string, string>> InfoAsync(RedisConnection connection, IServer server, string section, RedisJournalOptions options)
    {
        try
        {
            return await RedisMemoryGauge.InfoAsync(connection, server, section);
        }
        catch (RedisServerException e)
        {
            throw Refused(options, "INFO", e);
        }
    }

    private static void CheckEviction(ILookup<string, string> memory, IServer server, RedisJournalOptions options)
    {
        string policy = memory["maxmemory_policy"].FirstOrDefault("");
        if (RedisMemoryGauge.Number(memory, "maxmemory") == 0 || policy is "noeviction" or "") return;
        throw new ConfigurationException(
            $"buffer: {options.Address}: {server.EndPoint} has maxmemory set and may evict keys (maxmemory-policy {policy}): spans would be lost. "
            + "Mend it with: redis-cli CONFIG SET maxmemory-policy noeviction (and the same in its configuration file)");
    }

    /// <summary>Does once what the journal does, on keys of its own: a server that lacks a command, or a user without a right, is found at the start.</summary>
    private static async Task ProbeAsync(RedisConnection connection, RedisJournalOptions options)
    {
        const string Minute = "60000";
        (string Step, Func<Task> Run)[] steps =
        [
            ("open", () => connection.EvaluateAsync(JournalScripts.Open, Probe, ["appender", "probe", 1, Minute])),
            ("open", () => connection.EvaluateAsync(JournalScripts.Open, Probe, ["worker", "probe", 1, Minute])),
            ("HGET", () => connection.AskAsync(database => database.HashGetAsync(Probe[0], "appender"))),
            ("XRANGE", () => connection.AskAsync(database => database.StreamRangeAsync(Probe[1], "(0-0", "+", 1))),
            ("PEXPIRE", () => connection.AskAsync(database => database.KeyExpireAsync(Probe[0], TimeSpan.FromMinutes(1)))),
            ("look", () => connection.EvaluateAsync(JournalScripts.Look, Probe, [])),
            ("DEL", () => connection.AskAsync(database => database.KeyDeleteAsync(Probe))),
        ];
        foreach ((string step, Func<Task> run) in steps)
        {
            try
            {
                await run();
            }
            catch (BufferUnavailableException e) when (e.IsFull)
            {
                // A full server will do: what makes room is allowed, and the input waits.
            }
            catch (RedisServerException e)
            {
                throw Refused(options, step, e);
            }
        }
    }

    private static ConfigurationException Refused(RedisJournalOptions options, string step, RedisServerException e)
    {
        string remedy = e.Message switch
        {
            var said when said.StartsWith("NOPERM", StringComparison.Ordinal) =>
                "Give the user what Sheaf needs: ACL SETUSER NAME ~sheaf:* +@hash +@stream +@scripting +@keyspace +@connection +info +cluster",
            var said when said.Contains("unknown command", StringComparison.OrdinalIgnoreCase) =>
                "Sheaf needs this command: undo its renaming (rename-command), or use Redis 6.2 or newer",
            var said when said.Contains("Invalid stream ID", StringComparison.OrdinalIgnoreCase) => "Sheaf needs Redis 6.2 or newer, or Valkey",
            _ => "Sheaf needs Redis 6.2 or newer, or a server that does the same",
        };
        return new ConfigurationException($"buffer: {options.Address}: {step} was refused: {e.Message}. {remedy}");
    }
}

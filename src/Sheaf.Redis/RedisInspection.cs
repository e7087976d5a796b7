using System.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>Finds out at the start whether a server will do, and says how to mend it where it will not. Stateless.</summary>
internal static class RedisInspection
{
    private const string Keys = "sheaf:{probe}";

    /// <summary>What the server is, for people: <c>Redis 7.2.4</c>.</summary>
    /// <exception cref="BufferUnavailableException">It does not answer.</exception>
    /// <exception cref="ConfigurationException">It will not do.</exception>
    public static async ValueTask<string> InspectAsync(RedisLink link, RedisBufferOptions options, CancellationToken cancel)
    {
        try
        {
            RedisClient client = await link.ConnectAsync(cancel);
            var commands = new RespBatch();
            string version = "";
            foreach (RedisNode node in client.Primaries)
            {
                commands.Clear();
                foreach (string section in (string[])["replication", "memory", "server"])
                {
                    commands.Begin(2, HashSlot.Any);
                    commands.Add("INFO"u8);
                    commands.Add(Encoding.ASCII.GetBytes(section));
                }
                await client.ExecuteOnAsync(node, commands, cancel);
                ThrowIfRefused(options, "INFO", commands.Reply(0));
                ThrowIfReplica(options, node, commands.Reply(0));
                ThrowIfEvicting(options, node, commands.Reply(1));
                version = VersionOf(commands.Reply(2));
            }
            await ProbeAsync(client, options, commands, cancel);
            return version;
        }
        catch (SheafException e) when (e is RedisRefusedException or RespProtocolException)
        {
            throw new ConfigurationException($"buffer: {e.Message}");
        }
        catch (RedisUnavailableException e)
        {
            throw new BufferUnavailableException($"buffer: {e.Message}; is the server running, and is this its address?", e);
        }
    }

    private static string VersionOf(in RespReply info)
    {
        string valkey = Encoding.UTF8.GetString(RedisMemory.Text(info.Bytes, "valkey_version:"u8));
        return valkey.Length > 0 ? $"Valkey {valkey}" : $"Redis {Encoding.UTF8.GetString(RedisMemory.Text(info.Bytes, "redis_version:"u8))}";
    }

    private static void ThrowIfReplica(RedisBufferOptions options, RedisNode node, in RespReply info)
    {
        if (!RedisMemory.Text(info.Bytes, "role:"u8).SequenceEqual("slave"u8)) return;
        string primary = $"{Encoding.UTF8.GetString(RedisMemory.Text(info.Bytes, "master_host:"u8))}:{RedisMemory.Field(info.Bytes, "master_port:"u8)}";
        throw new ConfigurationException($"buffer: {options.Address}: {node} is a read-only replica; name its primary, {primary}, or let Sentinel say which it is (redis-sentinel://…?service=NAME)");
    }

    private static void ThrowIfEvicting(RedisBufferOptions options, RedisNode node, in RespReply info)
    {
        string policy = Encoding.UTF8.GetString(RedisMemory.Text(info.Bytes, "maxmemory_policy:"u8));
        if (RedisMemory.Field(info.Bytes, "maxmemory:"u8) == 0 || policy is "noeviction" or "") return;
        throw new ConfigurationException(
            $"buffer: {options.Address}: {node} has maxmemory set and may evict keys (maxmemory-policy {policy}): spans would be lost silently. Mend it with: redis-cli CONFIG SET maxmemory-policy noeviction (and the same in its configuration file)");
    }

    /// <summary>Does once what the engine does, on keys of its own: a server that lacks a command, or a user who may not use it, is found now and not at night.</summary>
    private static async ValueTask ProbeAsync(RedisClient client, RedisBufferOptions options, RespBatch commands, CancellationToken cancel)
    {
        var steps = new List<string>();
        commands.Clear();
        void Add(params string[] words)
        {
            steps.Add(words[0]);
            AddWords(commands, words);
        }
        void Run(string name, RespScript script, int keys, params string[] words)
        {
            steps.Add($"EVALSHA of the script '{name}'");
            AddWords(commands, ["EVALSHA", Encoding.ASCII.GetString(script.Sha), keys.ToString(System.Globalization.CultureInfo.InvariantCulture), .. words]);
        }
        string due = Keys + ":due", inflight = Keys + ":inflight", stored = Keys + ":stored", term = Keys + ":term", epoch = Keys + ":epoch";
        Add("SET", epoch, "nobody", "NX", "EX", "60");
        Add("HSET", Keys, "a", "1");
        Add("EXPIRE", Keys, "60");
        Run("begin a term", RedisScripts.BeginTerm, 3, stored, epoch, term, "60", "1");
        Run("arm", RedisScripts.Arm, 4, due, stored, epoch, term, "60", "1", "mark", "1", "trace");
        Add("GET", term);
        Run("take over", RedisScripts.TakeOver, 3, due, inflight, epoch, "60", "probe");
        Run("claim", RedisScripts.Claim, 3, due, inflight, epoch, "probe:0", "60", "+inf", "1");
        Add("HKEYS", Keys);
        Add("HMGET", Keys, "a");
        Add("GET", epoch);
        Run("rename", RedisScripts.Rename, 1, Keys, "a", "b");
        Add("HDEL", Keys, "b");
        Run("release", RedisScripts.Release, 3, due, inflight, epoch, "probe:0", "60", "1", "2", "trace");
        Add("ZRANGE", due, "0", "0", "WITHSCORES");
        Add("ZCARD", due);
        Add("UNLINK", due, inflight, stored, term, epoch, Keys);
        await client.ExecuteAsync(commands, cancel);
        for (int i = 0; i < steps.Count; i++) ThrowIfRefused(options, steps[i], commands.Reply(i));
    }

    private static void AddWords(RespBatch commands, string[] words)
    {
        commands.Begin(words.Length, HashSlot.Of(Encoding.ASCII.GetBytes(Keys)));
        foreach (string word in words) commands.Add(Encoding.UTF8.GetBytes(word));
    }

    private static void ThrowIfRefused(RedisBufferOptions options, string step, in RespReply reply)
    {
        // A full server will do: what makes room is allowed, and the input waits.
        if (!reply.IsError || reply.Bytes.StartsWith("OOM "u8)) return;
        string said = Encoding.UTF8.GetString(reply.Bytes);
        string wayOut = said switch
        {
            _ when said.StartsWith("NOPERM", StringComparison.Ordinal) =>
                "give the user what Sheaf needs: ACL SETUSER NAME ~sheaf:* +@hash +@sortedset +@string +@scripting +@keyspace +@connection +info +cluster",
            _ when said.Contains("unknown command", StringComparison.OrdinalIgnoreCase) => "Sheaf needs this command: undo its renaming (rename-command), or use Redis 7.0 or newer",
            _ when said.Contains("compiling script", StringComparison.OrdinalIgnoreCase) || said.Contains("shebang", StringComparison.OrdinalIgnoreCase) =>
                "Sheaf needs scripts that may run on a full server: use Redis 7.0 or newer, or Valkey",
            _ => "Sheaf needs Redis 7.0 or newer, or a server that does the same",
        };
        throw new ConfigurationException($"buffer: {options.Address}: {step} was refused: {said}. {wayOut}");
    }
}

namespace Sheaf.Redis.Journal;

/// <summary>
/// The steps of a journal that have to happen as a whole. Each works on the two keys of one shard (KEYS: state, log), so it is one step on a cluster too.
/// </summary>
/// <remarks>
/// <para>
/// They run on Redis 6.2 and newer, so no script has flags. A server that is full refuses the first write of a script if that needs memory, and
/// nothing behind it: so <see cref="Append"/> begins with its <c>XADD</c> and is refused as a whole, and every other script begins with a
/// <c>PEXPIRE</c> and goes through; otherwise nothing could leave a full server.
/// </para>
/// <para>
/// A command whose answer did not come is sent again, and the first one may still lie in a socket and be done after the second. So each side
/// numbers its steps, and a step with a lower number than the last one does nothing.
/// </para>
/// <para>
/// The first three arguments of every script but <see cref="Open"/>: the caller's side, its generation, the step's number.
/// </para>
/// </remarks>
internal static class JournalScripts
{
    /// <summary>It is done, or was done before.</summary>
    public const int Done = 0;

    /// <summary>The journal holds less than it has acknowledged.</summary>
    public const int Lost = -1;

    /// <summary>A later generation has the side.</summary>
    public const int Superseded = -2;

    /// <summary>A later step of this side was done before.</summary>
    private const string IsCurrent = """
        local own = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
        local generation = tonumber(ARGV[2])
        if own > generation then return -2 end
        if own < generation then return -1 end
        if tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ':step') or 0) > tonumber(ARGV[3]) then return 0 end

        """;

    /// <summary>The rest of the arguments begins with: time to live in ms, the offset that the caller knows to be stored.</summary>
    private const string IsWhole = """
        local entries = tonumber(redis.call('HGET', KEYS[1], 'entries') or 0)
        if tonumber(redis.call('HGET', KEYS[1], 'stored') or -2) < tonumber(ARGV[5]) then return -1 end
        if redis.call('XLEN', KEYS[2]) ~= entries then return -1 end

        """;

    private const string Ends = """
        redis.call('HSET', KEYS[1], ARGV[1] .. ':step', ARGV[3])
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('PEXPIRE', KEYS[2], ARGV[4])

        """;

    /// <summary>
    /// Begins the next generation of a side. Arguments: the side, a token of the caller's (a call that is sent again gets the generation that it has
    /// got before), the time in ms, time to live in ms. The generation, how many entries the log has, and all fields of the state.
    /// </summary>
    /// <remarks>Generations are at least the time, so that they keep growing where the server has forgotten the last one.</remarks>
    public const string Open = """
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        local generation = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
        if redis.call('HGET', KEYS[1], ARGV[1] .. ':token') ~= ARGV[2] then
          generation = math.max(generation + 1, tonumber(ARGV[3]))
          redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', generation), ARGV[1] .. ':token', ARGV[2], ARGV[1] .. ':step', 0)
        end
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('PEXPIRE', KEYS[2], ARGV[4])
        return {string.format('%.0f', generation), redis.call('XLEN', KEYS[2]), redis.call('HGETALL', KEYS[1])}
        """;

    /// <summary>
    /// Makes a shard begin anew. Arguments behind the first three: time to live in ms, then the fields of the state and their values. What stays is
    /// who has the two sides.
    /// </summary>
    public const string Begin = IsCurrent + """
        local sides = redis.call('HMGET', KEYS[1], 'appender', 'appender:token', 'appender:step', 'worker', 'worker:token', 'worker:step')
        redis.call('DEL', KEYS[1], KEYS[2])
        for i, name in ipairs({'appender', 'appender:token', 'appender:step', 'worker', 'worker:token', 'worker:step'}) do
          if sides[i] then redis.call('HSET', KEYS[1], name, sides[i]) end
        end
        redis.call('HSET', KEYS[1], 'entries', 0)
        for first = 5, #ARGV, 1000 do redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV))) end

        """ + Ends + "return 0";

    /// <summary>
    /// Adds an entry. Arguments behind the first three: time to live in ms, the offset that the caller has seen stored last, the offset that is stored then, the
    /// clock there, the number of spans, and where there are any how they are packed and the packed form.
    /// </summary>
    public const string Append = IsCurrent + """
        local state = redis.call('HMGET', KEYS[1], 'stored', 'entries', 'last_entry')
        local stored = tonumber(state[1] or -2)
        if stored >= tonumber(ARGV[6]) then return 0 end
        if stored ~= tonumber(ARGV[5]) then return -1 end
        local entries = tonumber(state[2] or 0)
        if redis.call('XLEN', KEYS[2]) ~= entries then return -1 end
        if ARGV[8] ~= '0' then
          local id = string.format('%.0f', tonumber(state[3] or 0) + 1)
          redis.call('XADD', KEYS[2], id .. '-0', 'first', ARGV[5], 'through', ARGV[6], 'spans', ARGV[8], 'packing', ARGV[9], 'messages', ARGV[10])
          redis.call('HSET', KEYS[1], 'entries', entries + 1, 'last_entry', id)
          redis.call('HINCRBY', KEYS[1], 'appended_spans', ARGV[8])
        end
        redis.call('HSET', KEYS[1], 'stored', ARGV[6], 'clock', ARGV[7])

        """ + Ends + "return 0";

    /// <summary>
    /// Keeps what is settled and removes entries. Arguments behind the first three: time to live in ms, the offset that the caller knows to be stored, spans
    /// that have left in all, how many fields follow, these fields of the state with their values, how many fields are removed, these, and the ids of the entries that are
    /// removed.
    /// </summary>
    public const string Settle = IsCurrent + IsWhole + """
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        local at = 8
        local last = at + tonumber(ARGV[7]) - 1
        for first = at, last, 1000 do redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, last))) end
        at = last + 2
        last = at + tonumber(ARGV[at - 1]) - 1
        for first = at, last, 1000 do redis.call('HDEL', KEYS[1], unpack(ARGV, first, math.min(first + 999, last))) end
        for first = last + 1, #ARGV, 1000 do redis.call('XDEL', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV))) end
        redis.call('HSET', KEYS[1], 'settled_spans', ARGV[6], 'entries', redis.call('XLEN', KEYS[2]))

        """ + Ends + "return 0";

    /// <summary>
    /// Replaces entries by one. Arguments behind the first three: time to live in ms, the offset that the caller knows to be stored, where the new entry's spans
    /// begin and end, their number, how they are packed, the packed form, and the ids of the entries that are removed. The new entry's id.
    /// </summary>
    public const string CarryForward = IsCurrent + IsWhole + """
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        local removed = 0
        for first = 11, #ARGV, 1000 do removed = removed + redis.call('XDEL', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV))) end
        if removed == 0 then return tonumber(redis.call('HGET', KEYS[1], 'last_carried') or -1) end
        local id = string.format('%.0f', tonumber(redis.call('HGET', KEYS[1], 'last_entry') or 0) + 1)
        redis.call('XADD', KEYS[2], id .. '-0', 'first', ARGV[6], 'through', ARGV[7], 'spans', ARGV[8], 'packing', ARGV[9], 'messages', ARGV[10])
        redis.call('HSET', KEYS[1], 'last_entry', id, 'last_carried', id, 'entries', redis.call('XLEN', KEYS[2]))

        """ + Ends + "return tonumber(id)";
}

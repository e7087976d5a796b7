namespace Sheaf.Redis;

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
/// numbers its steps, and a step with a lower number than the last one does nothing. A server that knows a lower number than the side has seen
/// acknowledged has lost steps.
/// </para>
/// <para>
/// The first five arguments of every script but <see cref="Open"/>: the caller's side, its generation, the step's number, time to live in ms, the number of
/// the step that was acknowledged last.
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

    private const string IsCurrent = """
        local own = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
        local generation = tonumber(ARGV[2])
        if own > generation then return -2 end
        if own < generation then return -1 end
        local step = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. ':step') or 0)
        if step > tonumber(ARGV[3]) then return 0 end
        if step < tonumber(ARGV[5]) then return -1 end

        """;

    /// <summary>The sixth argument: the offset that the caller knows to be stored.</summary>
    private const string IsWhole = """
        if tonumber(redis.call('HGET', KEYS[1], 'stored') or -2) < tonumber(ARGV[6]) then return -1 end
        if redis.call('XLEN', KEYS[2]) ~= tonumber(redis.call('HGET', KEYS[1], 'entries') or 0) then return -1 end

        """;

    private const string Ends = """
        redis.call('HSET', KEYS[1], ARGV[1] .. ':step', ARGV[3])
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('PEXPIRE', KEYS[2], ARGV[4])

        """;

    /// <summary>Removes everything but who has the two sides.</summary>
    private const string Clears = """
        local names = {'appender', 'appender:token', 'appender:step', 'worker', 'worker:token', 'worker:step'}
        local sides = redis.call('HMGET', KEYS[1], unpack(names))
        redis.call('DEL', KEYS[1], KEYS[2])
        for i, name in ipairs(names) do
          if sides[i] then redis.call('HSET', KEYS[1], name, sides[i]) end
        end

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

    /// <summary>Goes on with a generation that the server may have forgotten.</summary>
    public const string Renew = """
        if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) > tonumber(ARGV[2]) then return -2 end
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])

        """ + Ends + "return 0";

    /// <summary>As <see cref="Open"/>, and changes nothing. No arguments.</summary>
    public const string Look = "return {'0', redis.call('XLEN', KEYS[2]), redis.call('HGETALL', KEYS[1])}";

    /// <summary>Makes a shard begin. Arguments behind the first five: the fields of the state and their values.</summary>
    public const string Begin = IsCurrent + Clears + """
        redis.call('HSET', KEYS[1], 'entries', 0)
        for first = 6, #ARGV, 1000 do redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV))) end

        """ + Ends + "return 0";

    /// <summary>
    /// Adds an entry. Arguments behind the first five: the offset that the caller has seen stored last, the offset that is stored then, the
    /// clock there, the number of spans, and where there are any how they are packed and the packed form.
    /// </summary>
    public const string Append = IsCurrent + """
        local state = redis.call('HMGET', KEYS[1], 'stored', 'entries', 'last_entry')
        local stored = tonumber(state[1] or -2)
        if stored < tonumber(ARGV[7]) then
          if stored ~= tonumber(ARGV[6]) then return -1 end
          local entries = tonumber(state[2] or 0)
          if redis.call('XLEN', KEYS[2]) ~= entries then return -1 end
          if ARGV[9] ~= '0' then
            local id = string.format('%.0f', tonumber(state[3] or 0) + 1)
            redis.call('XADD', KEYS[2], id .. '-0', 'first', ARGV[6], 'through', ARGV[7], 'clock', ARGV[8], 'spans', ARGV[9],
              'packing', ARGV[10], 'messages', ARGV[11])
            redis.call('HSET', KEYS[1], 'entries', entries + 1, 'last_entry', id)
            redis.call('HINCRBY', KEYS[1], 'appended_spans', ARGV[9])
          end
          redis.call('HSET', KEYS[1], 'stored', ARGV[7], 'clock', ARGV[8])
        end

        """ + Ends + "return 0";

    /// <summary>
    /// Keeps what is settled and removes entries. Arguments behind the first five: the offset that the caller knows to be stored, spans that have left in
    /// all, how many fields follow, these fields of the state with their values, how many fields are removed, these, and the ids of the entries that
    /// are removed.
    /// </summary>
    public const string Settle = IsCurrent + IsWhole + """
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        local at = 9
        local last = at + tonumber(ARGV[8]) - 1
        for first = at, last, 1000 do redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, last))) end
        at = last + 2
        last = at + tonumber(ARGV[at - 1]) - 1
        for first = at, last, 1000 do redis.call('HDEL', KEYS[1], unpack(ARGV, first, math.min(first + 999, last))) end
        for first = last + 1, #ARGV, 1000 do redis.call('XDEL', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV))) end
        local left = redis.call('XLEN', KEYS[2])
        if left == 0 then redis.call('DEL', KEYS[2]) end
        redis.call('HSET', KEYS[1], 'settled_spans', ARGV[7], 'entries', left)

        """ + Ends + "return 0";

    /// <summary>Looks whether everything is there. Argument behind the first five: the offset that the caller knows to be stored.</summary>
    public const string Verify = IsCurrent + IsWhole + "redis.call('PEXPIRE', KEYS[1], ARGV[4])\n" + Ends + "return 0";

    /// <summary>
    /// Replaces entries by one. Arguments behind the first five: the offset that the caller knows to be stored, where the new entry's spans begin and end,
    /// the clock there, their number, how they are packed, the packed form, and the ids of the entries that are removed. The new entry's id.
    /// </summary>
    public const string CarryForward = IsCurrent + IsWhole + """
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        local removed = 0
        for first = 13, #ARGV, 1000 do removed = removed + redis.call('XDEL', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV))) end
        local id = redis.call('HGET', KEYS[1], 'last_carried') or '-1'
        if removed > 0 then
          id = string.format('%.0f', tonumber(redis.call('HGET', KEYS[1], 'last_entry') or 0) + 1)
          redis.call('XADD', KEYS[2], id .. '-0', 'first', ARGV[7], 'through', ARGV[8], 'clock', ARGV[9], 'spans', ARGV[10],
            'packing', ARGV[11], 'messages', ARGV[12])
          redis.call('HSET', KEYS[1], 'last_entry', id, 'last_carried', id, 'entries', redis.call('XLEN', KEYS[2]))
        end

        """ + Ends + "return tonumber(id)";

    /// <summary>
    /// Begins to write a shard anew that has lost something. Arguments behind the first five: the fields of the state and their values, among them how many entries
    /// there will be: until these are there, the shard is not whole.
    /// </summary>
    public const string BeginRestoring = """
        if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) > tonumber(ARGV[2]) then return -2 end
        redis.call('PEXPIRE', KEYS[1], ARGV[4])

        """ + Clears + """
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        for first = 6, #ARGV, 1000 do redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV))) end

        """ + Ends + "return 0";

    /// <summary>Writes entries of a shard that is written anew. Arguments behind the first five, for each: id, first, through, clock, spans, packing, messages.</summary>
    public const string Restore = IsCurrent + """
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        local restored = tonumber(redis.call('HGET', KEYS[1], 'restored') or 0)
        for at = 6, #ARGV, 7 do
          if tonumber(ARGV[at]) > restored then
            redis.call('XADD', KEYS[2], ARGV[at] .. '-0', 'first', ARGV[at + 1], 'through', ARGV[at + 2], 'clock', ARGV[at + 3], 'spans', ARGV[at + 4],
              'packing', ARGV[at + 5], 'messages', ARGV[at + 6])
            redis.call('HSET', KEYS[1], 'restored', ARGV[at])
          end
        end

        """ + Ends + "return 0";
}

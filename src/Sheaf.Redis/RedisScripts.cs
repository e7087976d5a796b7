using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>
/// The scripts, each on the keys of one shard or of one trace, all small: what has to happen as a whole and depends on what is there. All but <see cref="Arm"/> may run on a server that
/// is full (<c>allow-oom</c>, since Redis 7), or nothing could leave it any more.
/// </summary>
internal static class RedisScripts
{
    private const string MayRunWhenFull = "#!lua flags=allow-oom\n";
    private const string RefusedWhenFull = "#!lua\n";

    /// <summary>A shard's epoch is gone, and with it everything else.</summary>
    public const int Lost = -1;

    /// <summary>Somebody else has taken the shard over.</summary>
    public const int Lapsed = -2;

    /// <summary>
    /// Begins another appender's term: what appenders and claimers of before still do to the shard is refused from now on, and what is stored now is all that they have stored. Keys: stored,
    /// epoch, term. Arguments: seconds to live, the time (ms), which keeps the numbers of terms growing where the server has forgotten the last one. The term's number and the stored mark.
    /// </summary>
    public static readonly RespScript BeginTerm = new(MayRunWhenFull + """
        local term = tonumber(ARGV[2])
        local last = tonumber(redis.call('GET', KEYS[3]) or 0)
        if term <= last then term = last + 1 end
        redis.call('SET', KEYS[3], string.format('%.0f', term), 'EX', ARGV[1])
        local doubtful = string.match(redis.call('GET', KEYS[2]) or '', ':(%d+)$') or 0
        redis.call('SET', KEYS[2], 'between:' .. doubtful, 'EX', ARGV[1])
        return {term, redis.call('GET', KEYS[1])}
        """);

    /// <summary>
    /// Arms traces and notes how far the input is stored. Keys: due, stored, epoch, term. Arguments: seconds to live, the number of the appender's term (0: nobody else can have the shard), the
    /// stored mark, then for each trace its deadline and its name. 1; or <see cref="Lost"/>, <see cref="Lapsed"/> with nothing done.
    /// </summary>
    public static readonly RespScript Arm = new(RefusedWhenFull + """
        local own = tonumber(ARGV[2])
        if own > 0 then
          local last = redis.call('GET', KEYS[4])
          if last and tonumber(last) > own then return -2 end
          redis.call('SET', KEYS[4], ARGV[2], 'EX', ARGV[1])
        end
        if redis.call('EXPIRE', KEYS[3], ARGV[1]) == 0 then return -1 end
        for first = 4, #ARGV, 1000 do
          redis.call('ZADD', KEYS[1], 'LT', unpack(ARGV, first, math.min(first + 999, #ARGV)))
        end
        redis.call('EXPIRE', KEYS[1], ARGV[1])
        redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[1])
        return 1
        """);

    /// <summary>
    /// Makes whatever is claimed due again, and a new claimer the only one. Keys: due, inflight, epoch. Arguments: seconds to live, the claimer's name. How many traces were
    /// claimed, by the claimer before or by one before that, and may therefore have no records any more; <see cref="Lost"/> where there was no epoch: there is one now. The
    /// claimer's token is its name and this number: <c>NAME:NUMBER</c>, with 0 after a loss.
    /// </summary>
    public static readonly RespScript TakeOver = new(MayRunWhenFull + """
        local known = redis.call('GET', KEYS[3])
        local claimed = 0
        while true do
          local some = redis.call('ZRANGE', KEYS[2], 0, 499, 'WITHSCORES')
          if #some == 0 then break end
          for i = 1, #some, 2 do
            redis.call('ZADD', KEYS[1], 'LT', some[i + 1], some[i])
          end
          redis.call('ZREMRANGEBYRANK', KEYS[2], 0, #some / 2 - 1)
          claimed = claimed + #some / 2
        end
        redis.call('EXPIRE', KEYS[1], ARGV[1])
        local doubtful = known and claimed + tonumber(string.match(known, ':(%d+)$') or 0) or 0
        redis.call('SET', KEYS[3], ARGV[2] .. ':' .. doubtful, 'EX', ARGV[1])
        if not known then return -1 end
        return doubtful
        """);

    /// <summary>
    /// Claims traces whose deadline is before a time, earliest first, leaving out those that are claimed already. Keys: due, inflight, epoch. Arguments: the claimer's token,
    /// seconds to live, the time, the most traces. Their names; or <see cref="Lost"/>, <see cref="Lapsed"/>.
    /// </summary>
    public static readonly RespScript Claim = new(MayRunWhenFull + """
        local holder = redis.call('GET', KEYS[3])
        if not holder then return -1 end
        if holder ~= ARGV[1] then return holder == 'nobody' and -1 or -2 end
        local claimed = {}
        if redis.call('ZCARD', KEYS[2]) == 0 then
          local count = redis.call('ZRANGESTORE', KEYS[2], KEYS[1], '-inf', ARGV[3], 'BYSCORE', 'LIMIT', 0, ARGV[4])
          if count > 0 then
            claimed = redis.call('ZRANGE', KEYS[2], 0, -1)
            redis.call('ZREMRANGEBYRANK', KEYS[1], 0, count - 1)
          end
        else
          local most = tonumber(ARGV[4])
          local skip = 0
          while #claimed < most do
            local some = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[3], 'BYSCORE', 'LIMIT', skip, math.min(500, most - #claimed), 'WITHSCORES')
            if #some == 0 then break end
            for i = 1, #some, 2 do
              if redis.call('ZADD', KEYS[2], 'NX', some[i + 1], some[i]) == 1 then
                redis.call('ZREM', KEYS[1], some[i])
                claimed[#claimed + 1] = some[i]
              else
                skip = skip + 1
              end
            end
          end
        end
        if #claimed > 0 then
          redis.call('EXPIRE', KEYS[2], ARGV[2])
          redis.call('EXPIRE', KEYS[3], ARGV[2])
        end
        return claimed
        """);

    /// <summary>
    /// Ends the claim of traces. Keys: due, inflight, epoch. Arguments: the claimer's token, seconds to live, the number of traces of which spans stay, for each of these its next deadline
    /// and its name, then the names of those that have gone as a whole. 1; or <see cref="Lost"/>, <see cref="Lapsed"/> with nothing done.
    /// </summary>
    public static readonly RespScript Release = new(MayRunWhenFull + """
        local holder = redis.call('GET', KEYS[3])
        if not holder then return -1 end
        if holder ~= ARGV[1] then return holder == 'nobody' and -1 or -2 end
        local gone = 4 + 2 * tonumber(ARGV[3])
        for i = 4, gone - 1, 2 do
          if redis.call('ZREM', KEYS[2], ARGV[i + 1]) == 1 then
            redis.call('ZADD', KEYS[1], 'LT', ARGV[i], ARGV[i + 1])
          end
        end
        for first = gone, #ARGV, 1000 do
          redis.call('ZREM', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))
        end
        redis.call('EXPIRE', KEYS[1], ARGV[2])
        return 1
        """);

    /// <summary>
    /// Gives a record another name, since some of its spans have gone. Key: the trace. Arguments: old and new name. 1, or 0 where there is no such record.
    /// </summary>
    public static readonly RespScript Rename = new(MayRunWhenFull + """
        local payloads = redis.call('HGET', KEYS[1], ARGV[1])
        if not payloads then return 0 end
        redis.call('HSET', KEYS[1], ARGV[2], payloads)
        redis.call('HDEL', KEYS[1], ARGV[1])
        return 1
        """);

    /// <summary>All of them, to be loaded on every connection.</summary>
    public static IReadOnlyList<RespScript> All { get; } = [BeginTerm, Arm, TakeOver, Claim, Release, Rename];
}

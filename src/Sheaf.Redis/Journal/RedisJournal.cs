using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Journals;
using Sheaf.Spans;
using StackExchange.Redis;

namespace Sheaf.Redis.Journal;

/// <summary>
/// A journal in Redis: per shard a stream with an entry for each batch, and a hash with the progress, both in one slot (<see cref="JournalKeys"/>).
/// </summary>
/// <remarks>
/// What holds at each moment:
/// <list type="bullet">
/// <item>An entry and the stored position that goes with it appear in one script. So a crash of the appender leaves both or none.</item>
/// <item>Entries disappear only in a script that also keeps what is settled, or that adds the entry into which they were carried forward.</item>
/// <item>The state says how many entries the log has. A server that lost one of the two keys, or the tail of both, contradicts either that number or the position
/// that the caller has seen: the step is refused with <see cref="JournalOutcome.Lost"/>.</item>
/// <item>Both keys get their time to live anew with every step; <see cref="TouchAsync"/> does that for a shard in which nothing happens.</item>
/// </list>
/// </remarks>
public sealed class RedisJournal : IJournal
{
    /// <summary>Most entries of one answer: a shard with large ones is read bit by bit.</summary>
    private const int MostEntriesAtOnce = 64;

    private readonly RedisJournalOptions _options;
    private readonly RedisConnection _connection;
    private readonly TimeProvider _time;
    private readonly EntryPacking _packing;
    private readonly RedisMemoryGauge _memory;
    private readonly ConcurrentDictionary<ShardId, JournalKeys> _keys = [];
    private readonly string _token = Guid.NewGuid().ToString("N");
    private readonly RedisValue _timeToLive;
    private long _step;
    private long _opening;

    private RedisJournal(RedisJournalOptions options, RedisConnection connection, TimeProvider time)
    {
        _options = options;
        _connection = connection;
        _time = time;
        _packing = new EntryPacking(options.CompressionLevel);
        _memory = new RedisMemoryGauge(connection, options, time);
        _timeToLive = (long)options.TimeToLive.TotalMilliseconds;
    }

    /// <summary>Connects.</summary>
    /// <exception cref="BufferUnavailableException">No server answers.</exception>
    /// <exception cref="ConfigurationException">The server will not do, or refuses this user.</exception>
    public static async ValueTask<RedisJournal> OpenAsync(RedisJournalOptions options, TimeProvider time, CancellationToken cancel)
    {
        RedisConnection connection = await RedisConnection.OpenAsync(options.Address, options.AnswerTimeout).WaitAsync(cancel);
        try
        {
            await JournalInspection.InspectAsync(connection, options);
            return new RedisJournal(options, connection, time);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel)
    {
        JournalKeys keys = KeysOf(shard);
        RedisValue[] arguments = [NameOf(side), $"{_token}:{Interlocked.Increment(ref _opening)}", _time.GetUtcNow().ToUnixTimeMilliseconds(), _timeToLive];
        RedisResult[] answer = (RedisResult[])(await EvaluateAsync(JournalScripts.Open, keys, arguments, cancel))!;
        return JournalState.Read((RedisValue[])answer[2]!, (long)answer[0], (long)answer[1], $"{_options.Address}: {keys.State}");
    }

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> BeginAsync(
        ShardId shard, JournalSide side, long generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        var arguments = new List<RedisValue>(Head(side, generation)) { _timeToLive };
        JournalState.Write(_options.Origin, stored, settled, arguments);
        return await StepAsync(JournalScripts.Begin, KeysOf(shard), [.. arguments], cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> AppendAsync(SpanBatch batch, long storedBefore, long generation, CancellationToken cancel)
    {
        byte[]? packed = null;
        int length = 0;
        if (batch.Count > 0) packed = _packing.Pack(batch, out length);
        RedisValue[] arguments =
        [
            .. Head(JournalSide.Appender, generation), _timeToLive, storedBefore, batch.Through.Offset, JournalState.Text(batch.Through.ClockMs), batch.Count,
            _packing.Name, packed.AsMemory(0, length),
        ];
        JournalOutcome outcome = await StepAsync(JournalScripts.Append, KeysOf(batch.Shard), arguments, cancel);
        // Only now: where the answer did not come, the client may still be about to send these bytes, and the collector has them then.
        if (packed is not null) ArrayPool<byte>.Shared.Return(packed);
        return outcome;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        RedisKey log = KeysOf(shard).Log;
        StreamEntry[] found = await _connection.AskAsync(database => database.StreamRangeAsync(log, $"({after}-0", "+", Math.Min(most, MostEntriesAtOnce))).WaitAsync(cancel);
        return ImmutableCollectionsMarshal.AsImmutableArray(Array.ConvertAll(found, entry => EntryOf(entry, log)));
    }

    /// <inheritdoc/>
    public void Unpack(in JournalEntry entry, JournalMessages into) => _packing.Unpack(entry, into);

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> SettleAsync(
        ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, long generation, CancellationToken cancel)
    {
        var arguments = new List<RedisValue>(Head(JournalSide.Worker, generation)) { _timeToLive, readThrough, settledSpans };
        JournalState.Write(progress, arguments);
        foreach (long id in removed.Span) arguments.Add($"{id}-0");
        return await StepAsync(JournalScripts.Settle, KeysOf(progress.Shard), [.. arguments], cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
        SpanBatch waiting, ReadOnlyMemory<long> replaced, long readThrough, long generation, CancellationToken cancel)
    {
        byte[] packed = _packing.Pack(waiting, out int length);
        var arguments = new List<RedisValue>(Head(JournalSide.Worker, generation))
        {
            _timeToLive, readThrough, waiting.Spans[0].SourceOffset - 1, waiting.Spans[^1].SourceOffset, waiting.Count, _packing.Name, packed.AsMemory(0, length),
        };
        foreach (long id in replaced.Span) arguments.Add($"{id}-0");
        long answer;
        try
        {
            answer = (long)await EvaluateAsync(JournalScripts.CarryForward, KeysOf(waiting.Shard), [.. arguments], cancel);
        }
        catch (RedisServerException e) when (IsTooLarge(e))
        {
            return (JournalOutcome.TooLarge, 0);
        }
        ArrayPool<byte>.Shared.Return(packed);
        return answer > 0 ? (JournalOutcome.Done, answer) : (OutcomeOf(answer), 0);
    }

    /// <inheritdoc/>
    public async ValueTask RemoveAsync(ShardId shard, CancellationToken cancel)
    {
        JournalKeys keys = KeysOf(shard);
        await _connection.AskAsync(database => database.KeyDeleteAsync(keys.All)).WaitAsync(cancel);
    }

    /// <summary>Gives both keys of a shard their time to live anew, where nothing else has for a while.</summary>
    public async ValueTask TouchAsync(ShardId shard, CancellationToken cancel)
    {
        JournalKeys keys = KeysOf(shard);
        foreach (RedisKey key in keys.All) await _connection.AskAsync(database => database.KeyExpireAsync(key, _options.TimeToLive)).WaitAsync(cancel);
    }

    /// <inheritdoc/>
    public ValueTask<double> LoadAsync(CancellationToken cancel) => _memory.LoadAsync(cancel);

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        _packing.Dispose();
    }

    private static string NameOf(JournalSide side) => side switch
    {
        JournalSide.Appender => JournalFields.Appender,
        JournalSide.Worker => JournalFields.Worker,
    };

    private static JournalOutcome OutcomeOf(long answer) => answer switch
    {
        JournalScripts.Done => JournalOutcome.Done,
        JournalScripts.Lost => JournalOutcome.Lost,
        JournalScripts.Superseded => JournalOutcome.Superseded,
        _ => throw new InvalidDataException($"a script of the journal has answered {answer}"),
    };

    /// <summary>The server takes no command of that size (<c>proto-max-bulk-len</c>, or what a managed one allows).</summary>
    private static bool IsTooLarge(RedisServerException e) =>
        e.Message.Contains("invalid bulk length", StringComparison.OrdinalIgnoreCase) || e.Message.Contains("exceeds maximum", StringComparison.OrdinalIgnoreCase);

    private RedisValue[] Head(JournalSide side, long generation) => [NameOf(side), generation, Interlocked.Increment(ref _step)];

    private JournalKeys KeysOf(ShardId shard) => _keys.GetOrAdd(shard, static (shard, slice) => new JournalKeys(slice, shard), _options.SliceId);

    private async ValueTask<JournalOutcome> StepAsync(string script, JournalKeys keys, RedisValue[] arguments, CancellationToken cancel)
    {
        try
        {
            return OutcomeOf((long)await EvaluateAsync(script, keys, arguments, cancel));
        }
        catch (RedisServerException e) when (IsTooLarge(e))
        {
            return JournalOutcome.TooLarge;
        }
    }

    private async Task<RedisResult> EvaluateAsync(string script, JournalKeys keys, RedisValue[] arguments, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        // Not given up half-way: the memory that the arguments point to is used again afterwards. The answer's time-out bounds it.
        return await _connection.EvaluateAsync(script, keys.All, arguments);
    }

    private JournalEntry EntryOf(StreamEntry entry, RedisKey log)
    {
        string id = entry.Id!;
        if (!long.TryParse(id.AsSpan(0, id.IndexOf('-', StringComparison.Ordinal)), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            || !entry[JournalFields.First].TryParse(out long first) || !entry[JournalFields.Through].TryParse(out long through)
            || !entry[JournalFields.Spans].TryParse(out int spans))
            throw new InvalidDataException($"{_options.Address}: {log} has an entry {id} that no version of Sheaf has written which this one knows");
        return new JournalEntry(number, first, through, spans, (ReadOnlyMemory<byte>)entry[JournalFields.Messages], entry[JournalFields.Packing].ToString());
    }
}

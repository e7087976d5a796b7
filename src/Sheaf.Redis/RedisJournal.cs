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

namespace Sheaf.Redis;

/// <summary>
/// A journal in Redis: per shard a stream with an entry for each batch, and a hash with the progress, both in one slot (<see cref="JournalKeys"/>).
/// </summary>
/// <remarks>
/// What holds at each moment:
/// <list type="bullet">
/// <item>An entry and the stored position that goes with it appear in one script. So a crash of the appender leaves both or none.</item>
/// <item>Entries disappear only in a script that also keeps what is settled, or that adds the entry into which they were carried forward.</item>
/// <item>The state says how many entries the log has and which step of each side was the last one. A server that lost one of the two keys, or the tail of both, contradicts
/// one of them: the step is refused with <see cref="JournalOutcome.Lost"/>.</item>
/// <item>Both keys get their time to live anew with every step; the worker's <see cref="VerifyAsync"/> does that for a shard in which nothing happens.</item>
/// </list>
/// </remarks>
public sealed class RedisJournal : IJournal
{
    /// <summary>Most entries of one answer: a shard with large ones is read bit by bit.</summary>
    private const int MostEntriesAtOnce = 64;

    /// <summary>Bytes after which a step that writes a shard anew is sent.</summary>
    private const int MostBytesAtOnce = 1 << 20;

    private readonly RedisJournalOptions _options;
    private readonly RedisConnection _connection;
    private readonly TimeProvider _time;
    private readonly EntryPacking _packing;
    private readonly RedisMemoryGauge _memory;
    private readonly RedisSizeLimit _sizeLimit;
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
        _sizeLimit = new RedisSizeLimit(connection, time);
        _timeToLive = (long)options.TimeToLive.TotalMilliseconds;
    }

    /// <summary>What the server is, for people: <c>Redis 7.2.4</c>; empty where it was not inspected.</summary>
    public string ServerVersion { get; private init; } = "";

    /// <summary>Connects, and finds out if the server will do.</summary>
    /// <exception cref="BufferUnavailableException">No server answers.</exception>
    /// <exception cref="ConfigurationException">The server will not do, or refuses this user.</exception>
    public static async ValueTask<RedisJournal> OpenAsync(RedisJournalOptions options, TimeProvider time, CancellationToken cancel)
    {
        var connection = new RedisConnection(options.Address, options.AnswerTimeout);
        try
        {
            await connection.ConnectAsync().WaitAsync(cancel);
            string version = await JournalInspection.InspectAsync(connection, options).WaitAsync(cancel);
            return new RedisJournal(options, connection, time) { ServerVersion = version };
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Connects when something is first asked. For a process whose parent has found that the server will do.</summary>
    public static RedisJournal OpenLater(RedisJournalOptions options, TimeProvider time) => new(options, new RedisConnection(options.Address, options.AnswerTimeout), time);

    /// <inheritdoc/>
    public async ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel)
    {
        JournalKeys keys = KeysOf(shard);
        RedisValue[] arguments = [NameOf(side), $"{_token}:{Interlocked.Increment(ref _opening)}", _time.GetUtcNow().ToUnixTimeMilliseconds(), _timeToLive];
        var answer = (RedisResult[])(await EvaluateAsync(JournalScripts.Open, keys, arguments, cancel))!;
        return JournalState.Read((RedisValue[])answer[2]!, new JournalGeneration(side, (long)answer[0]), (long)answer[1], $"{_options.Address}: {keys.State}");
    }

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> RenewAsync(ShardId shard, JournalGeneration generation, CancellationToken cancel)
    {
        (List<RedisValue> arguments, long step) = Head(generation);
        return await StepAsync(JournalScripts.Renew, shard, arguments, generation, step, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<JournalShard> LookAsync(ShardId shard, CancellationToken cancel)
    {
        JournalKeys keys = KeysOf(shard);
        var answer = (RedisResult[])(await EvaluateAsync(JournalScripts.Look, keys, [], cancel))!;
        return JournalState.Read((RedisValue[])answer[2]!, new JournalGeneration(JournalSide.Appender, 0), (long)answer[1], $"{_options.Address}: {keys.State}");
    }

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> BeginAsync(
        ShardId shard, JournalGeneration generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        (List<RedisValue> arguments, long step) = Head(generation);
        JournalState.WriteBegin(_options.Origin, stored, settled, arguments);
        return await StepAsync(JournalScripts.Begin, shard, arguments, generation, step, cancel);
    }

    /// <inheritdoc/>
    public JournalEntry Pack(SpanBatch batch, Range range, long first, StoredPosition through) => _packing.Pack(batch, range, first, through);

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> AppendAsync(ShardId shard, JournalEntry entry, JournalGeneration generation, CancellationToken cancel)
    {
        if (!await _sizeLimit.AllowsAsync(entry.Packed.Length)) return JournalOutcome.TooLarge;
        (List<RedisValue> arguments, long step) = Head(generation);
        arguments.AddRange([entry.First, entry.Through.Offset, JournalState.Text(entry.Through.Clock), entry.Spans, entry.Packing, entry.Packed]);
        return await StepAsync(JournalScripts.Append, shard, arguments, generation, step, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        cancel.ThrowIfCancellationRequested();
        RedisKey log = KeysOf(shard).Log;
        StreamEntry[] found = await AskAsync(database => database.StreamRangeAsync(log, $"({after}-0", "+", Math.Min(most, MostEntriesAtOnce)));
        return ImmutableCollectionsMarshal.AsImmutableArray(Array.ConvertAll(found, entry => EntryOf(entry, log)));
    }

    /// <inheritdoc/>
    public void Unpack(in JournalEntry entry, JournalMessages into) => _packing.Unpack(entry, into);

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> SettleAsync(
        ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, JournalGeneration generation, CancellationToken cancel)
    {
        (List<RedisValue> arguments, long step) = Head(generation);
        arguments.AddRange([readThrough, settledSpans]);
        JournalState.WriteSettled(progress, arguments);
        foreach (long id in removed.Span) arguments.Add($"{id}-0");
        return await StepAsync(JournalScripts.Settle, progress.Shard, arguments, generation, step, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> VerifyAsync(ShardId shard, long readThrough, JournalGeneration generation, CancellationToken cancel)
    {
        (List<RedisValue> arguments, long step) = Head(generation);
        arguments.Add(readThrough);
        return await StepAsync(JournalScripts.Verify, shard, arguments, generation, step, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
        ShardId shard, JournalEntry waiting, ReadOnlyMemory<long> replaced, long readThrough, JournalGeneration generation, CancellationToken cancel)
    {
        if (!await _sizeLimit.AllowsAsync(waiting.Packed.Length)) return (JournalOutcome.TooLarge, 0);
        (List<RedisValue> arguments, long step) = Head(generation);
        arguments.AddRange(
            [readThrough, waiting.First, waiting.Through.Offset, JournalState.Text(waiting.Through.Clock), waiting.Spans, waiting.Packing, waiting.Packed]);
        foreach (long id in replaced.Span) arguments.Add($"{id}-0");
        try
        {
            long answer = (long)await EvaluateAsync(JournalScripts.CarryForward, KeysOf(shard), [.. arguments], cancel);
            if (answer <= 0) return (OutcomeOf(answer), 0);
            generation.AcknowledgedStep = step;
            return (JournalOutcome.Done, answer);
        }
        catch (RedisServerException e) when (RedisSizeLimit.IsExceeded(e))
        {
            return (JournalOutcome.TooLarge, 0);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<JournalOutcome> RestoreAsync(
        ProgressSnapshot progress, StoredPosition stored, IReadOnlyList<JournalEntry> entries, long waitingSpans, JournalGeneration generation,
        CancellationToken cancel)
    {
        generation.AcknowledgedStep = 0; // what was acknowledged before is gone
        (List<RedisValue> arguments, long step) = Head(generation);
        JournalState.WriteRestored(_options.Origin, stored, waitingSpans, entries.Count, progress, arguments);
        JournalOutcome outcome = await StepAsync(JournalScripts.BeginRestoring, progress.Shard, arguments, generation, step, cancel);
        for (int next = 0; next < entries.Count && outcome == JournalOutcome.Done;)
        {
            (arguments, step) = Head(generation);
            for (int bytes = 0; next < entries.Count && bytes < MostBytesAtOnce; next++)
            {
                JournalEntry entry = entries[next];
                bytes += entry.Packed.Length;
                arguments.AddRange(
                    [next + 1, entry.First, entry.Through.Offset, JournalState.Text(entry.Through.Clock), entry.Spans, entry.Packing, entry.Packed]);
            }
            outcome = await StepAsync(JournalScripts.Restore, progress.Shard, arguments, generation, step, cancel);
        }
        return outcome;
    }

    /// <inheritdoc/>
    public async ValueTask RemoveAsync(ShardId shard, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        JournalKeys keys = KeysOf(shard);
        await AskAsync(database => database.KeyDeleteAsync(keys.All));
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

    private (List<RedisValue> Arguments, long Step) Head(JournalGeneration generation)
    {
        long step = Interlocked.Increment(ref _step);
        return ([NameOf(generation.Side), generation.Number, step, _timeToLive, generation.AcknowledgedStep], step);
    }

    private JournalKeys KeysOf(ShardId shard) => _keys.GetOrAdd(shard, static (shard, slice) => new JournalKeys(slice, shard), _options.SliceId);

    private async ValueTask<JournalOutcome> StepAsync(
        string script, ShardId shard, List<RedisValue> arguments, JournalGeneration generation, long step, CancellationToken cancel)
    {
        try
        {
            JournalOutcome outcome = OutcomeOf((long)await EvaluateAsync(script, KeysOf(shard), [.. arguments], cancel));
            if (outcome == JournalOutcome.Done) generation.AcknowledgedStep = step;
            return outcome;
        }
        catch (RedisServerException e) when (RedisSizeLimit.IsExceeded(e))
        {
            return JournalOutcome.TooLarge;
        }
    }

    private async Task<RedisResult> EvaluateAsync(string script, JournalKeys keys, RedisValue[] arguments, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        // Not given up half-way, since a step of this side may follow it only when it has been answered. The answer's time-out bounds it.
        try
        {
            return await _connection.EvaluateAsync(script, keys.All, arguments);
        }
        catch (RedisServerException e) when (!RedisSizeLimit.IsExceeded(e))
        {
            throw Refused(e);
        }
    }

    private async Task<T> AskAsync<T>(Func<IDatabase, Task<T>> command)
    {
        try
        {
            return await _connection.AskAsync(command);
        }
        catch (RedisServerException e)
        {
            throw Refused(e);
        }
    }

    /// <summary>What was allowed at the start is not any more (a right, a renamed command): until that is mended, what is asked is asked again.</summary>
    private BufferUnavailableException Refused(RedisServerException e) => new($"buffer: {_options.Address} refuses what it has allowed at the start: {e.Message}", e);

    private JournalEntry EntryOf(StreamEntry entry, RedisKey log)
    {
        string id = entry.Id!;
        if (!long.TryParse(id.AsSpan(0, id.IndexOf('-', StringComparison.Ordinal)), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            || !entry[JournalFields.First].TryParse(out long first) || !entry[JournalFields.Through].TryParse(out long through)
            || !entry[JournalFields.Spans].TryParse(out int spans) || !JournalState.TryReadClock(entry[JournalFields.Clock].ToString(), out StreamClock clock))
            throw new InvalidDataException($"{_options.Address}: {log} has an entry {id} that no version of Sheaf has written which this one knows");
        return new JournalEntry(
            number, first, new StoredPosition(through, clock), spans, (ReadOnlyMemory<byte>)entry[JournalFields.Messages], entry[JournalFields.Packing].ToString());
    }
}

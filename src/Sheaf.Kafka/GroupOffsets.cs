using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Ingesting;
using Sheaf.Kafka.Progress;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>Where a partition that comes is read on, and under which number.</summary>
internal readonly record struct StartPlace(int Partition, long Offset, long Assignment);

/// <summary>
/// The group's offsets: where partitions are read on, and that the group hears how far they are. With a buffer that outlives the process that is what it has stored; otherwise it goes
/// with the buffer's progress, where there is a topic for that. Owner: the polling thread, but for what says otherwise.
/// </summary>
internal sealed class GroupOffsets : IDisposable
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BrokerTime = TimeSpan.FromSeconds(5);

    private readonly KafkaConsumer _consumer;
    private readonly KafkaInput _input;
    private readonly IShardOwner _owner;
    private readonly KafkaProgress? _progress;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly CancellationToken _givenUp;
    private readonly Dictionary<int, long> _committed = []; // of partitions that are this process's, and without progress only
    private GroupNote? _note; // read when partitions come for the first time
    private KafkaTransactions? _transactions; // used by one commit at a time
    private Task _committing = Task.CompletedTask;

    /// <param name="givenUp">Ends every wait.</param>
    public GroupOffsets(
        KafkaConsumer consumer, KafkaInput input, IShardOwner owner, KafkaProgress? progress, ILogger log, TimeProvider time, CancellationToken givenUp)
    {
        _consumer = consumer;
        _input = input;
        _owner = owner;
        _progress = progress;
        _log = log;
        _time = time;
        _givenUp = givenUp;
    }

    /// <summary>A rebalance has begun that the group has told this member of.</summary>
    public void Follow(KafkaRebalance rebalance)
    {
        if (rebalance.Kind == RebalanceKind.Assigned) _progress?.Join(_consumer);
        if (rebalance.Kind == RebalanceKind.Lost) _progress?.Leave();
    }

    /// <summary>Finds out where partitions that come are read on, and lets the owner begin with them. Any thread.</summary>
    /// <exception cref="SourceException">Only a person can mend it.</exception>
    public async Task<ImmutableArray<StartPlace>> BeginAsync(ImmutableArray<int> partitions, long firstAssignment)
    {
        var starts = new (StoredPosition Stored, SettledOffsets Settled)[partitions.Length];
        var committed = new List<PartitionOffset>();
        // Before anything is taken: what is taken must be begun, or it would be counted nowhere.
        foreach (int partition in partitions)
        {
            if (partition >= _input.Partitions)
            {
                throw new SourceException(string.Create(CultureInfo.InvariantCulture,
                    $"Kafka: {_input.Options.Address}: the topic has gained partitions: partition {partition} was assigned, and there were ")
                    + string.Create(CultureInfo.InvariantCulture, $"{_input.Partitions} when this instance started. It hands over what it has and ends. ")
                    + "Start it again, as a supervisor does by itself: it then has them all, and reads the new ones from their beginning");
            }
        }
        await _committing.WaitAsync(_givenUp);
        await Task.Run(PrepareProgress);
        GroupNote note = await ReadNoteAsync();
        for (int i = 0; i < partitions.Length; i++)
        {
            int partition = partitions[i];
            StoredPosition? known = null;
            await RetryAsync(async () => known = await _owner.TakeAsync(new ShardId(partition), _givenUp));
            if (known is { } stored)
            {
                try
                {
                    await AskAsync(() => EnsureOfThisTopic(partition, stored));
                }
                catch (SourceException)
                {
                    // What was taken and is not begun stays in the buffer, for whoever takes it next.
                    foreach (int taken in partitions[..(i + 1)]) _owner.Forget(new ShardId(taken), wasLost: false);
                    throw;
                }
            }
            else
            {
                PartitionOffset start = await AskAsync(() => FindStart(partition, note));
                committed.Add(start);
                known = new StoredPosition(start.Offset - 1, StreamClock.NotStarted);
            }
            starts[i] = (known.Value, SettledOffsets.None);
        }
        if (_progress is not null && committed.Count > 0)
        {
            foreach ((int partition, (StreamClock clock, SettledOffsets settled)) in await Task.Run(() => _progress.Load(committed, _givenUp)))
            {
                int i = partitions.IndexOf(partition);
                starts[i] = (starts[i].Stored with { Clock = clock }, settled);
            }
        }
        var places = ImmutableArray.CreateBuilder<StartPlace>(partitions.Length);
        for (int i = 0; i < partitions.Length; i++)
        {
            places.Add(new StartPlace(partitions[i], starts[i].Stored.Offset + 1, firstAssignment + i));
            await RetryAsync(() => _owner.BeginAsync(new ShardId(partitions[i]), places[i].Assignment, starts[i].Stored, starts[i].Settled, _givenUp).AsTask());
        }
        return places.MoveToImmutable();
    }

    /// <summary>Lets the group hear how far these partitions are, without waiting for it.</summary>
    public void CommitLater(IReadOnlyCollection<int> partitions)
    {
        if (_progress is not null)
        {
            if (_committing.Exception?.InnerException is { } unexpected) ExceptionDispatchInfo.Throw(unexpected); // what passes by itself was told instead
            if (!_committing.IsCompleted || partitions.Count == 0) return;
            ShardId[] shards = ShardsOf(partitions);
            _committing = Task.Run(() => TryCommitProgressAsync(shards, isLast: false));
            return;
        }
        while (_consumer.TryTakeCommitFailure(out KafkaError failure)) KafkaLog.NotCommitted(_log, failure.Text);
        PartitionOffset[] offsets = Uncommitted(partitions);
        KafkaError error = _consumer.CommitLater(offsets);
        if (!error.IsNone) KafkaLog.NotCommitted(_log, error.Text);
        else foreach (PartitionOffset offset in offsets) _committed[offset.Partition] = offset.Offset;
    }

    /// <summary>Lets the group hear how far partitions are that go elsewhere, of which nothing changes any more: their new owner begins there. Any thread; nothing else is called meanwhile.</summary>
    public async Task CommitLastAsync(ImmutableArray<int> partitions)
    {
        if (_progress is not null)
        {
            await _committing.WaitAsync(_givenUp);
            await TryCommitProgressAsync(ShardsOf(partitions), isLast: true);
            return;
        }
        KafkaError error = _consumer.Commit(Uncommitted(partitions));
        if (!error.IsNone) KafkaLog.HandoverNotCommitted(_log, error.Text);
    }

    /// <summary>These partitions are gone.</summary>
    public void Forget(ImmutableArray<int> partitions)
    {
        foreach (int partition in partitions) _committed.Remove(partition);
    }

    /// <summary>Ends with the commit that is under way, if there is one.</summary>
    public void Dispose() => _ = DisposeAfterCommitAsync();

    private async Task DisposeAfterCommitAsync()
    {
        await _committing.WaitAsync(CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _transactions?.Dispose();
    }

    /// <summary>Ends what an earlier life of this member has left open: the group's offsets wait for it.</summary>
    private void PrepareProgress()
    {
        if (_progress is null || _transactions is not null) return;
        try
        {
            _transactions = _progress.OpenTransactions("progress");
            _transactions.Prepare(_givenUp);
        }
        catch (SinkException e) when (!_givenUp.IsCancellationRequested)
        {
            throw new SourceException($"--progress-topic: {e.Message}", e);
        }
    }

    private async Task TryCommitProgressAsync(ShardId[] shards, bool isLast)
    {
        try
        {
            _transactions ??= _progress!.OpenTransactions("progress");
            await _progress!.CommitAsync(_transactions, shards, evenIfBusy: isLast, _givenUp);
        }
        catch (SheafException e) when (e is TransactionAbortedException or SinkException or ConfigurationException)
        {
            if (isLast) KafkaLog.HandoverNotCommitted(_log, e.Message);
            else KafkaLog.NotCommitted(_log, e.Message);
            if (e is TransactionAbortedException) return;
            _transactions?.Dispose(); // another producer takes its place
            _transactions = null;
        }
        catch (OperationCanceledException) when (_givenUp.IsCancellationRequested)
        {
            // As after a crash: what was committed before holds.
        }
    }

    private static ShardId[] ShardsOf(IEnumerable<int> partitions) => [.. partitions.Select(p => new ShardId(p))];

    private PartitionOffset[] Uncommitted(IEnumerable<int> partitions) =>
    [
        .. partitions.Select(p => new PartitionOffset(p, _owner.ReadOnFrom(new ShardId(p)), _note.ToString() ?? "")).Where(o => o.Offset > _committed.GetValueOrDefault(o.Partition, PartitionOffset.None)),
    ];

    /// <summary>What goes with the offsets of this group, by those that it has committed.</summary>
    private async Task<GroupNote> ReadNoteAsync()
    {
        if (_note is { } known) return known;
        GroupNote note = await AskAsync<GroupNote>(() =>
        {
            PartitionOffset[] committed = [.. Enumerable.Range(0, _input.Partitions).Select(p => new PartitionOffset(p, 0))];
            return Answered(0, _consumer.Committed(committed, BrokerTime)) ? GroupNote.Of(committed, _input.TopicId, _input.Partitions) : null;
        });
        _note = note;
        if (_progress is not null) _progress.Note = note;
        return note;
    }

    /// <summary>Where the group goes on in a partition of which the buffer knows nothing; null while no broker tells.</summary>
    private PartitionOffset? FindStart(int partition, GroupNote note)
    {
        PartitionOffset[] committed = [new(partition, 0)];
        if (!Answered(partition, _consumer.Committed(committed, BrokerTime))) return null;
        bool isOfAnother = committed[0].Offset >= 0 && GroupNote.Parse(committed[0].Metadata) is { } old && old.IsOfAnother(_input.TopicId);
        if (committed[0].Offset >= 0 && !isOfAnother)
        {
            // What was committed with progress waited in the memory of a process, and is read again.
            if (ProgressMark.Parse(committed[0].Metadata) is null) _owner.MissWhatWasRead(new ShardId(partition), committed[0].Offset);
            return committed[0];
        }
        bool isNew = partition >= note.Partitions;
        if (!isOfAnother && !isNew && _input.Options.AutoOffsetReset == AutoOffsetReset.Error)
            throw new SourceException($"Kafka: {_input.Options.Address}, group {_input.Options.Address.Group}: partition {partition} has no committed offset, and --auto-offset-reset is error");
        if (!Answered(partition, _consumer.QueryWatermarks(partition, out long low, out long high, BrokerTime))) return null;
        if (isOfAnother) KafkaLog.TopicMadeAnew(_log, partition, _input.Options.Address.Topic, committed[0].Offset);
        else if (isNew) KafkaLog.PartitionIsNew(_log, partition, _input.Options.Address.Topic, note.Partitions);
        bool fromBeginning = isOfAnother || isNew || _input.Options.AutoOffsetReset == AutoOffsetReset.Earliest;
        var start = new PartitionOffset(partition, fromBeginning ? low : high, note.ToString());
        // At once: an offset that is stored without one that is committed is then a sign that the topic was made anew.
        return _progress is not null || Answered(partition, _consumer.Commit([start])) ? start : null;
    }

    /// <summary>Makes sure that what the buffer has stored of a partition is of the topic that there is now. Null while no broker tells.</summary>
    /// <exception cref="SourceException">It is not.</exception>
    private bool? EnsureOfThisTopic(int partition, StoredPosition stored)
    {
        PartitionOffset[] committed = [new(partition, 0)];
        if (!Answered(partition, _consumer.Committed(committed, BrokerTime))) return null;
        string? sign = null;
        if (committed[0].Offset < 0)
        {
            sign = "the group has no committed offset there";
        }
        else if (_input.TopicId is { } now && GroupNote.Parse(committed[0].Metadata)?.TopicId is { } then)
        {
            if (then != now) sign = "its committed offset is of a topic with another id";
        }
        else
        {
            // Committed by an older version, or the brokers tell no id.
            if (!Answered(partition, _consumer.QueryWatermarks(partition, out _, out long high, BrokerTime))) return null;
            if (stored.Offset + 1 > high) sign = string.Create(CultureInfo.InvariantCulture, $"the partition ends at {high}");
        }
        if (sign is null) return true;
        KafkaAddress address = _input.Options.Address;
        throw new SourceException(string.Create(CultureInfo.InvariantCulture,
            $"Kafka: {address}: the buffer has stored partition {partition} up to offset {stored.Offset}, and {sign}: topic {address.Topic} was deleted and ")
            + "made anew, or the group was deleted. Nothing is passed over: stop all instances, let out what waits of the old topic (the same command with "
            + "--drain, once), and start again: the new topic is read from its beginning");
    }

    private bool Answered(int partition, KafkaError error)
    {
        if (error.IsNone) return true;
        if (error.Kind == KafkaErrorKind.UnknownTopic) _consumer.NoteUnknownTopic();
        else if (KafkaConsumer.NeedsAPerson(error.Kind))
            throw new SourceException($"Kafka: {_input.Options.Address}, group {_input.Options.Address.Group}: {error.Text}. {error.WayOut(_input.Options.Address.Topic)}");
        KafkaLog.StartAwaited(_log, partition, error.Text);
        return false;
    }

    /// <summary>Does it again until the buffer can be reached.</summary>
    private async Task RetryAsync(Func<Task> attempt)
    {
        for (int attempts = 1; ; attempts++)
        {
            try
            {
                await attempt();
                return;
            }
            catch (BufferUnavailableException e)
            {
                if (attempts == 1) KafkaLog.BufferAwaited(_log, e.Message);
                await Task.Delay(RetryPause, _time, _givenUp);
            }
        }
    }

    /// <summary>Asks the brokers again until they answer.</summary>
    private async Task<T> AskAsync<T>(Func<T?> ask)
        where T : struct
    {
        while (true)
        {
            if (ask() is { } answer) return answer;
            await Task.Delay(RetryPause, _time, _givenUp);
        }
    }
}

using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.ExceptionServices;
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
    private readonly Action<KafkaLogLine>? _log;
    private readonly TimeProvider _time;
    private readonly CancellationToken _givenUp;
    private readonly Dictionary<int, long> _committed = []; // of partitions that are this process's, and without progress only
    private KafkaTransactions? _transactions; // used by one commit at a time
    private Task _committing = Task.CompletedTask;

    /// <param name="givenUp">Ends every wait.</param>
    public GroupOffsets(
        KafkaConsumer consumer, KafkaInput input, IShardOwner owner, KafkaProgress? progress, Action<KafkaLogLine>? log, TimeProvider time, CancellationToken givenUp)
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
                    $"Kafka: {_input.Options.Address}: the topic has partition {partition} now, and had {_input.Partitions} at the start: start again, as a supervisor does by itself. Nothing is lost"));
            }
        }
        await _committing.WaitAsync(_givenUp);
        await Task.Run(PrepareProgress);
        for (int i = 0; i < partitions.Length; i++)
        {
            int partition = partitions[i];
            StoredPosition? known = null;
            await RetryAsync(async () => known = await _owner.TakeAsync(new ShardId(partition), _givenUp));
            if (known is null)
            {
                PartitionOffset start = await FindStartAsync(partition);
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
        while (_consumer.TryTakeCommitFailure(out KafkaError failure)) Tell($"offsets were not committed, the next commit makes up for it: {failure.Text}");
        PartitionOffset[] offsets = Uncommitted(partitions);
        KafkaError error = _consumer.CommitLater(offsets);
        if (!error.IsNone) Tell(error.Text);
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
        if (!error.IsNone) Tell($"offsets of partitions that go elsewhere were not committed, so their new owner repeats work: {error.Text}");
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
            Tell(isLast
                ? $"how far partitions are that go elsewhere was not committed, so their new owner repeats work: {e.Message}"
                : $"how far the buffer is was not committed, the next commit makes up for it: {e.Message}");
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
        .. partitions.Select(p => new PartitionOffset(p, _owner.ReadOnFrom(new ShardId(p)))).Where(o => o.Offset > _committed.GetValueOrDefault(o.Partition, PartitionOffset.None)),
    ];

    /// <summary>Where the group goes on in a partition of which the buffer knows nothing; null while no broker tells.</summary>
    private PartitionOffset? FindStart(int partition)
    {
        PartitionOffset[] committed = [new(partition, 0)];
        if (!Answered(_consumer.Committed(committed, BrokerTime))) return null;
        if (committed[0].Offset >= 0)
        {
            // What was committed with progress waited in the memory of a process, and is read again.
            if (ProgressMark.Parse(committed[0].Metadata) is null) _owner.MissWhatWasRead(new ShardId(partition), committed[0].Offset);
            return committed[0];
        }
        if (_input.Options.AutoOffsetReset == AutoOffsetReset.Error)
            throw new SourceException($"Kafka: {_input.Options.Address}, group {_input.Options.Address.Group}: partition {partition} has no committed offset, and --auto-offset-reset is error");
        if (!Answered(_consumer.QueryWatermarks(partition, out long low, out long high, BrokerTime))) return null;
        return new PartitionOffset(partition, _input.Options.AutoOffsetReset == AutoOffsetReset.Earliest ? low : high);
    }

    private bool Answered(KafkaError error)
    {
        if (error.IsNone) return true;
        if (error.Kind == KafkaErrorKind.UnknownTopic) _consumer.NoteUnknownTopic();
        else if (KafkaConsumer.NeedsAPerson(error.Kind))
            throw new SourceException($"Kafka: {_input.Options.Address}, group {_input.Options.Address.Group}: {error.Text}. {error.WayOut(_input.Options.Address.Topic)}");
        Tell(error.Text);
        return false;
    }

    /// <summary>Does it again until the buffer can be reached.</summary>
    private async Task RetryAsync(Func<Task> attempt)
    {
        while (true)
        {
            try
            {
                await attempt();
                return;
            }
            catch (BufferUnavailableException e)
            {
                _log?.Invoke(new KafkaLogLine(4, "BUFFER", e.Message));
                await Task.Delay(RetryPause, _time, _givenUp);
            }
        }
    }

    private async Task<PartitionOffset> FindStartAsync(int partition)
    {
        while (true)
        {
            if (FindStart(partition) is { } found) return found;
            await Task.Delay(RetryPause, _time, _givenUp);
        }
    }

    private void Tell(string text) => _log?.Invoke(new KafkaLogLine(4, "OFFSETS", text));
}

using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Kafka.Progress;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>How a <see cref="KafkaSpanSource"/> reads. Immutable.</summary>
/// <param name="MaxBatchSize">Most messages of one poll.</param>
/// <param name="MaxBatchTime">How long a message waits for others to fill the batch.</param>
/// <param name="ClockSlack">How far the clock of an idle shard stays behind.</param>
public sealed record KafkaSourceOptions(int MaxBatchSize, TimeSpan MaxBatchTime, TimeSpan ClockSlack)
{
    /// <summary>Blocks that wait for the pipeline.</summary>
    public int ReadyBlocks { get; init; } = 32;

    /// <summary>How often offsets are committed.</summary>
    public TimeSpan CommitInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the clocks of idle shards move.</summary>
    public TimeSpan IdleInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How often the brokers are asked whether partitions that were read to their end still end there.</summary>
    public TimeSpan EndInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// How long the pipeline may be full before the partitions whose blocks wait for it are paused: what was fetched of them is dropped then, and fetched again.
    /// </summary>
    public TimeSpan PauseAfter { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// The partitions of a topic that a consumer group gives to this process; a partition is a shard. One thread owns the consumer: it polls, never waits for the pipeline for longer than
/// <see cref="KafkaSourceOptions.PauseAfter"/>, and answers rebalances when the <see cref="IShardOwner"/> is done with them. <see cref="ReadAsync"/> has one caller at a time, as
/// everywhere; <see cref="CloseAsync"/> comes after its last call.
/// </summary>
/// <remarks>
/// Each time that a partition comes it gets another assignment number, and every block carries the one under which it was read: what was read before a partition went cannot be taken for what
/// is read after it has come again.
/// </remarks>
public sealed class KafkaSpanSource : ISpanSource
{
    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LettingGo = TimeSpan.FromSeconds(10);

    private readonly KafkaInput _input;
    private readonly KafkaSourceOptions _options;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly Channel<InputBlock> _ready;
    private readonly Channel<InputBlock> _free = Channel.CreateUnbounded<InputBlock>();
    private readonly CancellationTokenSource _closing = new();
    private readonly CancellationTokenSource _givenUp = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AutoResetEvent _room = new(false);
    private KafkaConsumer? _consumer;
    private IShardOwner? _owner;
    private GroupOffsets? _offsets;
    private volatile Answer? _answer;
    private volatile bool _hasLeft;

    // Owned by the polling thread.
    private readonly Dictionary<int, long> _partitions = []; // with their assignments
    private readonly HashSet<int> _paused = [];
    private readonly Queue<InputBlock> _waiting = [];
    private readonly KafkaMessageBatch _batch;
    private bool _isAnswering;
    private long _assignments = -ShardCells.NotAssigned;
    private bool _isHeldUp; // the pipeline has taken nothing for long
    private long _fullSince;
    private long _lastCommit;
    private IdleClocks? _idle;
    private OutageWatch? _outages;
    private long _lastCame;
    private long _lastCounted;
    private long _unread;

    /// <summary>Joins nothing yet.</summary>
    public KafkaSpanSource(KafkaInput input, KafkaSourceOptions options, ILogger? log, TimeProvider time)
    {
        _input = input;
        _options = options;
        _log = log ?? NullLogger.Instance;
        _time = time;
        _ready = Channel.CreateBounded<InputBlock>(new BoundedChannelOptions(options.ReadyBlocks) { SingleReader = false, SingleWriter = true });
        _batch = new KafkaMessageBatch(options.MaxBatchSize);
    }

    /// <summary>The answer to a rebalance, when the owner is done.</summary>
    /// <param name="Failure">Why the source cannot go on; null where it can.</param>
    private sealed record Answer(KafkaRebalance Rebalance, ImmutableArray<StartPlace> Starts, ExceptionDispatchInfo? Failure = null);

    public string Name => _input.Options.Address.Topic;

    /// <summary>
    /// How many messages of the partitions that are here were not read yet, as the last fetches told, looked at every <see cref="KafkaSourceOptions.CommitInterval"/>. Where producers use
    /// transactions, their marks count as messages until the end is reached. Any thread.
    /// </summary>
    public long UnreadMessages => Volatile.Read(ref _unread);

    /// <summary>Joins the group. Once, before the first read.</summary>
    /// <param name="owner">Told of partitions that come and go, on threads of the pool.</param>
    /// <param name="progress">Where the progress of a buffer is kept that does not outlive the process; null: it is not, or the buffer does.</param>
    /// <exception cref="ConfigurationException">A property is wrong.</exception>
    public void Start(IShardOwner owner, KafkaProgress? progress = null)
    {
        _owner = owner;
        _consumer = KafkaConsumer.Join(_input.Options, _log);
        _offsets = new GroupOffsets(_consumer, _input, owner, progress, _log, _time, _givenUp.Token);
        _idle = new IdleClocks(_options, owner, new EndProbe(_consumer, _time), _time);
        _outages = new OutageWatch(
            $"input {_input.Options.Address}", [_input.Options.Address.Topic], "Reading waits, and so do the segments of partitions that were read to their end",
            isOutput: false, _log, _time);
        new Thread(Run) { Name = "kafka-poll", IsBackground = true }.Start();
    }

    /// <inheritdoc/>
    public async ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
    {
        InputBlock block;
        try
        {
            block = await _ready.Reader.ReadAsync(cancel);
        }
        catch (ChannelClosedException e) when (e.InnerException is { } why)
        {
            ExceptionDispatchInfo.Throw(why);
            throw;
        }
        catch (ChannelClosedException)
        {
            return false;
        }
        _room.Set();
        into.Exchange(block);
        _free.Writer.TryWrite(block);
        return true;
    }

    /// <summary>
    /// Leaves the group in good order: every partition is released and its offset committed. After the last read. A static member keeps its place for as long as its session lasts.
    /// </summary>
    /// <param name="atMost">Then it goes as after a crash.</param>
    /// <returns>False where it went as after a crash.</returns>
    public async Task<bool> CloseAsync(TimeSpan atMost)
    {
        if (_consumer is null) return true;
        await _closing.CancelAsync();
        _consumer.Wake();
        await _ended.Task.WaitAsync(atMost, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_ended.Task.IsCompleted) await _givenUp.CancelAsync();
        return _hasLeft;
    }

    public async ValueTask DisposeAsync()
    {
        bool wasGivenUp = _givenUp.IsCancellationRequested; // its time is over: it goes with the process
        await _closing.CancelAsync();
        await _givenUp.CancelAsync();
        // Not for ever: once a topic was deleted that it read, librdkafka (2.0 and 2.16) does not let go of its client, which ends with the process.
        if (_consumer is not null && !wasGivenUp) await _ended.Task.WaitAsync(LettingGo, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closing.Dispose();
        _givenUp.Dispose();
        _room.Dispose();
    }

    private void Run()
    {
        Exception? failure = null;
        try
        {
            while (!_givenUp.IsCancellationRequested && !_hasLeft) _hasLeft = !Step();
        }
        catch (Exception e)
        {
            failure = e;
        }
        _ready.Writer.TryComplete(failure);
        _batch.Dispose();
        _offsets!.Dispose();
        _consumer!.Dispose();
        _ended.SetResult();
    }

    /// <summary>One poll, and what follows from it. False when the group is left.</summary>
    private bool Step()
    {
        if (_closing.IsCancellationRequested)
        {
            _waiting.Clear(); // not stored, so not committed: read again by whoever has the partition next
            // Not while a rebalance waits for its answer: librdkafka (its issue 4884) never comes back from an assignment after that.
            if (!_isAnswering && _consumer!.PendingRebalance is null && _consumer.BeginClose() is { IsNone: false }) return false;
        }
        else if (!TryHandOn() && !_isHeldUp)
        {
            WaitForRoom();
            _idle!.Tell();
            return true;
        }

        PollOutcome outcome = _consumer!.Poll(_batch, PollTime, _options.MaxBatchTime);
        while (_partitions.Count > 0 && TakeBlock() is { } block) _waiting.Enqueue(block);
        foreach (PartitionOffset end in _batch.Ends) _idle!.Ended(end);
        if (_isHeldUp) PauseThoseThatWait();
        AnswerRebalance();
        _idle!.Tell();
        long now = _time.GetTimestamp();
        if (outcome != PollOutcome.Nothing || _isHeldUp || _isAnswering || _partitions.Keys.All(_idle!.IsAtEnd)) _lastCame = now;
        bool seemsWrong = _consumer.Events.TakeLostBroker() || _time.GetElapsedTime(_lastCame, now) >= OutageWatch.Suspicious;
        _outages!.Look(_consumer.Client, _consumer.Events, seemsWrong);
        if (!_isAnswering && _time.GetElapsedTime(_lastCommit, now) >= _options.CommitInterval)
        {
            _lastCommit = now;
            _offsets!.CommitLater(_partitions.Keys);
        }
        if (_time.GetElapsedTime(_lastCounted, now) >= _options.CommitInterval)
        {
            _lastCounted = now;
            Volatile.Write(ref _unread, _idle.CountUnread(partition => _consumer.TryGetWatermarks(partition, out _, out long end) ? end : null));
        }
        return outcome != PollOutcome.Closed;
    }

    private InputBlock? TakeBlock()
    {
        InputBlock block = _free.Reader.TryRead(out InputBlock? free) ? free : new InputBlock(0);
        if (!_batch.MoveNext(block))
        {
            _free.Writer.TryWrite(block);
            return null;
        }
        // A partition that is not known was taken away just now; the pipeline takes in nothing that has no assignment of today.
        int partition = block.Shard!.Value.Value;
        block.Assignment = _partitions.TryGetValue(partition, out long assignment) ? assignment : long.MaxValue;
        _idle!.Read(partition, block.Messages[^1].SourceOffset);
        return block;
    }

    /// <summary>Hands blocks on to the pipeline; false when it takes no more.</summary>
    private bool TryHandOn()
    {
        while (_waiting.TryPeek(out InputBlock? block))
        {
            if (!_ready.Writer.TryWrite(block)) return false;
            _waiting.Dequeue();
        }
        _fullSince = 0;
        _isHeldUp = false;
        if (_paused.Count > 0) Resume();
        return true;
    }

    private void WaitForRoom()
    {
        long now = _time.GetTimestamp();
        if (_fullSince == 0) _fullSince = now;
        if (_time.GetElapsedTime(_fullSince, now) >= _options.PauseAfter)
        {
            // The group must go on hearing of this member, and it of the group: so it polls, and gets next to nothing.
            _isHeldUp = true;
            PauseThoseThatWait();
            return;
        }
        _room.WaitOne(PollTime);
    }

    /// <summary>
    /// Pauses the partitions whose blocks wait for the pipeline. The others go on, since of a partition that is paused no end is heard: they bring a batch at most, and are paused then too.
    /// </summary>
    private void PauseThoseThatWait()
    {
        int[] partitions = [.. _waiting.Select(block => block.Shard!.Value.Value).Distinct().Where(p => _partitions.ContainsKey(p) && !_paused.Contains(p))];
        if (partitions.Length == 0) return;
        _paused.UnionWith(partitions);
        Tell(_consumer!.Pause(partitions));
    }

    private void Resume()
    {
        int[] partitions = [.. _paused];
        _paused.Clear();
        Tell(_consumer!.Resume(partitions));
    }

    /// <summary>Lets the owner get ready for the rebalance that waits, if there is one, and answers it when he is.</summary>
    private void AnswerRebalance()
    {
        if (!_isAnswering && _consumer!.PendingRebalance is { } rebalance)
        {
            _isAnswering = true;
            _offsets!.Follow(rebalance);
            long first = _assignments + 1;
            _assignments += rebalance.Partitions.Length;
            _ = Task.Run(() => PrepareAsync(rebalance, first));
        }
        if (_answer is not { } answer) return;
        _answer = null;
        _isAnswering = false;
        answer.Failure?.Throw();
        if (answer.Rebalance.Kind == RebalanceKind.Assigned)
        {
            foreach (StartPlace start in answer.Starts)
            {
                _partitions[start.Partition] = start.Assignment;
                _idle!.Begin(start);
            }
            _consumer!.Assign([.. answer.Starts.Select(start => new PartitionOffset(start.Partition, start.Offset))]);
            return;
        }
        foreach (int partition in answer.Rebalance.Partitions)
        {
            _partitions.Remove(partition);
            _paused.Remove(partition);
            _idle!.Forget(partition);
        }
        _consumer!.Unassign();
    }

    private async Task PrepareAsync(KafkaRebalance rebalance, long firstAssignment)
    {
        try
        {
            _answer = rebalance.Kind switch
            {
                RebalanceKind.Assigned => new Answer(rebalance, await _offsets!.BeginAsync(rebalance.Partitions, firstAssignment)),
                RebalanceKind.Revoked => await LetGoAsync(rebalance, wereLost: false),
                RebalanceKind.Lost => await LetGoAsync(rebalance, wereLost: true),
            };
        }
        catch (Exception e)
        {
            _answer = new Answer(rebalance, [], ExceptionDispatchInfo.Capture(e)); // thrown on the polling thread, which ends the run
        }
        _consumer!.Wake();
    }

    private async Task<Answer> LetGoAsync(KafkaRebalance rebalance, bool wereLost)
    {
        foreach (int partition in rebalance.Partitions) await _owner!.ReleaseAsync(new ShardId(partition), _givenUp.Token);
        if (!wereLost) await _offsets!.CommitLastAsync(rebalance.Partitions); // the new owner begins there: it waits for this
        _offsets!.Forget(rebalance.Partitions);
        foreach (int partition in rebalance.Partitions) _owner!.Forget(new ShardId(partition), wereLost);
        return new Answer(rebalance, []);
    }

    private void Tell(KafkaError error)
    {
        if (!error.IsNone) KafkaLog.NotPaused(_log, error.Text);
    }
}

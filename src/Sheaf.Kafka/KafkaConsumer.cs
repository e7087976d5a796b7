using System.Text;
using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>What a poll has brought.</summary>
public enum PollOutcome
{
    /// <summary>Nothing within the time-out, or it was woken.</summary>
    Nothing,

    /// <summary>Messages, ends of partitions, or both.</summary>
    Messages,

    /// <summary><see cref="KafkaConsumer.PendingRebalance"/> waits for an answer; polling goes on, without messages.</summary>
    Rebalance,

    /// <summary>The consumer has left its group; nothing more will come.</summary>
    Closed,
}

/// <summary>
/// A member of a consumer group that reads one topic in batches, or a reader of given partitions. Owner: one thread polls and answers rebalances; commits, pauses and
/// <see cref="Wake"/> may come from any thread. It must be polled at least every <see cref="KafkaConsumerOptions.MaxPollInterval"/>, also while
/// its partitions are paused and while a rebalance is being answered.
/// </summary>
public sealed unsafe class KafkaConsumer : IDisposable
{
    private readonly ClientEvents _events;
    private readonly ClientHandle _client;
    private readonly byte[] _topicName;
    private readonly TopicAbsence _absence;
    private nint _closing; // the queue of a consumer that leaves its group
    private bool _woken; // by Wake, whether somebody waited or not
    private volatile bool _ended;

    private KafkaConsumer(KafkaConsumerOptions options, ClientHandle client, ClientEvents events)
    {
        Address = options.Address;
        _absence = new TopicAbsence(options, this);
        _client = client;
        _events = events;
        _topicName = NativeText.ToZeroEnded(Address.Topic);
    }

    /// <summary>Where it reads.</summary>
    public KafkaAddress Address { get; }

    /// <summary>The rebalance to answer, or null. Answer it before the next one comes: with <see cref="Assign"/> or <see cref="Unassign"/>.</summary>
    public KafkaRebalance? PendingRebalance => _events.PendingRebalance;

    /// <summary>The last error that the client told, retriable ones too: why nothing comes.</summary>
    public KafkaError LastError => _events.LastError;

    internal ClientHandle Client => _client;

    internal ClientEvents Events => _events;

    internal ReadOnlySpan<byte> TopicName => _topicName;

    /// <summary>Makes a consumer and lets it join its group. Brokers that are away do not matter here: it joins when they are back.</summary>
    /// <exception cref="ConfigurationException">A property is wrong, or librdkafka is missing.</exception>
    public static KafkaConsumer Join(KafkaConsumerOptions options, ILogger? log = null)
    {
        var events = new ClientEvents(log);
        ClientHandle client = ClientHandle.Create(ClientType.Consumer, options.ToConfig(), events);
        var consumer = new KafkaConsumer(options, client, events);
        using var topics = PartitionList.Of(consumer._topicName, [-1]);
        var error = new KafkaError(LibRdKafka.rd_kafka_subscribe(client, topics.Pointer));
        if (error.IsNone) return consumer;
        client.Dispose();
        throw new ConfigurationException($"Kafka: {options.Address}: the topic cannot be subscribed to: {error}");
    }

    /// <summary>
    /// Makes a consumer that belongs to no group's members: it reads these partitions from these offsets on, and hears of no rebalance. The group's name is only that under which the
    /// brokers allow it to read.
    /// </summary>
    /// <exception cref="ConfigurationException">A property is wrong, or librdkafka is missing.</exception>
    public static KafkaConsumer Read(KafkaConsumerOptions options, ReadOnlySpan<PartitionOffset> starts, ILogger? log = null)
    {
        var events = new ClientEvents(log);
        var consumer = new KafkaConsumer(options, ClientHandle.Create(ClientType.Consumer, options.ToConfig(), events), events);
        using var list = PartitionList.Of(consumer._topicName, starts);
        var error = new KafkaError(LibRdKafka.rd_kafka_assign(consumer._client.Pointer, list.Pointer));
        if (error.IsNone) return consumer;
        consumer.Dispose();
        throw new ConfigurationException($"Kafka: {options.Address}: the topic cannot be read: {error}");
    }

    /// <summary>
    /// Waits for messages, at most so long, and takes what is there, up to the batch's capacity; what the batch held before is given back. Waits for
    /// the first message, and then for company.
    /// </summary>
    /// <param name="linger">How long the first message waits for others, where the batch is not full.</param>
    /// <exception cref="SourceException">Only a person can mend it: no such topic for <see cref="KafkaConsumerOptions.AbsencePatience"/>, no right, offsets out of range, fenced. Retriable errors are waited out.</exception>
    public PollOutcome Poll(KafkaMessageBatch into, TimeSpan timeout, TimeSpan linger = default)
    {
        into.Clear();
        int timeoutMs = (int)Math.Clamp(timeout.TotalMilliseconds, 0, int.MaxValue);
        bool held = false;
        try
        {
            _client.DangerousAddRef(ref held); // the queue lives as long as the client
            nint queue = _closing != 0 ? _closing : _client.Queue;
            // consume_batch waits its whole time-out for a full batch: so it may wait for one message, and takes the others as they are there.
            int count = Consume(queue, 0, into.Room, into.Capacity);
            // A wake-up that the look without waiting has taken must not be waited for again. The last one least of all: it may come right after another
            // has been taken, and its queue's part of it be gone already.
            bool woken = Interlocked.Exchange(ref _woken, false) || _ended;
            if (count == 0 && timeoutMs > 0 && !woken && PendingRebalance is null)
            {
                count = Consume(queue, timeoutMs, into.Room, 1);
                if (count == 1 && into.Capacity > 1) count += Consume(queue, 0, into.Room + 1, into.Capacity - 1);
            }
            if (count > 0 && count < into.Capacity && linger > TimeSpan.Zero && PendingRebalance is null)
                count += Consume(queue, (int)Math.Min(linger.TotalMilliseconds, int.MaxValue), into.Room + count, into.Capacity - count);
            KafkaError refusal = into.Accept(count, _events);
            if (refusal.IsNone) refusal = _events.TakeRefusal();
            if (refusal.Kind == KafkaErrorKind.UnknownTopic)
            {
                _absence.Note();
                refusal = default;
            }
            if (refusal.IsNone) refusal = _absence.Judge();
            if (!refusal.IsNone && _closing == 0) throw Failure(refusal);
            if (PendingRebalance is not null) return PollOutcome.Rebalance;
            if (into.Count > 0 || into.Ends.Length > 0) return PollOutcome.Messages;
            return _closing != 0 && LibRdKafka.rd_kafka_consumer_closed(_client) != 0 ? PollOutcome.Closed : PollOutcome.Nothing;
        }
        finally
        {
            if (held) _client.DangerousRelease();
        }
    }

    /// <summary>Lets a poll that waits, or the next one, return at once. Any thread, at any time: where the consumer has ended nobody polls.</summary>
    public void Wake()
    {
        Volatile.Write(ref _woken, true);
        bool held = false;
        try
        {
            _client.DangerousAddRef(ref held);
            LibRdKafka.rd_kafka_queue_yield(_client.Queue);
            if (_closing != 0) LibRdKafka.rd_kafka_queue_yield(_closing);
        }
        catch (ObjectDisposedException)
        {
            // It has ended in this moment.
        }
        finally
        {
            if (held) _client.DangerousRelease();
        }
    }

    /// <summary>Answers <see cref="RebalanceKind.Assigned"/>: reads these partitions from these offsets on.</summary>
    /// <param name="starts">The partitions of the rebalance; an offset may be one of <see cref="PartitionOffset"/>'s logical ones.</param>
    public void Assign(ReadOnlySpan<PartitionOffset> starts)
    {
        KafkaRebalance rebalance = Pending(assigned: true);
        using var list = PartitionList.Of(_topicName, starts);
        Answer(rebalance.IsCooperative
            ? KafkaError.Take(LibRdKafka.rd_kafka_incremental_assign(_client.Pointer, list.Pointer))
            : new KafkaError(LibRdKafka.rd_kafka_assign(_client.Pointer, list.Pointer)));
    }

    /// <summary>Answers <see cref="RebalanceKind.Revoked"/> and <see cref="RebalanceKind.Lost"/>: the partitions are let go.</summary>
    public void Unassign()
    {
        KafkaRebalance rebalance = Pending(assigned: false);
        using var list = PartitionList.Of(_topicName, rebalance.Partitions.AsSpan());
        Answer(rebalance.IsCooperative
            ? KafkaError.Take(LibRdKafka.rd_kafka_incremental_unassign(_client.Pointer, list.Pointer))
            : new KafkaError(LibRdKafka.rd_kafka_assign(_client.Pointer, null)));
    }

    /// <summary>Commits offsets, of the next message to read, and waits for the broker. No error, or why not.</summary>
    public KafkaError Commit(ReadOnlySpan<PartitionOffset> offsets)
    {
        if (offsets.IsEmpty) return default;
        using var list = PartitionList.Of(_topicName, offsets);
        var error = new KafkaError(LibRdKafka.rd_kafka_commit(_client, list.Pointer, 0));
        return error.IsNone ? list.FirstError() : error;
    }

    /// <summary>Commits offsets, of the next message to read, without waiting. A failure shows in <see cref="TryTakeCommitFailure"/>; the next commit makes up for it.</summary>
    public KafkaError CommitLater(ReadOnlySpan<PartitionOffset> offsets)
    {
        if (offsets.IsEmpty) return default;
        using var list = PartitionList.Of(_topicName, offsets);
        return new KafkaError(LibRdKafka.rd_kafka_commit(_client, list.Pointer, 1));
    }

    /// <summary>The brokers have answered another question with that they do not know the topic. Where it lasts, <see cref="Poll"/> throws.</summary>
    public void NoteUnknownTopic() => _absence.Note();

    /// <summary>A commit that nobody waited for has failed; each is told once.</summary>
    public bool TryTakeCommitFailure(out KafkaError failure) => _events.TryTakeCommitFailure(out failure);

    /// <summary>The group's committed offsets, <see cref="PartitionOffset.None"/> where there is none. Waits for the broker.</summary>
    /// <remarks>Offsets that a transaction has sent and not committed yet are waited for.</remarks>
    /// <param name="offsets">Their partitions are read, the rest of them is set.</param>
    public KafkaError Committed(Span<PartitionOffset> offsets, TimeSpan timeout)
    {
        using var list = PartitionList.Of(_topicName, offsets);
        var error = new KafkaError(LibRdKafka.rd_kafka_committed(_client, list.Pointer, (int)timeout.TotalMilliseconds));
        if (error.IsNone) error = list.FirstError();
        if (!error.IsNone) return error;
        for (int i = 0; i < offsets.Length; i++)
        {
            TopicPartition element = list.Elements[i];
            offsets[i] = new PartitionOffset(element.Partition, element.Offset, Encoding.UTF8.GetString(new ReadOnlySpan<byte>(element.Metadata, (int)element.MetadataLength)));
        }
        return default;
    }

    /// <summary>Stops fetching; what was fetched is dropped and fetched again later. The consumer stays in its group, and must be polled.</summary>
    public KafkaError Pause(ReadOnlySpan<int> partitions)
    {
        using var list = PartitionList.Of(_topicName, partitions);
        var error = new KafkaError(LibRdKafka.rd_kafka_pause_partitions(_client, list.Pointer));
        return error.IsNone ? list.FirstError() : error;
    }

    /// <summary>Fetches on, behind the last message that was polled.</summary>
    public KafkaError Resume(ReadOnlySpan<int> partitions)
    {
        using var list = PartitionList.Of(_topicName, partitions);
        var error = new KafkaError(LibRdKafka.rd_kafka_resume_partitions(_client, list.Pointer));
        return error.IsNone ? list.FirstError() : error;
    }

    /// <summary>Reads assigned partitions on from other offsets. Messages fetched before do not come any more.</summary>
    public KafkaError Seek(ReadOnlySpan<PartitionOffset> offsets, TimeSpan timeout)
    {
        using var list = PartitionList.Of(_topicName, offsets);
        KafkaError error = KafkaError.Take(LibRdKafka.rd_kafka_seek_partitions(_client, list.Pointer, (int)timeout.TotalMilliseconds));
        return error.IsNone ? list.FirstError() : error;
    }

    /// <summary>The first and the next offset of a partition, as the last fetch told them: free, and false before there was one.</summary>
    public bool TryGetWatermarks(int partition, out long low, out long high)
    {
        long lowest, next;
        fixed (byte* topic = _topicName)
        {
            bool known = LibRdKafka.rd_kafka_get_watermark_offsets(_client, topic, partition, &lowest, &next) == ErrorCodes.None;
            (low, high) = (lowest, next);
            return known && lowest >= 0 && next >= 0;
        }
    }

    /// <summary>The first and the next offset of a partition, asked of the broker.</summary>
    public KafkaError QueryWatermarks(int partition, out long low, out long high, TimeSpan timeout)
    {
        long lowest = PartitionOffset.None, next = PartitionOffset.None;
        fixed (byte* topic = _topicName)
        {
            int code = LibRdKafka.rd_kafka_query_watermark_offsets(_client, topic, partition, &lowest, &next, (int)timeout.TotalMilliseconds);
            (low, high) = (lowest, next);
            return new KafkaError(code);
        }
    }

    /// <summary>
    /// Where partitions end now, asked of the brokers all at once: the next offset that a reader could get. It waits for all of them, and fails where one of them does not answer.
    /// </summary>
    public KafkaError QueryEnds(IEnumerable<int> partitions, TimeSpan timeout, out PartitionOffset[] ends)
    {
        ends = [.. partitions.Select(p => new PartitionOffset(p, PartitionOffset.End))];
        using var list = PartitionList.Of(_topicName, ends);
        var error = new KafkaError(LibRdKafka.rd_kafka_offsets_for_times(_client, list.Pointer, (int)timeout.TotalMilliseconds));
        if (error.IsNone) error = list.FirstError();
        if (!error.IsNone) return error;
        for (int i = 0; i < ends.Length; i++) ends[i] = new PartitionOffset(list.Elements[i].Partition, list.Elements[i].Offset);
        return default;
    }

    /// <summary>
    /// Starts to leave the group. From now on <see cref="Poll"/> brings no messages, but the last rebalance, to be answered as ever, and then
    /// <see cref="PollOutcome.Closed"/>. The polling thread.
    /// </summary>
    public KafkaError BeginClose()
    {
        if (_closing != 0) return default;
        _closing = _client.NewQueue();
        return KafkaError.Take(LibRdKafka.rd_kafka_consumer_close_queue(_client, _closing));
    }

    /// <summary>
    /// Ends the consumer. Where it was not closed, it leaves its group without a last word to its owner: as after a crash, but the others need not wait
    /// for the session to time out. Batches must be empty. Any thread; while another one polls, the client goes when that poll returns.
    /// </summary>
    public void Dispose()
    {
        if (_client.IsClosed) return;
        _ended = true; // before the wake-up: a poll sees one or the other
        Wake();
        _client.Dispose();
    }

    /// <summary>Whether waiting will not help.</summary>
    internal static bool NeedsAPerson(KafkaErrorKind kind) => kind is KafkaErrorKind.UnknownTopic or KafkaErrorKind.Authorization
        or KafkaErrorKind.Authentication or KafkaErrorKind.OffsetOutOfRange or KafkaErrorKind.MixedAssignors or KafkaErrorKind.Fenced
        or KafkaErrorKind.Fatal;

    private SourceException Failure(KafkaError error)
    {
        if (error.Kind == KafkaErrorKind.Fatal)
        {
            // The code only says that there is a fatal error; which one is asked for.
            byte* text = stackalloc byte[NativeText.ErrorSize];
            int code = LibRdKafka.rd_kafka_fatal_error(_client, text, NativeText.ErrorSize);
            if (code != ErrorCodes.None) error = new KafkaError(code, NativeText.Read(text) ?? "");
        }
        return new SourceException($"Kafka: {Address}, group {Address.Group}: {error.Text}. {error.WayOut(Address.Topic)}");
    }

    private KafkaRebalance Pending(bool assigned)
    {
        KafkaRebalance? pending = PendingRebalance;
        if (pending is not null && (pending.Kind == RebalanceKind.Assigned) == assigned) return pending;
        ObjectDisposedException.ThrowIf(_ended, this); // it has left meanwhile
        throw new InvalidOperationException($"the answer fits no rebalance: {pending?.Kind.ToString() ?? "none is pending"}");
    }

    private void Answer(KafkaError error)
    {
        // Answered either way: what librdkafka refuses (the group has moved on) is followed by another rebalance.
        _events.RebalanceAnswered();
        if (!error.IsNone) _events.Tell(error);
    }

    private static int Consume(nint queue, int timeoutMs, NativeMessage** into, int capacity) =>
        (int)Math.Max(0, LibRdKafka.rd_kafka_consume_batch_queue(queue, timeoutMs, into, (nuint)capacity));
}

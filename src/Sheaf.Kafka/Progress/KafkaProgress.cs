using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Buffering.Memory;
using Sheaf.Buffering;
using Sheaf.Kafka.Native;
using Sheaf.Spans;

namespace Sheaf.Kafka.Progress;

/// <summary>
/// Keeps the progress of a memory buffer in Kafka, so that whoever reads its input next goes on exactly where it is: no span is lost, and no segment comes out again in part. The offset to
/// read on from is the group's, and what is settled behind it is in a compacted topic. Both, and for exactly-once the segments too, are committed in one transaction, as a member of the
/// group: who has lost a partition without knowing it commits nothing any more. Any thread.
/// </summary>
/// <remarks>
/// Per shard one commit at a time, from the snapshot to its acknowledgement: otherwise an older one could follow a newer one. The group's offset says which commit it belongs to; a
/// new owner reads the topic until that one is there, since a transaction does not end everywhere at the same moment.
/// </remarks>
public sealed class KafkaProgress : IDisposable
{
    private readonly KafkaProgressOptions _options;
    private readonly MemoryBuffer _buffer;
    private readonly int _topicPartitions;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly Shard[] _shards;
    private readonly byte[] _inputTopic;
    private volatile GroupMetadata? _group;
    private long _failedCommits;

    private KafkaProgress(KafkaProgressOptions options, MemoryBuffer buffer, int topicPartitions, ILogger log, TimeProvider time)
    {
        _options = options;
        _buffer = buffer;
        _topicPartitions = topicPartitions;
        _log = log;
        _time = time;
        _shards = [.. Enumerable.Range(0, buffer.ShardCount).Select(_ => new Shard())];
        _inputTopic = NativeText.ToZeroEnded(options.Input.Address.Topic);
    }

    /// <summary>What is known of a shard. Owned by the holder of <see cref="Turn"/>.</summary>
    private sealed class Shard : IDisposable
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);

        public ProgressSnapshot Snapshot { get; } = new();

        public ProgressMark Mark { get; set; }

        /// <summary>Nobody knows whether the last commit, and with it what was produced, has happened.</summary>
        public bool IsInDoubt { get; set; }

        public void Dispose() => Turn.Dispose();
    }

    /// <summary>What is committed with every offset, besides the mark. Set before the first commit.</summary>
    internal GroupNote Note { get; set; }

    /// <summary>Transactions that did not count, since the start. Any thread.</summary>
    public long FailedCommits => Interlocked.Read(ref _failedCommits);

    /// <summary>Finds or makes the topic.</summary>
    /// <param name="buffer">Keeps progress.</param>
    /// <exception cref="ConfigurationException">The topic cannot be used, or this user may not.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public static async ValueTask<KafkaProgress> OpenAsync(
        KafkaProgressOptions options, MemoryBuffer buffer, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        log ??= NullLogger.Instance;
        int partitions = await Task.Run(() => ProgressTopic.Open(options, buffer.ShardCount, log, time, cancel), cancel); // librdkafka's waits block their thread
        return new KafkaProgress(options, buffer, partitions, log, time);
    }

    /// <summary>Whether the topic is there, or could be made; makes nothing.</summary>
    /// <param name="partitions">It would be made with so many.</param>
    /// <returns>How many partitions it has; null where it is missing and can be made.</returns>
    /// <inheritdoc cref="OpenAsync" path="/exception"/>
    public static async ValueTask<int?> FindAsync(
        KafkaProgressOptions options, int partitions, ILogger? log, TimeProvider time, CancellationToken cancel) =>
        await Task.Run(() => ProgressTopic.Find(options, partitions, log, time, cancel), cancel);

    /// <summary>The transactions of one producer.</summary>
    /// <param name="role">Tells this one from others of the instance.</param>
    /// <param name="config">What the producer needs besides; null: what the input has.</param>
    /// <param name="outages">Told when nothing is acknowledged.</param>
    internal KafkaTransactions OpenTransactions(string role, KafkaConfig? config = null, OutageWatch? outages = null)
    {
        KafkaConfig full = config?.Copy() ?? new KafkaConfig();
        if (config is null)
        {
            foreach ((string name, string value) in _options.Input.Address.Properties) full.Set(name, value);
            foreach ((string name, string value) in _options.Input.Config.Properties) full.Set(name, value);
            full.SetDefault("linger.ms", "0").SetDefault("compression.type", "lz4"); // few messages, which are waited for; bits compress well
        }
        full.Set("bootstrap.servers", _options.Input.Address.Brokers);
        return new KafkaTransactions($"{_options.Instance}-{role}", full, _log, outages);
    }

    /// <summary>The consumer is a member of another generation of its group. The polling thread, before anything of what the generation brought is acted on.</summary>
    internal void Join(KafkaConsumer consumer) => _group = GroupMetadata.Of(consumer.Client);

    /// <summary>The group has gone on without this member: nothing is committed until it has joined again.</summary>
    internal void Leave() => _group = null;

    /// <summary>
    /// What is settled behind these offsets of the group, as whoever committed them has left it. Blocks.
    /// </summary>
    /// <param name="committed">Partitions with their committed offset and what it was committed with.</param>
    internal Dictionary<int, (StreamClock Clock, SettledOffsets Settled)> Load(IReadOnlyList<PartitionOffset> committed, CancellationToken cancel)
    {
        var marks = new Dictionary<int, ProgressMark>();
        foreach (PartitionOffset offset in committed)
        {
            // Whoever commits from now on begins a new epoch, unless it goes on with this one.
            SetMark(offset.Partition, new ProgressMark(_time.GetUtcNow().ToUnixTimeMilliseconds(), 0), cancel);
            if (ProgressMark.Parse(offset.Metadata) is { } mark) marks[offset.Partition] = mark;
        }
        var found = new Dictionary<int, (StreamClock, SettledOffsets)>();
        if (marks.Count == 0) return found;
        var reader = new ProgressReader(_options, _topicPartitions, _log, _time);
        reader.Read(marks, cancel);
        foreach (PartitionOffset offset in committed)
        {
            if (!marks.TryGetValue(offset.Partition, out ProgressMark mark)) continue;
            if (reader.Find(offset.Partition, mark) is not var (head, settled) || head.ReadOnFrom != offset.Offset)
            {
                KafkaLog.ProgressMissing(_log, offset.Partition, _options.Topic, offset.Offset, mark.ToString());
                continue;
            }
            SetMark(offset.Partition, new ProgressMark(head.Epoch, head.Sequence), cancel);
            found[offset.Partition] = (head.Clock, settled);
        }
        return found;
    }

    /// <summary>Commits how far these shards are, where that has changed, in a transaction of its own.</summary>
    /// <param name="evenIfBusy">Wait for shards that are being committed; otherwise they are left out.</param>
    /// <exception cref="TransactionAbortedException">It was refused.</exception>
    /// <exception cref="SinkException">The producer cannot go on.</exception>
    internal async Task CommitAsync(KafkaTransactions transactions, IReadOnlyList<ShardId> shards, bool evenIfBusy, CancellationToken cancel)
    {
        var held = new List<ShardId>();
        try
        {
            foreach (ShardId shard in shards.OrderBy(shard => shard.Value))
                if (await _shards[shard.Value].Turn.WaitAsync(evenIfBusy ? Timeout.Infinite : 0, cancel)) held.Add(shard);
            foreach (ShardId shard in held) _buffer.TakeProgress(shard, _shards[shard.Value].Snapshot);
            ShardId[] changed = [.. held.Where(shard => _shards[shard.Value].Snapshot.HasChanged)];
            if (changed.Length == 0) return;
            await FinishAsync(transactions, changed, cancel);
        }
        finally
        {
            foreach (ShardId shard in held) _shards[shard.Value].Turn.Release();
        }
    }

    /// <summary>
    /// Commits the open transaction, with how far the claim's shard is once what is marked as removed has left. When it has completed, that counts as left.
    /// </summary>
    /// <exception cref="TransactionAbortedException">Nothing of the transaction counts.</exception>
    /// <exception cref="SinkException">The producer cannot go on. It is final where nobody knows whether the transaction counts: only a start finds out.</exception>
    internal async Task CommitAsync(KafkaTransactions transactions, ClaimBatch claim, Range traces, CancellationToken cancel)
    {
        Shard shard = _shards[claim.Shard.Value];
        await shard.Turn.WaitAsync(cancel);
        try
        {
            if (shard.IsInDoubt)
                throw new SinkException($"Kafka: partition {claim.Shard} of {_options.Input.Address}: nobody knows whether the transaction before has ended well. Start again: that reads what has left and what has not") { IsFinal = true };
            _buffer.TakeProgress(claim.Shard, shard.Snapshot, claim, traces);
            await FinishAsync(transactions, [claim.Shard], cancel);
        }
        finally
        {
            shard.IsInDoubt |= transactions.IsInDoubt;
            shard.Turn.Release();
        }
    }

    /// <summary>Makes sure that an output is on the brokers of the input: a transaction cannot be on two clusters.</summary>
    /// <exception cref="ConfigurationException">It is not.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public static async ValueTask EnsureSameClusterAsync(
        KafkaProgressOptions options, KafkaOutputOptions output, ILogger? log, CancellationToken cancel)
    {
        (string input, string there) = await Task.Run(
            () => (ClusterOf(options.Input.ToConfig(), options, log), ClusterOf(output.ToConfig(), options, log)), cancel);
        if (input != there)
        {
            throw new ConfigurationException(
                $"--delivery exactly-once: input and output must be on one cluster: {options.Input.Address.Brokers} is {input}, {output.Address.Brokers} is {there}");
        }
    }

    public void Dispose()
    {
        foreach (Shard shard in _shards) shard.Dispose();
    }

    private static unsafe string ClusterOf(KafkaConfig config, KafkaProgressOptions options, ILogger? log)
    {
        using ClientHandle client = ClientHandle.Create(ClientType.Producer, config, new ClientEvents(log)); // a consumer would need a group
        byte* id = LibRdKafka.rd_kafka_clusterid(client, (int)options.StartTimeout.TotalMilliseconds);
        if (id == null)
            throw new SourceException($"Kafka: {options.Input.Address}: no broker has told the cluster's id within {options.StartTimeout.TotalSeconds} s");
        string text = NativeText.Read(id)!;
        LibRdKafka.rd_kafka_mem_free(client.Pointer, id);
        return text;
    }

    private void SetMark(int partition, ProgressMark mark, CancellationToken cancel)
    {
        Shard shard = _shards[partition];
        shard.Turn.Wait(cancel); // a commit of its life before may still be on its way to be refused
        (shard.Mark, shard.IsInDoubt) = (mark, false);
        shard.Turn.Release();
    }

    /// <summary>Commits the snapshots of these shards in the transaction that is open, or in one of their own, and counts it where that fails.</summary>
    private async Task FinishAsync(KafkaTransactions transactions, ShardId[] shards, CancellationToken cancel)
    {
        try
        {
            await SendAsync(transactions, shards, cancel);
        }
        catch (SheafException)
        {
            Interlocked.Increment(ref _failedCommits);
            throw;
        }
    }

    private async Task SendAsync(KafkaTransactions transactions, ShardId[] shards, CancellationToken cancel)
    {
        if (_group is not { } group)
        {
            transactions.Abort(cancel);
            throw new TransactionAbortedException($"Kafka: group {_options.Input.Address.Group} has gone on without this instance: nothing is committed until it is a member again");
        }
        if (!transactions.IsOpen) transactions.Begin(cancel);
        using var delivery = new KafkaDelivery();
        delivery.Begin();
        var pinned = new List<byte[]>(); // until the brokers have it
        var offsets = new PartitionOffset[shards.Length];
        nint topic = transactions.Topic(_options.Topic);
        for (int i = 0; i < shards.Length; i++)
        {
            Shard shard = _shards[shards[i].Value];
            shard.Mark = shard.Mark with { Sequence = shard.Mark.Sequence + 1 };
            Write(transactions.Producer, topic, shard, pinned, delivery);
            offsets[i] = new PartitionOffset(shards[i].Value, shard.Snapshot.ReadOnFrom, $"{shard.Mark} {Note}");
        }
        await delivery.SettleAsync(transactions.Producer, _time, cancel);
        GC.KeepAlive(pinned);
        if (delivery.Failure.Error is { IsNone: false } error)
        {
            transactions.Abort(cancel);
            throw new TransactionAbortedException($"Kafka: topic {_options.Topic}: {error.Text}. {error.WayOut(_options.Topic)}");
        }
        transactions.Commit(group, _inputTopic, offsets, cancel);
        foreach (ShardId shard in shards) _buffer.AcknowledgeProgress(_shards[shard.Value].Snapshot);
    }

    private void Write(KafkaProducer producer, nint topic, Shard shard, List<byte[]> pinned, KafkaDelivery delivery)
    {
        ProgressSnapshot snapshot = shard.Snapshot;
        KafkaAddress input = _options.Input.Address;
        int partition = snapshot.Shard.Value;
        foreach (ProgressSnapshot.Chunk chunk in snapshot.Chunks)
            Produce(chunk.Buffer, chunk.Length, ProgressRecords.ChunkKey(input, partition, chunk.Index), withEpoch: true);
        foreach (long outdated in snapshot.Outdated)
            Produce(null, 0, ProgressRecords.ChunkKey(input, partition, outdated), withEpoch: false);
        StreamClock clock = snapshot.Clock;
        byte[] text = ProgressRecords.WriteHead(new ProgressHead(
            ProgressHead.Present, shard.Mark.Epoch, shard.Mark.Sequence, snapshot.ReadOnFrom, clock.Ms, clock.LeaptMs, clock.Ahead, clock.AheadMs));
        byte[] head = GC.AllocateUninitializedArray<byte>(text.Length, pinned: true);
        text.CopyTo(head, 0);
        pinned.Add(head);
        Produce(head, head.Length, ProgressRecords.HeadKey(input, partition), withEpoch: false);

        unsafe void Produce(byte[]? value, int length, byte[] key, bool withEpoch)
        {
            var headers = new MessageHeaders(1);
            if (withEpoch) headers.Add(ProgressRecords.EpochHeader, shard.Mark.Epoch);
            delivery.Add();
            fixed (byte* bytes = value) // pinned for longer than this
            {
                KafkaError refusal = producer.Produce(topic, bytes, length, key, ref headers, delivery, partition: partition % _topicPartitions);
                if (refusal.IsNone) return;
                delivery.Withdraw();
                delivery.Fail(refusal, _options.Topic); // a full queue too: the transaction is taken back, and the next one tries again
            }
        }
    }
}

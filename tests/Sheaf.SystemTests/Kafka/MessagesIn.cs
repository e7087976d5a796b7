using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Reading a topic in batches.</summary>
public sealed class MessagesIn(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task Blocks_hold_the_messages_of_one_partition_in_order_with_offset_and_time()
    {
        string topic = Broker.CreateTopic(3);
        byte[][] sent = [.. Numbers(0, 3000, 100), []];
        using (var producer = new TestProducer(Broker.Brokers, topic)) AssertNone(await producer.ProduceAsync(sent, timestampMs: 1_600_000_000_123, key: i => $"{i}"));

        using var run = new BatchRun(Broker, topic, capacity: 700);
        var next = new long[3];
        var received = new List<string>();
        while (received.Count < sent.Length)
        {
            await run.PollAsync();
            while (run.Batch.MoveNext(run.Block))
            {
                int partition = run.Block.Shard!.Value.Value;
                foreach (InputMessage message in run.Block.Messages.ToArray())
                {
                    Assert.Equal(next[partition]++, message.SourceOffset);
                    Assert.Equal(1_600_000_000_123, message.TimestampMs);
                    received.Add(System.Text.Encoding.UTF8.GetString(run.Block.BytesOf(message)));
                }
            }
            Assert.Equal(0, run.Batch.Count);
        }
        Assert.Equal(sent.Select(System.Text.Encoding.UTF8.GetString).Order(StringComparer.Ordinal), received.Order(StringComparer.Ordinal));
    }

    [RealBrokerFact("it keeps about 5 MB of a partition")]
    public async Task A_block_ends_where_it_is_large_enough_and_a_larger_message_goes_alone()
    {
        string topic = Broker.CreateTopic(1);
        using (var producer = new TestProducer(Broker.Brokers, topic)) AssertNone(await producer.ProduceAsync(Numbers(0, 40, 900_000)));
        using var run = new BatchRun(Broker, topic, capacity: 1000);
        int messages = 0;
        while (messages < 40)
        {
            await run.PollAsync();
            while (run.Batch.MoveNext(run.Block))
            {
                Assert.InRange(run.Block.Messages.ToArray().Sum(m => m.Length), 900_000, KafkaMessageBatch.MaxBlockBytes);
                foreach (InputMessage message in run.Block.Messages.ToArray()) Assert.Equal(messages++, message.SourceOffset);
            }
        }
    }

    [Fact]
    public async Task Nothing_is_allocated_per_message()
    {
        const int Count = 20_000;
        string topic = Broker.CreateTopic(1);
        using (var producer = new TestProducer(Broker.Brokers, topic))
        {
            for (int i = 0; i < 4; i++) AssertNone(await producer.ProduceAsync(Numbers(0, Count / 4, 100)));
        }
        using var run = new BatchRun(Broker, topic, capacity: 1000);
        await run.PollAsync();
        while (run.Batch.MoveNext(run.Block)) { }
        long messages = ReadWithoutAwaiting(run, Count - 2000, out long allocated);
        Assert.InRange(messages, Count - 2000, Count);
        Assert.InRange(allocated, 0, 16 * 1024); // the pinned block may still grow a little; nothing that counts messages
    }

    [Fact]
    public async Task A_reader_without_a_group_begins_where_it_is_told_and_sees_keys_headers_and_deletions()
    {
        string topic = Broker.CreateTopic(2);
        using (var producer = new TestProducer(Broker.Brokers, topic)) AssertNone(await producer.ProduceAsync(Numbers(0, 30, 10), key: i => $"key-{i}"));
        using KafkaConsumer reader = KafkaConsumer.Read(
            new KafkaConsumerOptions { Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("nobody"), []) }, [new(0, 3), new(1, PartitionOffset.Beginning)]);
        using var batch = new KafkaMessageBatch(100);
        var ends = new HashSet<int>();
        var read = new List<(int Partition, long Offset, string Key)>();
        await Eventually.TrueAsync(() => ends.Count == 2, "both ends", () =>
        {
            reader.Poll(batch, TimeSpan.FromMilliseconds(50));
            for (int i = 0; i < batch.Count; i++) read.Add((batch[i].Partition, batch[i].Offset, System.Text.Encoding.UTF8.GetString(batch[i].Key)));
            foreach (PartitionOffset end in batch.Ends) ends.Add(end.Partition);
        });
        Assert.All(read.Where(m => m.Partition == 0), m => Assert.True(m.Offset >= 3));
        Assert.Equal(27, read.Count);
        Assert.Equal(27, read.Select(m => m.Key).Distinct().Count());
        Assert.Null(reader.PendingRebalance);
    }

    [RealBrokerFact(KeepsLeavers)]
    public async Task A_group_goes_on_behind_what_it_has_committed()
    {
        string topic = Broker.CreateTopic(1);
        string group = Broker.NewName("group");
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 100)));
        using (var first = new TestMember(Broker.Brokers, topic, group))
        {
            await first.ReadAsync(100);
            AssertNone(first.Consumer.CommitLater([new PartitionOffset(0, 30)]));
            AssertNone(first.Consumer.Commit([new PartitionOffset(0, 60)]));
            PartitionOffset[] committed = [new(0, 0)];
            AssertNone(first.Consumer.Committed(committed, TimeSpan.FromSeconds(10)));
            Assert.Equal(60, committed[0].Offset);
            await first.CloseAsync();
            Assert.False(first.Consumer.TryTakeCommitFailure(out _));
        }
        using var second = new TestMember(Broker.Brokers, topic, group);
        Assert.Equal(60, (await second.ReadAsync(40))[0].Offset);
    }

    [Fact]
    public async Task A_paused_partition_brings_nothing_and_goes_on_where_it_was()
    {
        string topic = Broker.CreateTopic(1);
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 50)));
        using var member = new TestMember(Broker.Brokers, topic, Broker.NewName("group"));
        await member.ReadAsync(50);
        AssertNone(member.Consumer.Pause([0]));
        AssertNone(await producer.ProduceAsync(Numbers(50, 50)));
        for (int i = 0; i < 30; i++) member.Step(10);
        Assert.Equal(50, member.Messages.Count);
        AssertNone(member.Consumer.Resume([0]));
        Assert.Equal(Enumerable.Range(0, 100), (await member.ReadAsync(100)).Select(NumberOf));
    }

    [Fact]
    public async Task Positions_can_be_asked_for_and_changed()
    {
        string topic = Broker.CreateTopic(1);
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 50)));
        using var member = new TestMember(Broker.Brokers, topic, Broker.NewName("group"));
        Assert.False(member.Consumer.TryGetWatermarks(0, out _, out _));
        await member.ReadAsync(50);
        AssertNone(member.Consumer.QueryWatermarks(0, out long low, out long high, TimeSpan.FromSeconds(10)));
        Assert.Equal((0, 50), (low, high));
        await Eventually.TrueAsync(() => member.Ends.Contains(0), "the end", () => member.Step());
        Assert.True(member.Consumer.TryGetWatermarks(0, out low, out high));
        Assert.Equal((0, 50), (low, high));

        member.Messages.Clear();
        AssertNone(member.Consumer.Seek([new PartitionOffset(0, 45)], TimeSpan.FromSeconds(10)));
        Assert.Equal(45, (await member.ReadAsync(5))[0].Offset);
    }

    [Fact]
    public async Task A_poll_that_waits_can_be_woken()
    {
        string topic = Broker.CreateTopic(1);
        using var member = new TestMember(Broker.Brokers, topic, Broker.NewName("group"));
        await Eventually.TrueAsync(() => member.Ends.Contains(0), "the end", () => member.Step());
        Task<PollOutcome> polling = Task.Run(() => member.Step(60_000));
        await Task.Delay(100);
        member.Consumer.Wake();
        Assert.Equal(PollOutcome.Nothing, await polling.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [RealBrokerFact("it creates topics by itself")]
    public async Task A_topic_that_is_missing_is_named_with_the_way_out()
    {
        using var consumer = KafkaConsumer.Join(new KafkaConsumerOptions
        {
            Address = new KafkaAddress(Broker.Brokers, ["no-such-topic"], Broker.NewName("group"), []),
            AbsencePatience = TimeSpan.FromSeconds(1),
        });
        using var batch = new KafkaMessageBatch(10);
        SourceException? failure = null;
        await Eventually.TrueAsync(
            () => failure is not null, "the end", () => failure = Record.Exception(() => consumer.Poll(batch, TimeSpan.FromMilliseconds(20))) as SourceException);
        Assert.Contains("no-such-topic", failure!.Message, StringComparison.Ordinal);
        Assert.Contains("Create topic", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_offset_that_is_gone_is_an_error_where_it_must_not_be_passed_over()
    {
        string topic = Broker.CreateTopic(1);
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 5)));
        using var consumer = KafkaConsumer.Join(new KafkaConsumerOptions
        {
            Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("group"), []),
        });
        using var batch = new KafkaMessageBatch(10);
        await Eventually.TrueAsync(() => consumer.PendingRebalance is not null, "partitions", () => consumer.Poll(batch, TimeSpan.FromMilliseconds(20)));
        consumer.Assign([new PartitionOffset(0, 1000)]);
        SourceException failure = await Assert.ThrowsAsync<SourceException>(() =>
            Eventually.TrueAsync(() => false, "the error", () => consumer.Poll(batch, TimeSpan.FromMilliseconds(20))));
        Assert.Contains("--no-strict-offset-reset", failure.Message, StringComparison.Ordinal);
    }

    private static long ReadWithoutAwaiting(BatchRun run, int atLeast, out long allocated)
    {
        long messages = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        while (messages < atLeast)
        {
            if (run.Consumer.Poll(run.Batch, TimeSpan.FromSeconds(5)) != PollOutcome.Messages) break;
            while (run.Batch.MoveNext(run.Block)) messages += run.Block.Messages.Length;
        }
        allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return messages;
    }

    /// <summary>A consumer with its batch and block, assigned from the beginning.</summary>
    private sealed class BatchRun(KafkaBroker broker, string topic, int capacity) : IDisposable
    {
        public KafkaConsumer Consumer { get; } = KafkaConsumer.Join(new KafkaConsumerOptions
        {
            Address = new KafkaAddress(broker.Brokers, [topic], broker.NewName("group"), []),
        });

        public KafkaMessageBatch Batch { get; } = new(capacity);

        public InputBlock Block { get; } = new(1 << 20);

        public Task PollAsync() => Eventually.TrueAsync(() => Batch.Count > 0, "messages", () =>
        {
            Consumer.Poll(Batch, TimeSpan.FromMilliseconds(20));
            if (Consumer.PendingRebalance is { Kind: RebalanceKind.Assigned } assigned)
                Consumer.Assign([.. assigned.Partitions.Select(p => new PartitionOffset(p, PartitionOffset.Beginning))]);
        });

        public void Dispose()
        {
            Batch.Dispose();
            Consumer.Dispose();
        }
    }
}

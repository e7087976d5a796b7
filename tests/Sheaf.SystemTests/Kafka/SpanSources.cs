using Sheaf.Buffering;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Spans;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>The source by itself, without a run around it.</summary>
public sealed class SpanSources(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task A_reader_that_pauses_costs_neither_messages_nor_the_membership_nor_the_news_of_the_end()
    {
        string topic = Broker.CreateTopic();
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 2000, 100)));
        var options = new KafkaConsumerOptions
        {
            Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("group"), []),
            AutoOffsetReset = AutoOffsetReset.Earliest,
            MaxPollInterval = TimeSpan.FromSeconds(6),
        };
        KafkaInput input = await KafkaInput.OpenAsync(options, TimeSpan.FromSeconds(30), null, TimeProvider.System, default);
        Assert.Equal(1, input.Partitions);
        await using var source = new KafkaSpanSource(
            input, new KafkaSourceOptions(10, TimeSpan.Zero, TimeSpan.Zero) { ReadyBlocks = 2, PauseAfter = TimeSpan.FromMilliseconds(100) }, null, TimeProvider.System);
        var owner = new Owner();
        source.Start(owner);

        var block = new InputBlock(16);
        long next = 0;
        await ReadUntilAsync(100);
        await Task.Delay(TimeSpan.FromSeconds(8)); // longer than the group waits for a member that does not poll
        Assert.InRange(source.UnreadMessages, 1, 1900);
        await ReadUntilAsync(2000);
        AssertNone(await producer.ProduceAsync(Numbers(2000, 5)));
        await ReadUntilAsync(2005);
        await Eventually.TrueAsync(() => owner.IdleMs > 0, "an idle partition");
        await Eventually.TrueAsync(() => source.UnreadMessages == 0, "nothing that is not read");
        Assert.Equal(["taken", "begun at 0"], owner.Told);

        await source.CloseAsync(Eventually.Patience);
        Assert.Equal(["taken", "begun at 0", "released", "gone"], owner.Told);
        using var successor = new TestMember(Broker.Brokers, topic, options.Address.Group);
        await Eventually.TrueAsync(() => successor.Ends.Count == 1, "the end", () => successor.Step());
        Assert.Equal(2005 - Owner.Waiting, successor.Messages[0].Offset);

        async Task ReadUntilAsync(long end)
        {
            while (next < end)
            {
                Assert.True(await source.ReadAsync(block, default).AsTask().WaitAsync(Eventually.Patience));
                foreach (InputMessage message in block.Messages.ToArray()) Assert.Equal(next++, message.SourceOffset);
                owner.Next = next;
            }
        }
    }

    private sealed class Owner : IShardOwner
    {
        public const int Waiting = 3;

        private long _next;
        private long _idleMs;

        public List<string> Told { get; } = [];

        public long IdleMs { get => Volatile.Read(ref _idleMs); private set => Volatile.Write(ref _idleMs, value); }

        public long Next { set => Volatile.Write(ref _next, value); }

        public ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel)
        {
            Told.Add("taken");
            return default;
        }

        public void MissWhatWasRead(ShardId shard, long offset) => Told.Add($"missing up to {offset}");

        public ValueTask BeginAsync(ShardId shard, long assignment, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
        {
            Told.Add($"begun at {stored.Offset + 1}");
            return default;
        }

        public void BeIdle(ShardId shard, long assignment, long readThrough, long idleMs, long nowMs) => IdleMs = idleMs;

        public long ReadOnFrom(ShardId shard) => Math.Max(0, Volatile.Read(ref _next) - Waiting);

        public ValueTask ReleaseAsync(ShardId shard, CancellationToken cancel)
        {
            Told.Add("released");
            return default;
        }

        public void Forget(ShardId shard, bool wasLost) => Told.Add(wasLost ? "lost" : "gone");
    }
}

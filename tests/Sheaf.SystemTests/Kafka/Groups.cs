using Sheaf.Kafka;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Members of a group: partitions that come and go, and offsets that go with them.</summary>
public sealed class Groups(KafkaBroker broker) : KafkaTest(broker)
{
    private const string Strategy = "partition.assignment.strategy";

    [RealBrokerTheory("it refuses commits while a group rebalances, and knows no cooperative rebalance")]
    [InlineData("range", false)]
    [InlineData("cooperative-sticky", true)]
    public async Task Partitions_are_handed_over_in_good_order(string strategy, bool cooperative)
    {
        string topic = Broker.CreateTopic(4);
        string group = Broker.NewName("group");
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 400), key: i => $"{i}"));

        using var first = new TestMember(Broker.Brokers, topic, group, (Strategy, strategy));
        await first.ReadAsync(400);
        Assert.Equal([0, 1, 2, 3], first.Partitions);
        first.Leaving = leaving =>
        {
            Assert.Equal(RebalanceKind.Revoked, leaving.Kind);
            // What the new owner must not read again is committed before the partitions go.
            AssertNone(first.Consumer.Commit([.. leaving.Partitions.Select(p => new PartitionOffset(p, 1 + first.Messages.Where(m => m.Partition == p).Max(m => m.Offset)))]));
        };
        using var second = new TestMember(Broker.Brokers, topic, group, (Strategy, strategy));
        await Eventually.TrueAsync(() => first.Partitions.Count == 2 && second.Partitions.Count == 2, "a fair share for each", () =>
        {
            first.Step(5);
            second.Step(5);
        });
        Assert.Empty(first.Partitions.Intersect(second.Partitions));
        Assert.All(first.Rebalances, r => Assert.Equal(cooperative, r.IsCooperative));
        KafkaRebalance revoked = Assert.Single(first.Rebalances, r => r.Kind == RebalanceKind.Revoked && !r.Partitions.IsEmpty);
        Assert.Equal(cooperative ? 2 : 4, revoked.Partitions.Length);

        AssertNone(await producer.ProduceAsync(Numbers(400, 400), key: i => $"{i}"));
        await Eventually.TrueAsync(() => first.Messages.Count + second.Messages.Count >= 800, "the rest", () =>
        {
            first.Step(5);
            second.Step(5);
        });
        Assert.Equal(Enumerable.Range(0, 800), first.Messages.Concat(second.Messages).Select(NumberOf).Order());

        await second.CloseAsync();
        Assert.Empty(second.Partitions);
        await Eventually.TrueAsync(() => first.Partitions.Count == 4, "the partitions back", () => first.Step());
    }

    [RealBrokerFact(KeepsLeavers)]
    public async Task A_consumer_that_is_only_disposed_lets_its_group_go_on_at_once()
    {
        string topic = Broker.CreateTopic(2);
        string group = Broker.NewName("group");
        var first = new TestMember(Broker.Brokers, topic, group);
        await Eventually.TrueAsync(() => first.Partitions.Count == 2, "partitions", () => first.Step());
        using var second = new TestMember(Broker.Brokers, topic, group);
        first.Dispose();
        long start = TimeProvider.System.GetTimestamp();
        await Eventually.TrueAsync(() => second.Partitions.Count == 2, "partitions", () => second.Step());
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(30), "it waited for the session to time out");
    }

    [Fact]
    public async Task A_rebalance_that_is_answered_late_holds_messages_back_and_does_not_block_the_poll()
    {
        string topic = Broker.CreateTopic();
        using (var producer = new TestProducer(Broker.Brokers, topic)) AssertNone(await producer.ProduceAsync(Numbers(0, 10)));
        using KafkaConsumer consumer = KafkaConsumer.Join(new KafkaConsumerOptions
        {
            Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("group"), []),
        });
        using var batch = new KafkaMessageBatch(100);
        await Eventually.TrueAsync(() => consumer.PendingRebalance is not null, "partitions", () => consumer.Poll(batch, TimeSpan.FromMilliseconds(20)));
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(PollOutcome.Rebalance, consumer.Poll(batch, TimeSpan.FromMilliseconds(10)));
            Assert.Equal(0, batch.Count);
        }
        Assert.Throws<InvalidOperationException>(consumer.Unassign);
        PartitionOffset[] committed = [new(0, 0)];
        AssertNone(consumer.Committed(committed, TimeSpan.FromSeconds(10)));
        Assert.Equal(PartitionOffset.None, committed[0].Offset);
        consumer.Assign([new PartitionOffset(0, 4)]);
        await Eventually.TrueAsync(() => consumer.Poll(batch, TimeSpan.FromMilliseconds(20)) == PollOutcome.Messages && batch.Count > 0, "messages");
        Assert.Equal(6, batch.Count);
    }

    [Fact]
    public async Task A_member_that_did_not_poll_in_time_has_lost_its_partitions()
    {
        string topic = Broker.CreateTopic(1);
        using var member = new TestMember(
            Broker.Brokers, topic, Broker.NewName("group"), ("max.poll.interval.ms", "6000"), ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500"));
        await Eventually.TrueAsync(() => member.Partitions.Count == 1, "partitions", () => member.Step());
        await Task.Delay(7500);
        await Eventually.TrueAsync(() => member.Rebalances.Count == 3, "the partition lost and found", () => member.Step());
        Assert.Equal([RebalanceKind.Assigned, RebalanceKind.Lost, RebalanceKind.Assigned], member.Rebalances.Select(r => r.Kind));
        Assert.Equal(KafkaErrorKind.PolledTooLate, member.Consumer.LastError.Kind);
    }

    [RealBrokerFact("it forgets static members")]
    public async Task A_static_member_that_comes_back_keeps_its_partitions()
    {
        string topic = Broker.CreateTopic(2);
        string group = Broker.NewName("group");
        using var other = new TestMember(Broker.Brokers, topic, group, ("group.instance.id", "other"));
        var member = new TestMember(Broker.Brokers, topic, group, ("group.instance.id", "one"));
        await Eventually.TrueAsync(() => member.Partitions.Count == 1 && other.Partitions.Count == 1, "partitions", () =>
        {
            member.Step(5);
            other.Step(5);
        });
        int rebalances = other.Rebalances.Count;
        member.Dispose();
        using var again = new TestMember(Broker.Brokers, topic, group, ("group.instance.id", "one"));
        await Eventually.TrueAsync(() => again.Partitions.Count == 1, "its partition", () =>
        {
            again.Step(5);
            other.Step(5);
        });
        Assert.Equal(member.Partitions, again.Partitions);
        Assert.Equal(rebalances, other.Rebalances.Count);
    }
}

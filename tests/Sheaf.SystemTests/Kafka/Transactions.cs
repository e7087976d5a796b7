using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

public sealed class Transactions(KafkaBroker broker) : KafkaTest(broker)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [RealBrokerFact(ShowsAborted)]
    public async Task What_was_aborted_is_invisible_and_what_was_committed_moves_the_offsets_with_it()
    {
        string input = Broker.CreateTopic();
        string output = Broker.CreateTopic();
        string group = Broker.NewName("group");
        using (var source = new TestProducer(Broker.Brokers, input)) AssertNone(await source.ProduceAsync(Numbers(0, 10)));
        using var member = new TestMember(Broker.Brokers, input, group);
        await member.ReadAsync(10);

        using var producer = new TestProducer(Broker.Brokers, output, ("transactional.id", Broker.NewName("transactional")));
        AssertDone(producer.Producer.InitTransactions(Patience));
        AssertDone(producer.Producer.BeginTransaction());
        AssertNone(await producer.ProduceAsync(Numbers(100, 5)));
        AssertDone(producer.Producer.SendOffsets(member.Consumer, [new PartitionOffset(0, 3)], Patience));
        AssertDone(producer.Producer.AbortTransaction(Patience));
        Assert.Equal(PartitionOffset.None, Committed(member));

        AssertDone(producer.Producer.BeginTransaction());
        AssertNone(await producer.ProduceAsync(Numbers(200, 5)));
        AssertDone(producer.Producer.SendOffsets(member.Consumer, [new PartitionOffset(0, 7)], Patience));
        AssertDone(producer.Producer.CommitTransaction(Patience));
        Assert.Equal(7, Committed(member));

        IReadOnlyList<ReceivedMessage> visible = await TestMember.ReadToEndAsync(Broker.Brokers, output, 1, ("isolation.level", "read_committed"));
        Assert.Equal([200, 201, 202, 203, 204], visible.Select(NumberOf));
    }

    [Fact]
    public async Task Progress_of_somebody_who_is_no_member_does_not_count_and_that_is_counted()
    {
        var shard = new ShardId(0);
        var buffer = new MemoryBuffer(new SegmentRules(), 1, 1 << 20, keepsProgress: true);
        buffer.Begin(shard, new StoredPosition(-1, long.MinValue), SettledOffsets.None);
        MemorySpanBuffer client = buffer.OpenClient();
        await client.TakeOverAsync(new[] { shard }, default);
        var batch = new SpanBatch(shard);
        batch.Reset(new byte[1]);
        batch.Add() = new TraceSpan { Trace = new TraceKey(1, new TraceId(1, 1)), SpanId = new SpanId(1), SourceOffset = 0, StreamTimeMs = 1, PayloadLength = 1 };
        batch.Through = new StoredPosition(0, 1);
        await client.AppendAsync(batch, default);

        var options = new KafkaProgressOptions
        {
            Input = new KafkaConsumerOptions { Address = new KafkaAddress(Broker.Brokers, [Broker.CreateTopic()], Broker.NewName("group"), []) },
            Topic = Broker.NewName("progress"),
            Instance = Broker.NewName("instance"),
        };
        using KafkaProgress progress = await KafkaProgress.OpenAsync(options, buffer, null, TimeProvider.System, default);
        using KafkaTransactions transactions = progress.OpenTransactions("progress");
        TransactionAbortedException refused = await Assert.ThrowsAsync<TransactionAbortedException>(() => progress.CommitAsync(transactions, [shard], evenIfBusy: true, default));
        Assert.Contains("has gone on without this instance", refused.Message, StringComparison.Ordinal);
        Assert.Equal(1, progress.FailedCommits);
    }

    [RealBrokerFact("it lets a fenced producer commit")]
    public async Task A_second_producer_with_the_same_id_fences_the_first()
    {
        string topic = Broker.CreateTopic();
        string id = Broker.NewName("transactional");
        using var first = new TestProducer(Broker.Brokers, topic, ("transactional.id", id));
        AssertDone(first.Producer.InitTransactions(Patience));
        AssertDone(first.Producer.BeginTransaction());
        AssertNone(await first.ProduceAsync(Numbers(0, 1)));
        using var second = new TestProducer(Broker.Brokers, topic, ("transactional.id", id));
        AssertDone(second.Producer.InitTransactions(Patience));
        TransactionResult late = first.Producer.CommitTransaction(Patience);
        Assert.False(late.Succeeded);
        Assert.True(late.IsFatal, late.ToString());
        Assert.Equal(KafkaErrorKind.Fenced, late.Error.Kind);
    }

    private static long Committed(TestMember member)
    {
        PartitionOffset[] offsets = [new(0, 0)];
        AssertNone(member.Consumer.Committed(offsets, Patience));
        return offsets[0].Offset;
    }
}

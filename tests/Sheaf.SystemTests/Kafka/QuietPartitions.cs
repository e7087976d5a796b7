using Sheaf.Dev;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Partitions in which nothing comes any more: the clock of each hangs on it alone.</summary>
public sealed class QuietPartitions(KafkaBroker broker) : KafkaTest(broker)
{
    [RealBrokerTheory("it takes long for many partitions")]
    [InlineData(1)]
    [InlineData(1000)]
    public async Task The_segments_of_every_partition_leave_when_nothing_more_comes(int partitions)
    {
        string input, progress;
        await using (KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions))
        {
            (input, progress) = (run.Input, run.Group + ".sheaf-progress");
            SheafProcess instance = run.Start("--root-timeout", "1s", "--timeout", "2s", "--clock-slack", "0");
            await KafkaRun.AssignedAsync(instance, partitions);
            await run.ProduceToPartitionsAsync(OneTraceEach(partitions), partition: i => i);
            await run.ReadAsync(partitions); // how long a thousand take to be handed over is another matter
            RunVerifier verified = await run.VerifyAsync();
            KafkaRun.AssertRight(verified);
            Assert.Equal(partitions, verified.Messages);
        }
        // A broker that is killed by another test reads the logs of all its partitions again before it answers.
        Broker.DeleteTopic(input);
        Broker.DeleteTopic(progress);
    }

    [RealBrokerFact("its topics need a key for each partition")]
    public async Task Idle_partitions_are_told_of_while_the_blocks_of_another_one_wait_for_the_pipeline()
    {
        const int Partitions = 100, Busy = 7;
        string topic = Broker.CreateTopic(Partitions);
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, Partitions), partition: i => i));
        var options = new KafkaConsumerOptions
        {
            Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("group"), []),
            AutoOffsetReset = AutoOffsetReset.Earliest,
        };
        KafkaInput input = await KafkaInput.OpenAsync(options, TimeSpan.FromSeconds(30), null, TimeProvider.System, default);
        await using var source = new KafkaSpanSource(
            input, new KafkaSourceOptions(100, TimeSpan.Zero, TimeSpan.Zero) { ReadyBlocks = 2, PauseAfter = TimeSpan.FromMilliseconds(100) }, null, TimeProvider.System);
        var shards = new IdleShards(Partitions);
        source.Start(shards);
        var block = new InputBlock(16);
        int read = 0;
        while (read < Partitions) await ReadAsync();

        // From here on the reader takes nothing: the queue to the pipeline is full.
        AssertNone(await producer.ProduceAsync(Numbers(0, 20_000, 100), partition: _ => Busy));
        await Eventually.TrueAsync(() => Quiet().All(shard => shards.IdleMs(shard) > 3000), "all quiet partitions to be idle");
        AssertNone(await producer.ProduceAsync(Numbers(0, Partitions), partition: i => i));
        while (read < Partitions + 20_000 + Partitions) await ReadAsync();
        await Eventually.TrueAsync(() => shards.ReadThrough(Busy) == 20_001, "the busy partition to be idle");
        await Eventually.TrueAsync(() => Quiet().All(shard => shards.ReadThrough(shard) == 1 && shards.IdleMs(shard) > 500), "all quiet partitions to be idle once more");

        IEnumerable<int> Quiet() => Enumerable.Range(0, Partitions).Where(shard => shard != Busy);

        async Task ReadAsync()
        {
            Assert.True(await source.ReadAsync(block, default).AsTask().WaitAsync(Eventually.Patience));
            read += block.Messages.Length;
        }
    }

    internal static string[] OneTraceEach(int count, int first = 0) => [.. Enumerable.Range(first, count).Select(t => KafkaRun.Span(1, $"{t + 1:x32}", t + 1))];
}

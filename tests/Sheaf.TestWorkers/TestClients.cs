using System.Diagnostics;
using System.Globalization;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;
using Xunit;

namespace Sheaf.TestWorkers;

/// <summary>Clients of Kafka in a process that does nothing else: its threads and what it grows by are theirs.</summary>
internal static class TestClients
{
    private const int Few = 10; // what the first ones load and reserve is kept
    private const int Many = 40;

    /// <summary>Fails where one of them leaves a thread behind.</summary>
    public static async Task RunAsync(string what, string brokers, string topic, string group)
    {
        switch (what)
        {
            case "many":
                await UseManyAsync(brokers, topic, group);
                break;
            case "disposed":
                await DisposeInTheMiddleAsync(brokers, topic, group);
                break;
            case "forgotten":
                Forget(brokers, topic, group);
                Assert.NotEqual(0, LibRdKafka.rd_kafka_thread_cnt());
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(what), what, "many, disposed or forgotten");
        }
        await Eventually.TrueAsync(() => LibRdKafka.rd_kafka_thread_cnt() == 0, "the end of the clients' threads", GC.Collect);
    }

    /// <summary>One after the other. Says the growth in bytes.</summary>
    private static async Task UseManyAsync(string brokers, string topic, string group)
    {
        for (int i = 0; i < Few; i++) await UseAsync(brokers, topic, $"{group}-{i}");
        long before = ResidentBytes();
        for (int i = 0; i < Many; i++) await UseAsync(brokers, topic, $"{group}-{Few + i}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"grown by {ResidentBytes() - before}"));
    }

    private static async Task UseAsync(string brokers, string topic, string group)
    {
        using var member = new TestMember(brokers, topic, group);
        await member.ReadAsync(200);
        using var producer = new TestProducer(brokers, topic);
        await producer.ProduceAsync([]);
    }

    private static async Task DisposeInTheMiddleAsync(string brokers, string topic, string group)
    {
        var options = new KafkaOutputOptions
        {
            Address = new KafkaAddress(brokers, [topic], "", []),
            MaxSegmentBytes = 100_000,
            StartTimeout = TimeSpan.FromSeconds(30),
            Config = new KafkaConfig().Set("linger.ms", "1"),
        };
        KafkaOutput output = await KafkaOutput.OpenAsync(options, null, TimeProvider.System, default);
        for (int round = 0; round < 8; round++)
        {
            KafkaSegmentSink sink = output.CreateClient();
            Task producing = Task.Run(async () =>
            {
                while (true) await sink.ProduceAsync(SegmentBatches.Numbered(0, 50, 2000), default);
            });
            var consumer = KafkaConsumer.Join(new KafkaConsumerOptions { Address = new KafkaAddress(brokers, [topic], $"{group}-{round}", []) });
            using var batch = new KafkaMessageBatch(100);
            Task consuming = Task.Run(() =>
            {
                while (true)
                {
                    consumer.Poll(batch, TimeSpan.FromSeconds(60));
                    batch.Clear();
                    if (consumer.PendingRebalance is { Kind: RebalanceKind.Assigned } assigned && round % 2 == 0)
                        consumer.Assign([.. assigned.Partitions.Select(p => new PartitionOffset(p, PartitionOffset.Beginning))]);
                }
            });
            await Task.Delay(40 * round); // a moment of each round's own
            consumer.Dispose();
            await sink.DisposeAsync();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => consuming.WaitAsync(Eventually.Patience));
            Assert.NotNull(await Record.ExceptionAsync(() => producing.WaitAsync(Eventually.Patience)));
        }
    }

    private static void Forget(string brokers, string topic, string group) =>
        _ = KafkaConsumer.Join(new KafkaConsumerOptions { Address = new KafkaAddress(brokers, [topic], group, []) });

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }
}

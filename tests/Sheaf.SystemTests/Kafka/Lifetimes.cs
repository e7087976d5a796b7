using Microsoft.Extensions.Logging;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Clients end, at any moment, and leave nothing behind.</summary>
public sealed class Lifetimes(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task A_client_may_be_disposed_in_the_middle_of_anything()
    {
        string topic = Broker.CreateTopic(2);
        int threads = LibRdKafka.rd_kafka_thread_cnt();
        KafkaOutput output = await KafkaOutput.OpenAsync(OutputTo(topic), null, TimeProvider.System, default);
        for (int round = 0; round < 8; round++)
        {
            KafkaSegmentSink sink = output.CreateClient();
            Task producing = Task.Run(async () =>
            {
                while (true) await sink.ProduceAsync(SegmentBatches.Numbered(0, 50, 2000), default);
            });
            var consumer = KafkaConsumer.Join(new KafkaConsumerOptions
            {
                Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("group"), []),
            });
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
            await Task.Delay(40 * round);
            consumer.Dispose();
            await sink.DisposeAsync();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => consuming.WaitAsync(Eventually.Patience));
            Assert.NotNull(await Record.ExceptionAsync(() => producing.WaitAsync(Eventually.Patience)));
        }
        await Eventually.TrueAsync(() => LibRdKafka.rd_kafka_thread_cnt() <= threads, "the end of the clients' threads");
    }

    [Fact]
    public async Task A_poll_ends_with_its_consumer_wherever_it_is()
    {
        for (int round = 0; round < 1000; round++)
        {
            var consumer = KafkaConsumer.Join(new KafkaConsumerOptions { Address = new KafkaAddress("127.0.0.1:1", ["none"], "nobody", []) });
            using var batch = new KafkaMessageBatch(10);
            Task polling = Task.Run(() =>
            {
                while (true) consumer.Poll(batch, TimeSpan.FromHours(1));
            });
            for (int i = 0; i < round % 7; i++) consumer.Wake();
            Thread.SpinWait(round * 50);
            consumer.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => polling.WaitAsync(Eventually.Patience));
        }
    }

    [RealBrokerFact("the first member of a group waits 3 s for others, and this test makes 50 of them")]
    public async Task Many_clients_one_after_the_other_leave_no_memory_and_no_thread_behind()
    {
        string topic = Broker.CreateTopic(1);
        using (var producer = new TestProducer(Broker.Brokers, topic)) AssertNone(await producer.ProduceAsync(Numbers(0, 200, 1000)));
        await using SheafProcess clients = SheafProcess.StartProgram(
            Environment.CurrentDirectory, new Dictionary<string, string>(),
            "dotnet", Path.Combine(AppContext.BaseDirectory, "Sheaf.TestWorkers.dll"), "kafka-clients", Broker.Brokers, topic, Broker.NewName("group"));
        Ended ended = await clients.EndAsync();
        Assert.True(ended.ExitCode == 0, ended.Error);
        // A client that stays costs about 0.5 MB and its threads' stacks: forty of each would be far more.
        const string Told = "grown by ";
        Assert.StartsWith(Told, ended.Out, StringComparison.Ordinal);
        Assert.InRange(long.Parse(ended.Out[Told.Length..], System.Globalization.CultureInfo.InvariantCulture), long.MinValue, 16 << 20);
    }

    [Fact]
    public void A_consumer_that_nobody_disposes_is_collected()
    {
        int threads = LibRdKafka.rd_kafka_thread_cnt();
        Forget(Broker.Brokers, Broker.CreateTopic());
        for (int i = 0; i < 200 && LibRdKafka.rd_kafka_thread_cnt() > threads; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.InRange(LibRdKafka.rd_kafka_thread_cnt(), 0, threads);
    }

    [Fact]
    public async Task A_log_that_throws_harms_nobody()
    {
        KafkaProducer producer = KafkaProducer.Create(
            new KafkaConfig().Set("bootstrap.servers", "127.0.0.1:1").Set("debug", "broker"), new ThrowingLogger());
        await Eventually.TrueAsync(() => producer.LastError.Code != 0, "an error");
        producer.Dispose();
    }

    private sealed class ThrowingLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new InvalidOperationException("planted");
    }

    private static void Forget(string brokers, string topic) => _ = KafkaConsumer.Join(new KafkaConsumerOptions
    {
        Address = new KafkaAddress(brokers, [topic], "forgotten", []),
    });
}

using Microsoft.Extensions.Logging;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Clients end, at any moment, and leave nothing behind.</summary>
public sealed class Lifetimes(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task A_client_may_be_disposed_in_the_middle_of_anything() => await InAProcessOfItsOwnAsync("disposed", Broker.CreateTopic(2));

    [Fact]
    public async Task A_poll_ends_with_its_consumer_wherever_it_is()
    {
        for (int round = 0; round < 250; round++)
        {
            var consumer = KafkaConsumer.Join(new KafkaConsumerOptions { Address = new KafkaAddress("127.0.0.1:1", ["none"], "nobody", []) });
            using var batch = new KafkaMessageBatch(10);
            Task polling = Task.Run(() =>
            {
                while (true) consumer.Poll(batch, TimeSpan.FromHours(1));
            });
            for (int i = 0; i < round % 7; i++) consumer.Wake();
            Thread.SpinWait(round * 200);
            consumer.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => polling.WaitAsync(Eventually.Patience));
        }
    }

    [RealBrokerFact("the first member of a group waits 3 s for others, and this test makes 50 of them")]
    public async Task Many_clients_one_after_the_other_leave_no_memory_and_no_thread_behind()
    {
        string topic = Broker.CreateTopic(1);
        using (var producer = new TestProducer(Broker.Brokers, topic)) AssertNone(await producer.ProduceAsync(Numbers(0, 200, 1000)));
        string told = await InAProcessOfItsOwnAsync("many", topic);
        // A client that stays costs about 0.5 MB and its threads' stacks: forty of each would be far more.
        const string Told = "grown by ";
        Assert.StartsWith(Told, told, StringComparison.Ordinal);
        Assert.InRange(long.Parse(told[Told.Length..], System.Globalization.CultureInfo.InvariantCulture), long.MinValue, 16 << 20);
    }

    [Fact]
    public async Task A_consumer_that_nobody_disposes_is_collected() => await InAProcessOfItsOwnAsync("forgotten", Broker.CreateTopic());

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

    /// <summary>Threads of librdkafka are counted for the whole process: nothing else may run beside it.</summary>
    private async Task<string> InAProcessOfItsOwnAsync(string what, string topic)
    {
        await using SheafProcess clients = SheafProcess.StartProgram(
            Environment.CurrentDirectory, new Dictionary<string, string>(),
            "dotnet", Path.Combine(AppContext.BaseDirectory, "Sheaf.TestWorkers.dll"), "kafka-clients", what, Broker.Brokers, topic, Broker.NewName("group"));
        Ended ended = await clients.EndAsync();
        Assert.True(ended.ExitCode == 0, ended.Error);
        return ended.Out;
    }
}

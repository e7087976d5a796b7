using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Brokers that go away and come back: what waits goes on, and what is told of it.</summary>
public sealed class BrokersAway(OwnBroker own) : KafkaTest(own.Broker), IClassFixture<OwnBroker>
{
    [HaltingBrokerFact("a broker of it that was away is back too late for the patience of this test")]
    public async Task A_broker_that_goes_away_and_comes_back_only_delays_and_is_told_of_once()
    {
        const int Traces = 200;
        // One outage is enough for all of them.
        await using KafkaRun inRedis = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        await using KafkaRun inMemory = await KafkaRun.CreateAsync(Broker, partitions: 2);
        await using KafkaRun exactlyOnce = await KafkaRun.CreateAsync(Broker, partitions: 2);
        SheafProcess[] instances =
            await Task.WhenAll(BeginAsync(inRedis), BeginAsync(inMemory), BeginAsync(exactlyOnce, "--delivery", "exactly-once"));
        Broker.Halt();
        foreach (SheafProcess instance in instances) await KafkaRun.LoggedAsync(instance, EventIds.KafkaAway);
        Broker.Restart();
        foreach (SheafProcess instance in instances) await KafkaRun.LoggedAsync(instance, EventIds.KafkaBack);
        (RunVerifier Verified, string Error)[] ends =
            await Task.WhenAll(EndAsync(inRedis, instances[0]), EndAsync(inMemory, instances[1]), EndAsync(exactlyOnce, instances[2]));
        Assert.Equal(0, ends[2].Verified.Repeats);
        string error = ends[1].Error;
        string[] told = [.. Logged.Lines(error, EventIds.KafkaAway).Where(line => line.Contains("input kafka://", StringComparison.Ordinal))];
        Assert.True(told.Length <= 1, string.Join('\n', told));
        Assert.Equal(0, Logged.Count(error, EventIds.KafkaClient));

        static async Task<SheafProcess> BeginAsync(KafkaRun run, params string[] words)
        {
            SheafProcess instance = run.Start(words);
            await KafkaRun.AssignedAsync(instance, 2);
            await run.ProduceAsync(KafkaRun.Traces(0, Traces));
            await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), second: 300);
            await run.ReadAsync(Traces);
            return instance;
        }

        static async Task<(RunVerifier Verified, string Error)> EndAsync(KafkaRun run, SheafProcess instance)
        {
            await run.LetTimePassAsync();
            await run.ReadAsync(2 * 5 * Traces);
            Ended ended = await KafkaRun.StopAsync(instance);
            RunVerifier verified = await run.VerifyAsync();
            KafkaRun.AssertRight(verified);
            return (verified, ended.Error);
        }
    }

    [HaltingBrokerFact]
    public async Task While_no_broker_answers_the_clocks_stand_and_they_go_on_when_one_does()
    {
        string topic = Broker.CreateTopic();
        using var producer = new TestProducer(Broker.Brokers, topic);
        AssertNone(await producer.ProduceAsync(Numbers(0, 5)));
        var options = new KafkaConsumerOptions
        {
            Address = new KafkaAddress(Broker.Brokers, [topic], Broker.NewName("group"), []),
            AutoOffsetReset = AutoOffsetReset.Earliest,
        };
        KafkaInput input = await KafkaInput.OpenAsync(options, TimeSpan.FromSeconds(30), null, TimeProvider.System, default);
        await using var source = new KafkaSpanSource(input, new KafkaSourceOptions(10, TimeSpan.Zero, TimeSpan.Zero), null, TimeProvider.System);
        var owner = new IdleShards(1);
        source.Start(owner);
        await Eventually.TrueAsync(() => owner.IdleMs(0) > 500, "a partition that is idle");
        Broker.Halt();
        await Task.Delay(1000); // what was answered before is still told
        long stands = owner.IdleMs(0);
        await Task.Delay(2000); // the time in which nothing may happen
        Assert.Equal(stands, owner.IdleMs(0));
        Broker.Restart();
        await Eventually.TrueAsync(() => owner.IdleMs(0) > stands + 3000, "the time of the outage, which counts after all: nothing has come in it");
    }

    [HaltingBrokerFact]
    public async Task A_broker_that_is_away_makes_the_worker_wait_and_nothing_is_lost()
    {
        string topic = Broker.CreateTopic();
        KafkaOutput output = await KafkaOutput.OpenAsync(OutputTo(topic), null, TimeProvider.System, default);
        await using KafkaSegmentSink sink = output.CreateClient();
        await sink.ProduceAsync(SegmentBatches.Numbered(0, 50, 1000), default);
        Broker.Halt();
        Task waiting = sink.ProduceAsync(SegmentBatches.Numbered(50, 50, 1000), default).AsTask();
        await Task.Delay(1500);
        Assert.False(waiting.IsCompleted);
        Broker.Restart();
        await waiting.WaitAsync(Eventually.Patience);
        await sink.ProduceAsync(SegmentBatches.Numbered(100, 50, 1000), default);

        IReadOnlyList<ReceivedMessage> received = await TestMember.ReadToEndAsync(Broker.Brokers, topic);
        Assert.Equal(150, received.Count);
        Assert.Equal(150, received.Select(m => m.Text).Distinct().Count());
    }
}

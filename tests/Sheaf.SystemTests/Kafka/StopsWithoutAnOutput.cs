using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>SIGTERM while the output is away: the stop ends by its deadline, every span is accounted for, and it is no success.</summary>
public sealed class StopsWithoutAnOutput(OwnBroker own) : KafkaTest(own.Broker), IClassFixture<OwnBroker>
{
    private const int Count = 30;

    /// <summary>Makes a batch wait in the client, so that a worker is certainly in the middle of producing when the output goes.</summary>
    private static readonly string[] s_slowOutput = ["--kafka-config", "linger.ms=25000", "--backpressure-seconds", "1", "--shutdown-timeout", "10"];

    public enum Away
    {
        Killed,
        StandingStill,
        TopicDeleted,
    }

    [HaltingBrokerTheory]
    [InlineData(Away.Killed)]
    [InlineData(Away.StandingStill)]
    [InlineData(Away.TopicDeleted)]
    public async Task The_stop_ends_in_time_and_the_ledger_adds_up(Away away)
    {
        if (Broker.Kind == KafkaBrokerKind.Mock && away != Away.Killed) return; // it neither stands still nor deletes
        // One outage is enough for both.
        await using KafkaRun inRedis = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        await using KafkaRun inMemory = await KafkaRun.CreateAsync(Broker, partitions: 2);
        SheafProcess[] instances = await Task.WhenAll(FillAsync(inRedis), FillAsync(inMemory));
        int brokerProcess = Broker.ProcessId;
        switch (away)
        {
            case Away.Killed: Broker.Halt(); break;
            case Away.StandingStill: HostedWorkers.Signal(brokerProcess, HostedWorkers.Stop); break;
            case Away.TopicDeleted:
                Broker.DeleteTopic(inRedis.Output);
                Broker.DeleteTopic(inMemory.Output);
                break;
        }
        Ended[] ended;
        try
        {
            foreach (SheafProcess instance in instances) await instance.SignalAsync(SheafProcess.Terminate);
            ended = await Task.WhenAll(instances.Select(instance => instance.EndAsync()));
        }
        finally
        {
            if (away == Away.Killed) Broker.Restart();
            if (away == Away.StandingStill) HostedWorkers.Signal(brokerProcess, SheafProcess.Continue);
        }
        foreach (Ended one in ended)
        {
            one.AssertEnded(143);
            Assert.Equal("interrupted", one.Summary.GetProperty("outcome").GetString());
            Assert.NotEqual(0, one.Count("received"));
            Assert.Equal(0, one.Count("produced"));
            Assert.Equal(one.Count("received"), one.Count("buffered") + one.Count("handed_over"));
        }
    }

    /// <summary>Until a worker waits for the output.</summary>
    private static async Task<SheafProcess> FillAsync(KafkaRun run)
    {
        SheafProcess instance = run.Start(s_slowOutput);
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Count));
        await run.LetTimePassAsync();
        await KafkaRun.LoggedAsync(instance, EventIds.IntakePausedByBackpressure);
        return instance;
    }
}

using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
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
    [InlineData(Away.Killed, false)]
    [InlineData(Away.Killed, true)]
    [InlineData(Away.StandingStill, false)]
    [InlineData(Away.StandingStill, true)]
    [InlineData(Away.TopicDeleted, false)]
    [InlineData(Away.TopicDeleted, true)]
    public async Task The_stop_ends_in_time_and_the_ledger_adds_up(Away away, bool withRedis)
    {
        if (Broker.Kind == KafkaBrokerKind.Mock && away != Away.Killed) return; // it neither stands still nor deletes
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis);
        SheafProcess instance = run.Start(s_slowOutput);
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Count));
        await run.LetTimePassAsync();
        await instance.WaitForErrorAsync(error => error.Contains(" 2005: ", StringComparison.Ordinal)); // IntakePausedByBackpressure: a worker waits for the output
        int brokerProcess = Broker.ProcessId;
        switch (away)
        {
            case Away.Killed: Broker.Halt(); break;
            case Away.StandingStill: HostedWorkers.Signal(brokerProcess, HostedWorkers.Stop); break;
            case Away.TopicDeleted: Broker.DeleteTopic(run.Output); break;
        }
        Ended ended;
        try
        {
            await instance.SignalAsync(SheafProcess.Terminate);
            ended = await instance.EndAsync();
        }
        finally
        {
            if (away == Away.Killed) Broker.Restart();
            if (away == Away.StandingStill) HostedWorkers.Signal(brokerProcess, SheafProcess.Continue);
        }
        ended.AssertEnded(143);
        Assert.Equal("interrupted", ended.Summary.GetProperty("outcome").GetString());
        Assert.NotEqual(0, ended.Count("received"));
        Assert.Equal(0, ended.Count("produced"));
        Assert.Equal(ended.Count("received"), ended.Count("buffered") + ended.Count("handed_over"));
    }
}

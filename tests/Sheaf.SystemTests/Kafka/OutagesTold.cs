using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>What an instance says while Kafka keeps it waiting: the cause, once when it begins and once when it is over.</summary>
public sealed class OutagesTold(KafkaBroker broker) : KafkaTest(broker)
{
    [BrokerClusterFact]
    public async Task Too_few_in_sync_replicas_at_the_output_are_told_as_the_cause()
    {
        const int Brokers = 3;
        using KafkaBroker cluster = KafkaBroker.StartCluster(Brokers);
        await using KafkaRun run = KafkaRun.CreateWithOutput(cluster, ("min.insync.replicas", "3"));
        SheafProcess instance = run.Start("--shutdown-timeout", "2");
        await KafkaRun.AssignedAsync(instance);
        cluster.Halt(Brokers);
        await run.ProduceAsync(KafkaRun.Traces(0, 10));
        await run.LetTimePassAsync();
        await instance.WaitForErrorAsync(error => error.Split('\n').Any(
            line => line.Contains($" {EventIds.KafkaAway}: ", StringComparison.Ordinal) && line.Contains("min.insync.replicas is 3", StringComparison.Ordinal)));
    }

    [RealBrokerFact("it deals out partitions in any way")]
    public async Task Members_of_a_group_that_share_no_assignor_end_the_run()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        using var other = new TestMember(Broker.Brokers, run.Input, run.Group, ("partition.assignment.strategy", "cooperative-sticky"));
        await Eventually.TrueAsync(() => other.Partitions.Count == 1, "its partition", () => other.Step());
        SheafProcess instance = run.Start("--kafka-config", "partition.assignment.strategy=range");
        Task<Ended> ending = instance.EndAsync();
        await Eventually.TrueAsync(() => ending.IsCompleted, "the end", () => other.Step(20));
        (await ending).AssertEnded(1);
        Assert.Contains("partition.assignment.strategy", (await ending).Error, StringComparison.Ordinal);
    }
}

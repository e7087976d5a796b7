using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>What an instance says while Kafka keeps it waiting: the cause, once when it begins and once when it is over.</summary>
public sealed class OutagesTold(KafkaBroker broker) : KafkaTest(broker)
{
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

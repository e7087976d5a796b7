using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>A cluster of three brokers, started at the first use.</summary>
public sealed class ThreeBrokers : IDisposable
{
    public const int Count = 3;

    private readonly Lazy<KafkaBroker> _cluster = new(() => KafkaBroker.StartCluster(Count));

    public KafkaBroker Cluster => _cluster.Value;

    /// <summary>Starts a broker again, and waits until all of them can have a copy.</summary>
    public Task RestartAsync(int broker)
    {
        Cluster.Restart(broker);
        return Eventually.TrueAsync(() => Record.Exception(() => Cluster.CreateTopic(1, copies: Count)) is null, "the broker in its cluster");
    }

    public void Dispose()
    {
        if (_cluster.IsValueCreated) Cluster.Dispose();
    }
}

/// <summary>A cluster of which one broker is away.</summary>
public sealed class SeveralBrokers(ThreeBrokers brokers) : IClassFixture<ThreeBrokers>
{
    private const int Brokers = ThreeBrokers.Count;

    [BrokerClusterFact]
    public async Task A_partition_whose_broker_is_away_stops_no_other_partitions_clock()
    {
        const int Controller = 1;
        KafkaBroker cluster = brokers.Cluster;
        await using KafkaRun run = KafkaRun.OnSingleCopies(cluster, partitions: Brokers);
        SheafProcess instance = run.Start("--root-timeout", "2s", "--timeout", "3s", "--clock-slack", "0");
        await KafkaRun.AssignedAsync(instance, Brokers);
        await run.ProduceToPartitionsAsync(QuietPartitions.OneTraceEach(Brokers), partition: i => i);
        await run.ReadAsync(Brokers);

        int away = cluster.LeaderOf(run.Input, 0) == Controller ? 1 : 0;
        int leader = cluster.LeaderOf(run.Input, away);
        Assert.NotEqual(Controller, leader); // each broker leads one partition
        cluster.Halt(leader);
        int[] others = [.. Enumerable.Range(0, Brokers).Where(p => p != away)];
        await run.ProduceToPartitionsAsync(QuietPartitions.OneTraceEach(others.Length, first: Brokers), partition: i => others[i]);
        await run.ReadAsync(Brokers + others.Length);

        await brokers.RestartAsync(leader);
        await run.ProduceToPartitionsAsync(QuietPartitions.OneTraceEach(1, first: 2 * Brokers), partition: _ => away);
        await run.ReadAsync(Brokers + others.Length + 1); // how soon it can leave its group behind an outage is another matter
        KafkaRun.AssertRight(await run.VerifyAsync());
    }

    [BrokerClusterFact]
    public async Task Too_few_in_sync_replicas_at_the_output_are_told_as_the_cause()
    {
        KafkaBroker cluster = brokers.Cluster;
        await using KafkaRun run = KafkaRun.CreateWithOutput(cluster, ("min.insync.replicas", $"{Brokers}"));
        SheafProcess instance = run.Start("--shutdown-timeout", "2");
        await KafkaRun.AssignedAsync(instance);
        cluster.Halt(Brokers);
        await run.ProduceAsync(KafkaRun.Traces(0, 10));
        await run.LetTimePassAsync();
        await instance.WaitForErrorAsync(error => error.Split('\n').Any(
            line => line.Contains($" {EventIds.KafkaAway}: ", StringComparison.Ordinal) && line.Contains("min.insync.replicas is 3", StringComparison.Ordinal)));
        await brokers.RestartAsync(Brokers);
    }
}

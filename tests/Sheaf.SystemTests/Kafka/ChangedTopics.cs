using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>A topic that gains partitions, and one that was deleted and made anew: nothing of it is passed over silently.</summary>
public sealed class ChangedTopics(KafkaBroker broker) : KafkaTest(broker)
{
    private const int Traces = 40, SpansOfATrace = 5;
    private static readonly string[] s_atTheEnd = ["--auto-offset-reset", "latest"];

    [RealBrokerFact("partitions cannot be added to it")]
    public async Task A_partition_that_the_topic_gains_is_read_from_its_beginning_where_new_groups_begin_at_the_end()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 1);
        await run.ProduceBadAsync("before the group began");
        SheafProcess first = run.Start(s_atTheEnd);
        await KafkaRun.AssignedAsync(first);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        Assert.Equal(0, (await KafkaRun.StopAsync(first)).Count("dead_letters"));

        Broker.AddPartitions(run.Input, 3);
        await run.ProduceAnewAsync(KafkaRun.Traces(Traces, Traces), second: 1); // before anybody has the new partitions
        SheafProcess second = run.Start(s_atTheEnd);
        await KafkaRun.AssignedAsync(second, 3);
        await run.LetTimePassAnewAsync();
        await run.ReadAsync(2 * SpansOfATrace * Traces);
        Ended ended = await KafkaRun.StopAsync(second);
        Assert.Equal(2, ended.Error.Split($" {EventIds.PartitionIsNew}: ").Length - 1);
        KafkaRun.AssertRight(await run.VerifyAsync());

        // And not once more.
        SheafProcess third = run.Start(s_atTheEnd);
        await KafkaRun.AssignedAsync(third, 3);
        Assert.DoesNotContain($" {EventIds.PartitionIsNew}: ", (await KafkaRun.StopAsync(third)).Error, StringComparison.Ordinal);
    }

    [RealBrokerFact("it forgets the offsets of groups")]
    public async Task An_offset_of_another_topic_with_the_same_name_is_not_gone_on_from()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await run.LetTimePassAsync();
        // As an instance leaves it that went on committing while the topic was deleted and made anew.
        var address = new KafkaAddress(Broker.Brokers, [run.Input], run.Group, []);
        using (KafkaConsumer group = KafkaConsumer.Read(new KafkaConsumerOptions { Address = address }, []))
        {
            await Eventually.TrueAsync(
                () => group.Commit([new PartitionOffset(0, 100, "topic=AAAAAAAAAAAAAAAAAAAAAA partitions=1")]).IsNone, "a commit");
        }
        SheafProcess instance = run.Start(s_atTheEnd);
        await run.ReadAsync(SpansOfATrace * Traces);
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Single(Lines(ended, EventIds.TopicMadeAnew));
        KafkaRun.AssertRight(await run.VerifyAsync());

        SheafProcess again = run.Start(s_atTheEnd);
        await KafkaRun.AssignedAsync(again);
        Assert.Empty(Lines(await KafkaRun.StopAsync(again), EventIds.TopicMadeAnew));
    }

    [RealBrokerFact("topics cannot be deleted there")]
    public async Task What_redis_holds_of_a_topic_that_was_made_anew_is_let_out_by_a_drain_and_the_new_topic_is_read_whole()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, withRedis: true);
        SheafProcess first = run.Start();
        await KafkaRun.AssignedAsync(first);
        string[] old = KafkaRun.Traces(0, Traces);
        await run.ProduceAsync(old);
        await KafkaRun.StopAsync(await ReadAllAsync(first, run, old.Length));

        Broker.DeleteTopic(run.Input);
        await Eventually.TrueAsync(() => TryCreate(run.Input), "the topic, made anew");
        await run.ProduceAnewAsync(KafkaRun.Traces(Traces, 2 * Traces));
        Ended refused = await run.Start().EndAsync();
        refused.AssertEnded(1);
        Assert.Contains("--drain", refused.Error, StringComparison.Ordinal);

        Ended drained = await run.Start("--drain").EndAsync();
        drained.AssertEnded(0);
        SheafProcess second = run.Start(s_atTheEnd);
        await KafkaRun.AssignedAsync(second);
        await run.LetTimePassAnewAsync();
        await run.ReadAsync(3 * SpansOfATrace * Traces);
        await KafkaRun.StopAsync(second);
        KafkaRun.AssertRight(await run.VerifyAsync());
    }

    /// <summary>Waits until the group has committed behind so many messages.</summary>
    private static async Task<SheafProcess> ReadAllAsync(SheafProcess instance, KafkaRun run, int messages)
    {
        var address = new KafkaAddress(run.Brokers, [run.Input], run.Group, []);
        using KafkaConsumer group = KafkaConsumer.Read(new KafkaConsumerOptions { Address = address }, []);
        PartitionOffset[] committed = [new(0, 0)];
        await Eventually.TrueAsync(() => group.Committed(committed, TimeSpan.FromSeconds(5)).IsNone && committed[0].Offset == messages, "a commit of everything");
        return instance;
    }

    private bool TryCreate(string topic) => Record.Exception(() => Broker.CreateTopic(topic, 1, -1)) is null; // the old one may still be there

    private static IEnumerable<string> Lines(Ended ended, int eventId) => ended.Error.Split('\n').Where(line => line.Contains($" {eventId}: ", StringComparison.Ordinal));
}

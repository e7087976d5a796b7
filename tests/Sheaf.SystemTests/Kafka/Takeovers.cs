using Sheaf.Dev;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Instances that come, go and are killed: the others take over what they had.</summary>
public sealed class Takeovers(KafkaBroker broker) : KafkaTest(broker)
{
    [RealBrokerTheory("it refuses commits while a group rebalances, and knows no cooperative rebalance")]
    [InlineData(true, "cooperative-sticky")]
    [InlineData(false, "cooperative-sticky")]
    public async Task Instances_come_and_go_under_load_and_together_they_give_every_segment(bool withRedis, string strategy)
    {
        const int Traces = 300;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 4, withRedis);
        string[] words = ["--kafka-config", $"partition.assignment.strategy={strategy}"];
        SheafProcess first = run.Start(words);
        await KafkaRun.AssignedAsync(first, 4);
        await HalfAndHalfAsync(run, 0);
        SheafProcess second = run.Start(words);
        await KafkaRun.AssignedAsync(second, 2);
        await HalfAndHalfAsync(run, 1);
        SheafProcess third = run.Start(words);
        await KafkaRun.AssignedAsync(third);
        await HalfAndHalfAsync(run, 2);
        Ended ended = await KafkaRun.StopAsync(second);
        await HalfAndHalfAsync(run, 3);
        await run.LetTimePassAsync();
        await run.ReadAsync(4 * 5 * Traces);
        await KafkaRun.StopAsync(first);
        await KafkaRun.StopAsync(third);

        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal(0, verified.Repeats); // a handover repeats nothing
        Assert.True(ended.Count("handed_over") > 0, ended.Error);

        // Half of the traces are complete only with the next half: they wait while partitions move.
        async Task HalfAndHalfAsync(KafkaRun run, int turn)
        {
            string[] all = KafkaRun.Traces(turn * Traces, Traces);
            await run.ProduceAsync(all[..(all.Length / 2)], second: turn);
            await run.ProduceAsync(all[(all.Length / 2)..], second: turn);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_killed_instance_loses_nothing_and_its_repeats_say_what_they_repeat(bool withRedis)
    {
        const int Traces = 400;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis);
        string[] words = ["--max-poll-interval-ms", "6000"]; // and the session is no longer
        SheafProcess first = run.Start(words);
        await KafkaRun.AssignedAsync(first, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await run.LetTimePassAsync();
        await run.ReadAsync(Traces);
        await first.SignalAsync(HostedWorkers.Kill);
        SheafProcess second = run.Start(words);
        await run.ReadAsync(5 * Traces);
        await KafkaRun.AssignedAsync(second, 2);
        await KafkaRun.StopAsync(second);
        KafkaRun.AssertRight(await run.VerifyAsync());
    }
}

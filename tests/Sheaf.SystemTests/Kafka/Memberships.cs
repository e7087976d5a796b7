using Sheaf.Dev;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Instances of one group over one Redis that come, go, sleep and begin anew: together they account for every span.</summary>
public sealed class Memberships(KafkaBroker broker) : KafkaTest(broker)
{
    /// <summary>What the input has besides its spans: they move the clocks.</summary>
    private const int ClockSpans = 64;

    private static readonly string[] s_shortSession = ["--max-poll-interval-ms", "6000"]; // and the session is no longer

    [RealBrokerFact("it refuses commits while a group rebalances, and forgets static members")]
    public async Task Two_four_and_one_instances_under_load_add_up_over_all_of_them()
    {
        const int Turns = 30, TracesOfATurn = 20;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 4, withRedis: true);
        SheafProcess[] instances = [run.Start(), run.Start()];
        foreach (SheafProcess instance in instances) await KafkaRun.AssignedAsync(instance);
        Task load = LoadAsync();
        instances = [.. instances, run.Start(), run.Start()];
        foreach (SheafProcess instance in instances[2..]) await KafkaRun.AssignedAsync(instance);
        List<Ended> ended = [.. await Task.WhenAll(instances[1..].Select(KafkaRun.StopAsync))];
        await load;
        await run.LetTimePassAsync();
        await run.ReadAsync(Turns * TracesOfATurn * 5);
        ended.Add(await KafkaRun.StopAsync(instances[0]));

        RunVerifier verified = await run.VerifyAsync();
        AssertRight(verified);
        Assert.Equal(0, verified.Repeats);
        long Sum(string key) => ended.Sum(e => e.Count(key));
        Assert.Equal((Turns * TracesOfATurn * 5) + ClockSpans, Sum("received")); // each message was read by one of them
        Assert.Equal(Turns * TracesOfATurn * 5, Sum("produced"));
        Assert.Equal(Sum("carried_over") + ClockSpans, Sum("handed_over")); // what one let go another one has found, but for what waits in Redis now
        Assert.Equal((0, 0, 0), (Sum("dead_letters"), Sum("lost"), Sum("dropped")));

        // Half of the traces are complete only with the next half: they wait while partitions move.
        async Task LoadAsync()
        {
            for (int turn = 0; turn < Turns; turn++)
            {
                string[] all = KafkaRun.Traces(turn * TracesOfATurn, TracesOfATurn);
                await run.ProduceAsync(all[..(all.Length / 2)], second: turn / 10.0);
                await Task.Delay(100);
                await run.ProduceAsync(all[(all.Length / 2)..], second: turn / 10.0);
            }
        }
    }

    [RealBrokerFact("it refuses commits while a group rebalances, and forgets static members")]
    public async Task A_static_member_that_restarts_within_its_session_keeps_its_partitions_and_the_others_hear_nothing_of_it()
    {
        const int Traces = 50;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        SheafProcess first = run.Start("--group-instance-id", "first");
        await KafkaRun.AssignedAsync(first, 2);
        SheafProcess second = run.Start("--group-instance-id", "second");
        await KafkaRun.AssignedAsync(second, 1);
        await KafkaRun.AssignedAsync(first, 3); // one of the two, again
        string before = second.Error;
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await KafkaRun.StopAsync(first);
        SheafProcess again = run.Start("--group-instance-id", "first");
        await KafkaRun.AssignedAsync(again, 1);
        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), second: 1);
        await run.LetTimePassAsync();
        await run.ReadAsync(2 * 5 * Traces);
        Assert.Equal(before.Split("Partition ").Length, second.Error.Split("Partition ").Length); // neither got nor gave one
        await KafkaRun.StopAsync(again);
        await KafkaRun.StopAsync(second);
        RunVerifier verified = await run.VerifyAsync();
        AssertRight(verified);
        Assert.Equal(0, verified.Repeats);
    }

    [RealBrokerFact("it refuses commits while a group rebalances, and forgets static members")]
    public async Task An_instance_that_sleeps_past_its_session_notices_and_only_whole_segments_come_again()
    {
        const int Traces = 200;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        SheafProcess first = run.Start(s_shortSession);
        await KafkaRun.AssignedAsync(first, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await first.SignalAsync(HostedWorkers.Stop);
        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), second: 1); // some of it waits in the sleeper's own queues
        SheafProcess second = run.Start(s_shortSession);
        await KafkaRun.AssignedAsync(second, 2);
        await run.ProduceAsync(KafkaRun.Traces(2 * Traces, Traces), second: 300);
        await run.ReadAsync(2 * 5 * Traces);
        await first.SignalAsync(SheafProcess.Continue);
        await first.WaitForErrorAsync(error => error.Contains($" {EventIds.PartitionLost}: ", StringComparison.Ordinal));
        await run.ProduceAsync(KafkaRun.Traces(3 * Traces, Traces), second: 600);
        await run.LetTimePassAsync();
        await run.ReadAsync(4 * 5 * Traces);
        Ended[] ended = [await KafkaRun.StopAsync(first), await KafkaRun.StopAsync(second)];
        AssertRight(await run.VerifyAsync());
        Assert.Equal((4 * 5 * Traces) + ClockSpans, ended.Sum(e => e.Count("received"))); // nothing was stored by both
    }

    [RealBrokerFact(KeepsLeavers)]
    public async Task A_redis_that_lost_its_memory_while_nobody_ran_is_noticed_and_one_that_did_not_is_not()
    {
        const string Noticed = "Redis knows nothing of it";
        const int Traces = 20;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, withRedis: true);
        SheafProcess first = run.Start();
        await KafkaRun.AssignedAsync(first);
        await KafkaRun.StopAsync(first); // nothing was read yet
        SheafProcess second = run.Start();
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        await run.LetTimePassAsync();
        await run.ReadAsync(5 * Traces);
        Assert.DoesNotContain(Noticed, (await KafkaRun.StopAsync(second)).Error, StringComparison.Ordinal);

        await run.Redis!.RestartAsync(keepData: false);
        SheafProcess third = run.Start();
        await third.WaitForErrorAsync(error => error.Contains(Noticed, StringComparison.Ordinal));
        await KafkaRun.AssignedAsync(third);
        await KafkaRun.StopAsync(third);
        SheafProcess fourth = run.Start();
        await KafkaRun.AssignedAsync(fourth);
        Assert.DoesNotContain(Noticed, (await KafkaRun.StopAsync(fourth)).Error, StringComparison.Ordinal); // it is told once
    }

    [RealBrokerFact("partitions cannot be added to it")]
    public async Task A_topic_that_gains_partitions_ends_the_run_which_begins_again_and_loses_nothing()
    {
        const int Traces = 50;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        string[] words = ["--kafka-config", "topic.metadata.refresh.interval.ms=500"];
        SheafProcess instance = run.Start(words);
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces));
        Broker.AddPartitions(run.Input, 3);
        Ended ended = await instance.EndAsync();
        ended.AssertEnded(1);
        Assert.Contains("the topic has gained partitions: partition 2 was assigned, and there were 2", ended.Error, StringComparison.Ordinal);
        SheafProcess again = run.Start(words);
        await KafkaRun.AssignedAsync(again, 3);
        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), second: 1);
        await run.LetTimePassAsync();
        await run.ReadAsync(2 * 5 * Traces);
        await KafkaRun.StopAsync(again);
        AssertRight(await run.VerifyAsync());
    }

    private static void AssertRight(RunVerifier verified) => Assert.True(verified.Problems.Count == 0, string.Join("\n", verified.Problems.First));
}

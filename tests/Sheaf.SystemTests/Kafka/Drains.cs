using Sheaf.Dev;
using Sheaf.SystemTests.Processes;
using Sheaf.SystemTests.Redis.Runs;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary><c>--drain</c> on topics: what is left leaves, and the group goes on behind it.</summary>
public sealed class Drains(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task A_drain_lets_out_what_waits_in_Redis_and_leaves_nothing_there_and_the_group_goes_on_behind_it()
    {
        const int Traces = 20, Now = 3600;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        SheafProcess instance = run.Start("--root-timeout", "30s"); // it is stopped before
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces), Now);
        await Eventually.TrueAsync(() => RedisRunTest.WaitingSpansAsync(run.Redis!), waiting => waiting == 5 * Traces, "all spans in Redis");
        Assert.Equal(5 * Traces, (await KafkaRun.StopAsync(instance)).Count("handed_over"));

        // Under another name it would be somebody else's.
        Ended foreign = await run.StartFrom($"kafka://{Broker.Brokers}/{run.Input}?group=another", "--drain").EndAsync();
        Assert.Equal(2, foreign.ExitCode);
        Assert.Contains($"buffer: {run.Redis!.Uri} holds what a run over topic {run.Input}, group {run.Group} has left", foreign.Error, StringComparison.Ordinal);

        Ended drained = await run.Start("--drain").EndAsync();
        drained.AssertEnded(0);
        Assert.Equal((5 * Traces, 5 * Traces, 0), (drained.Count("carried_over"), drained.Count("produced"), drained.Count("received")));
        Assert.Empty(await KeysAsync());

        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), Now);
        await run.LetTimePassAsync();
        SheafProcess next = run.Start("--root-timeout", "1s");
        await run.ReadAsync(2 * 5 * Traces);
        await KafkaRun.StopAsync(next);
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal((2 * Traces, 0), (verified.Messages, verified.Repeats));

        Task<string[]> KeysAsync() => RedisRunTest.KeysAsync(run.Redis!);
    }

    [RealBrokerFact("it takes offsets from anybody")]
    public async Task A_drain_waits_for_the_last_member_and_moves_the_groups_offsets_behind_what_a_killed_one_has_stored()
    {
        const int Traces = 20, Now = 3600;
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 2, withRedis: true);
        string[] words = ["--root-timeout", "30s", "--kafka-config", "session.timeout.ms=6000"];
        run.Variables["SHEAF_KAFKA_CONFIG"] = "fetch.wait.max.ms=50";
        SheafProcess instance = run.Start(words);
        await KafkaRun.AssignedAsync(instance, 2);
        await run.ProduceAsync(KafkaRun.Traces(0, Traces), Now);
        await Eventually.TrueAsync(() => RedisRunTest.WaitingSpansAsync(run.Redis!), waiting => waiting == 5 * Traces, "all spans in Redis");
        SheafProcess drain = run.Start("--drain");
        await drain.WaitForErrorAsync(error => error.Contains("still has members: waiting", StringComparison.Ordinal));
        await instance.SignalAsync(HostedWorkers.Kill);
        Ended drained = await drain.EndAsync();
        drained.AssertEnded(0);
        Assert.Equal(5 * Traces, drained.Count("produced"));

        run.Variables.Clear();
        await run.ProduceAsync(KafkaRun.Traces(Traces, Traces), Now);
        await run.LetTimePassAsync();
        SheafProcess next = run.Start("--root-timeout", "1s");
        await run.ReadAsync(2 * 5 * Traces);
        Assert.Equal((5 * Traces) + 64, (await KafkaRun.StopAsync(next)).Count("received"));
        RunVerifier verified = await run.VerifyAsync();
        KafkaRun.AssertRight(verified);
        Assert.Equal(0, verified.Repeats);
    }
}

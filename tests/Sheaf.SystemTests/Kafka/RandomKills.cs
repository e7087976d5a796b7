using System.Globalization;
using Sheaf.Dev;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;
using Xunit.Abstractions;

namespace Sheaf.SystemTests.Kafka;

/// <summary>
/// Two instances with a memory buffer are killed at random under load, and started again, until all is through. <c>SHEAF_KILLS</c> says how many kills there are (<c>./test kills</c>: 200);
/// <c>SHEAF_SEED</c> repeats a run as far as chance is the test's and not the system's.
/// </summary>
public sealed class RandomKills(KafkaBroker broker, ITestOutputHelper said) : KafkaTest(broker)
{
    private const int KillsByDefault = 8;

    [Theory]
    [RealBrokerData(ShowsAborted, "exactly-once")]
    [InlineData("at-least-once")]
    public async Task Whoever_is_killed_and_how_often_no_span_is_lost_and_exactly_once_repeats_none(string delivery)
    {
        int seed = Number("SHEAF_SEED") ?? Environment.TickCount;
        int wanted = Number("SHEAF_KILLS") ?? KillsByDefault;
        var chance = new Random(seed);
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 4);
        SheafProcess[] instances = [StartOne(0), StartOne(1)];
        await KafkaRun.AssignedAsync(instances[0]);
        int steps = 0;
        for (int kills = 0; kills < wanted; kills++)
        {
            for (int i = chance.Next(2, 6); i > 0; i--)
            {
                await run.ProduceOverTimeAsync(steps++, 1);
                await Task.Delay(chance.Next(200));
                run.Look();
            }
            int victim = chance.Next(2);
            await instances[victim].SignalAsync(HostedWorkers.Kill);
            instances[victim] = StartOne(victim);
        }
        await run.LetTimePassAsync();
        await run.ReadAsync((long)steps * KafkaRun.SpansPerStep);
        foreach (SheafProcess instance in instances) await KafkaRun.AssignedAsync(instance); // whoever is about to join cannot leave in good order
        foreach (SheafProcess instance in instances) await KafkaRun.StopAsync(instance);
        RunVerifier verified = await run.VerifyAsync();
        string about = $"seed {seed}, {wanted} kills, {verified.Messages} messages, {verified.Repeats} repeats";
        said.WriteLine(about);
        Assert.True(verified.Problems.Count == 0, $"{about}\n{string.Join("\n", verified.Problems.First)}");
        if (delivery == "exactly-once") Assert.True(verified.Repeats == 0, about);

        SheafProcess StartOne(int number) => run.Start("--group-instance-id", $"member-{number}", "--delivery", delivery, "--max-poll-interval-ms", "6000");
    }

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}

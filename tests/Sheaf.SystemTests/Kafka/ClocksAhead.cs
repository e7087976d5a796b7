using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>Producers whose clock is far ahead, and input that really goes on later.</summary>
public sealed class ClocksAhead(KafkaBroker broker) : KafkaTest(broker)
{
    private const int SpansPerTrace = 5;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_trace_stamped_far_ahead_keeps_no_other_trace_from_closing_also_after_a_restart(bool withRedis)
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 1, withRedis);
        string[] options = ["--root-timeout", "3s", "--timeout", "5s"];
        SheafProcess instance = run.Start(options);
        await KafkaRun.AssignedAsync(instance);
        int step = 0;
        while (step < 40) await ProduceStepAsync();
        await run.ProduceAsync(KafkaRun.Traces(90_000, 1), KafkaRun.FiftyMinutesAhead);
        await GoOnUntilAsync(60 * SpansPerTrace);

        await KafkaRun.StopAsync(instance);
        instance = run.Start(options);
        await GoOnUntilAsync((step + 10) * SpansPerTrace);
        await run.ReadAsync((step + 1) * SpansPerTrace); // when the others pause: all of them, and the one far ahead
        await KafkaRun.StopAsync(instance);
        KafkaRun.AssertRight(await run.VerifyAsync());

        // A producer that never pauses: the partition is never read to its end for longer than the clock-slack.
        Task GoOnUntilAsync(int spans) => Eventually.TrueAsync(
            async () =>
            {
                await ProduceStepAsync();
                run.Look();
                return run.SpansOut;
            },
            spansOut => spansOut >= spans, $"{spans} spans out while the input goes on");

        async Task ProduceStepAsync()
        {
            await run.ProduceAsync(KafkaRun.Traces(step, 1), second: step);
            step++;
        }
    }

    [Fact]
    public async Task Input_that_really_goes_on_hours_later_is_followed_and_none_of_its_traces_is_cut()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker, partitions: 1);
        SheafProcess instance = run.Start("--root-timeout", "20s", "--timeout", "30s");
        await KafkaRun.AssignedAsync(instance);
        for (int step = 0; step < 5; step++) await run.ProduceAsync(KafkaRun.Traces(step, 1), second: step);
        string[] afterwards = KafkaRun.Traces(100, 3);
        await run.ProduceAsync(afterwards[..8], second: 3000);
        await run.ReadAsync(5 * SpansPerTrace); // the few messages behind the gap let time pass, as the partition is read to its end
        await run.ProduceAsync(afterwards[8..], second: 3001);
        await run.ReadAsync((5 + 3) * SpansPerTrace);
        await KafkaRun.StopAsync(instance);
        KafkaRun.AssertRight(await run.VerifyAsync());
    }
}

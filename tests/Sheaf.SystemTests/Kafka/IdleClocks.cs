using Sheaf.Dev;
using Sheaf.Kafka;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>The clock of a partition in which nothing comes, and timestamps that jump.</summary>
public sealed class IdleClocks(KafkaBroker broker) : KafkaTest(broker)
{
    [Fact]
    public async Task An_instance_that_has_slept_reads_what_came_meanwhile_before_its_clock_goes_on()
    {
        await using KafkaRun run = await KafkaRun.CreateAsync(Broker);
        SheafProcess instance = run.Start("--root-timeout", "3s", "--clock-slack", "0");
        await KafkaRun.AssignedAsync(instance);
        string[] trace = [KafkaRun.Span(1, $"{7:x32}", 1), KafkaRun.Span(1, $"{7:x32}", 2, $"{1:x16}")];
        await run.ProduceAsync(trace[..1]);
        await Task.Delay(1000); // it has read the one and its clock goes on
        await instance.SignalAsync(HostedWorkers.Stop);
        await run.ProduceAsync(trace[1..], second: 2);
        await Task.Delay(3500); // longer than the segment would have waited for the other
        await instance.SignalAsync(SheafProcess.Continue);
        await run.ReadAsync(2);
        await KafkaRun.StopAsync(instance);
        RunVerifier verified = await run.VerifyAsync();
        Assert.True(verified.Problems.Count == 0, string.Join("\n", verified.Problems.First));
        Assert.Equal(1, verified.Messages);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Timestamps_that_jump_to_the_future_and_to_the_past_lose_nothing_and_stop_nothing(bool withRedis)
    {
        const int Traces = 20;
        await using KafkaRun run = await KafkaRun.CreateAsync(
            Broker, partitions: 1, withRedis, ("message.timestamp.after.max.ms", $"{long.MaxValue}"), ("message.timestamp.before.max.ms", $"{long.MaxValue}"));
        SheafProcess instance = run.Start("--root-timeout", "1s", "--timeout", "2s", "--clock-slack", "200ms");
        double farBack = -(TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(2)).ToUnixTimeSeconds();
        const double TenYears = 10 * 365 * 86_400.0;
        double[] seconds = [0, TenYears, 1, farBack, TenYears + 5, 2];
        for (int jump = 0; jump < seconds.Length; jump++)
            await run.ProduceAsync(KafkaRun.Traces(jump * Traces, Traces), seconds[jump]);
        await run.ReadAsync(seconds.Length * Traces * 5); // those of the past count as of the latest time, and close by the wall clock
        Ended ended = await KafkaRun.StopAsync(instance);
        Assert.Equal(seconds.Length * Traces * 5, ended.Count("received"));
        RunVerifier verified = await run.VerifyAsync();
        Assert.True(verified.Problems.Count == 0, string.Join("\n", verified.Problems.First));
    }
}

using System.Globalization;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;
using Xunit.Abstractions;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>
/// Workers, the process that reads, and the server are killed at random, by fault points and from outside, and the run is resumed until it is through. <c>SHEAF_KILLS</c> says how many
/// kills there are at least (<c>./test kills</c>: 200), <c>SHEAF_SEED</c> repeats a run as far as chance is the test's and not the system's.
/// </summary>
public sealed class RandomKills(ITestOutputHelper said) : RedisRunTest
{
    private const int KillsByDefault = 12;
    private const int SpansOfALoad = 20_000;

    /// <summary>Rare enough that a life gets somewhere, and below ten for a worker in the mean, since more end the run by design.</summary>
    private const string Faults =
        "AfterClaim=kill~0.01,BeforeProduce=kill~0.01,AfterProduceBeforeRemove=kill~0.02,AfterRemove=kill~0.02,AfterSettle=kill~0.02,"
        + "AfterAppend=kill~0.001,AfterClock=kill~0.001";

    private readonly TempFolder _loads = new();

    [Fact]
    public async Task Whatever_is_killed_and_how_often_no_span_is_lost_and_what_comes_again_comes_as_it_was()
    {
        int seed = Number("SHEAF_SEED") ?? Environment.TickCount;
        int wanted = Number("SHEAF_KILLS") ?? KillsByDefault;
        said.WriteLine($"seed {seed}, {wanted} kills");
        var chance = new Random(seed);
        using TempFolder loads = _loads;
        for (int kills = 0, load = 0; kills < wanted; load++) kills += await RunLoadAsync(chance, seed, load, wanted - kills);
    }

    /// <summary>One load to its end; returns how many kills it took, at most about as many as are wanted.</summary>
    private async Task<int> RunLoadAsync(Random chance, int seed, int number, int wanted)
    {
        SharedLoad load = await SharedLoad.CreateAsync(_loads, unchecked(seed + number) & int.MaxValue, SpansOfALoad);
        byte[] input = await File.ReadAllBytesAsync(load.Input);
        await using RedisServer server = await RedisServer.StartAsync(Durable);
        string output = $"out-{number}.jsonl", dead = $"dead-{number}.jsonl";
        var tally = new Tally();
        for (int life = 1; ; life++)
        {
            bool isDisturbed = tally.All < wanted;
            FaultSeed = chance.Next();
            await using SheafProcess sheaf = StartFed(
                server.Uri, isDisturbed ? Faults : null, [.. life == 1 ? Array.Empty<string>() : [Resume], "--flusher-processes", "3", "--output", output, "--dead-letter", $"file:{dead}"]);
            Task<Ended> running = FeedToEndAsync(sheaf, input, chance.Next(5_000, 60_000));
            if (isDisturbed) await DisturbAsync(sheaf, running, server, chance, output, tally, wanted);
            Ended run = await running;
            tally.Workers += KillsSaid(run.Error);
            if (run.ExitCode == 137)
            {
                tally.Parents++;
                continue;
            }
            if (run.ExitCode == 1 && run.Error.Contains("ended during start-up (exit code 137", StringComparison.Ordinal))
            {
                // Killed while others were still starting: such a run does not begin, by design.
                tally.Workers++;
                continue;
            }
            if (run.ExitCode == 1 && run.Error.Contains("was restarted 10 times", StringComparison.Ordinal))
            {
                Assert.True(run.Summary.GetProperty("adds_up").GetBoolean(), About(run));
                tally.Stops++;
                continue;
            }
            Assert.True(run.ExitCode == 0, About(run));
            Assert.True(run.Summary.GetProperty("adds_up").GetBoolean(), About(run));
            Assert.Equal(0, run.Count("lost"));

            tally.Repeats = load.AssertSame(PathOf(output), About(run));
            Assert.Equal(load.DeadLetterLines, SharedLoad.ToldLines(PathOf(dead)).Distinct().Order());
            Assert.Empty(await KeysAsync(server));
            await VerifyAsync(load.Input, PathOf(output));
            said.WriteLine($"load {number}: {life} lives, {tally}");
            return tally.All;
        }

        string About(Ended run) => $"seed {seed}, load {number}, {tally}\n{run.Error}";
    }

    /// <summary>Kills at random for as long as this life lasts and kills are wanted.</summary>
    private async Task DisturbAsync(SheafProcess sheaf, Task running, RedisServer server, Random chance, string output, Tally tally, int wanted)
    {
        for (int kill = 0; kill < 12 && tally.All + kill < wanted; kill++)
        {
            // So that a kill meets work, and not the start of what was killed before.
            long before = OutputBytes(output);
            long enough = before + chance.Next(200_000);
            await Eventually.TrueAsync(() => running.IsCompleted || OutputBytes(output) > enough, "progress");
            if (running.IsCompleted) return;
            switch (chance.Next(12))
            {
                case 0:
                    tally.Servers++;
                    await server.RestartAsync();
                    break;
                case 1:
                    HostedWorkers.Signal(sheaf.Id, HostedWorkers.Kill);
                    await running;
                    return;
                default:
                    int[] workers = WorkersOf(sheaf);
                    if (workers.Length > 0) TryKill(workers[chance.Next(workers.Length)]);
                    break;
            }
        }
    }

    private static void TryKill(int process)
    {
        try
        {
            HostedWorkers.Signal(process, HostedWorkers.Kill);
        }
        catch (Xunit.Sdk.XunitException)
        {
            // It has just ended by itself.
        }
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.Number, CultureInfo.InvariantCulture, out int number) ? number : null;

    private sealed class Tally
    {
        public int Workers { get; set; }

        public int Parents { get; set; }

        public int Servers { get; set; }

        public int Stops { get; set; }

        public int Repeats { get; set; }

        public int All => Workers + Parents + Servers;

        public override string ToString() => $"{Workers} workers, {Parents} parents and {Servers} servers killed, {Stops} times out of restarts, {Repeats} messages repeated";
    }
}

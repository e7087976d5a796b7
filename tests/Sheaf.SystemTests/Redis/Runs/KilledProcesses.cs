using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Signals from outside, to the processes of a run.</summary>
public sealed class KilledProcesses : RedisRunTest
{
    [Theory]
    [InlineData(HostedWorkers.Kill, 137)]
    [InlineData(SheafProcess.Terminate, 143)]
    public async Task Workers_that_are_ended_are_replaced(int signal, int exitCode)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        int[] workers = WorkersOf(sheaf);
        Assert.Equal(2, workers.Length);
        foreach (int worker in workers) HostedWorkers.Signal(worker, signal);
        await sheaf.WaitForErrorAsync(error => RestartsSaid(error) == 2);
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(0);
        Assert.Contains(Logged.Lines(run.Error, EventIds.WorkerEnded), line => line.Contains($" {exitCode}", StringComparison.Ordinal));
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task A_killed_parent_takes_its_workers_with_it_and_the_run_can_be_resumed()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using (SheafProcess sheaf = StartFed(server.Uri, null))
        {
            await FeedHalfAsync(sheaf, load);
            int[] workers = WorkersOf(sheaf);
            Assert.Equal(2, workers.Length);
            HostedWorkers.Signal(sheaf.Id, HostedWorkers.Kill);
            foreach (int worker in workers) await Eventually.TrueAsync(() => !HostedWorkers.Exists(worker), $"the end of worker process {worker}");
            AssertKilled(await sheaf.EndAsync());
        }

        byte[] input = await File.ReadAllBytesAsync(load.Input);
        await using (SheafProcess refused = StartFed(server.Uri, null, "--overwrite"))
        {
            long produced = OutputBytes();
            Ended told = await FeedToEndAsync(refused, input, 40_000);
            Assert.Equal(2, told.ExitCode);
            Assert.Contains("holds what a run over standard input has left that was cut off", told.Error, StringComparison.Ordinal);
            Assert.Contains("--resume", told.Error, StringComparison.Ordinal);
            Assert.Contains("--discard", told.Error, StringComparison.Ordinal);
            Assert.Equal(produced, OutputBytes());
        }
        await using SheafProcess second = StartFed(server.Uri, null, Resume);
        Ended run = await FeedToEndAsync(second, input, 40_000);
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task A_run_that_has_finished_is_not_resumed_and_its_output_stays_as_it_is()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        (await RunAsync(server.Uri, load, null, Resume)).AssertEnded(0); // an output that is missing is begun
        long produced = OutputBytes();
        Ended second = await RunAsync(server.Uri, load, null, Resume);
        Assert.Equal(2, second.ExitCode);
        Assert.Contains("--resume: the buffer holds nothing to go on with", second.Error, StringComparison.Ordinal);
        Assert.Equal(produced, OutputBytes());
        await using (SheafProcess check = SheafProcess.Start(Folder, new Dictionary<string, string>(), "config", "check", "--input", load.Input, "--output", "out.jsonl", "--buffer", server.Uri, Resume))
        {
            Assert.Equal(2, (await check.EndAsync()).ExitCode);
        }
        (await RunAsync(server.Uri, load, null, "--overwrite")).AssertEnded(0); // nothing of the refused run is in the way
        load.AssertSame(PathOf("out.jsonl"), second.Error);
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task A_run_that_is_told_to_stop_can_be_resumed()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using (SheafProcess sheaf = StartFed(server.Uri, null))
        {
            await FeedHalfAsync(sheaf, load);
            await sheaf.SignalAsync(SheafProcess.Interrupt);
            Ended stopped = await sheaf.EndAsync();
            stopped.AssertEnded(130);
            Assert.NotEqual(0, stopped.Count("buffered"));
        }
        await using SheafProcess second = StartFed(server.Uri, null, Resume);
        Ended run = await FeedToEndAsync(second, await File.ReadAllBytesAsync(load.Input), 33_333);
        run.AssertEnded(0);
        Assert.NotEqual(0, run.Count("carried_over"));
        Assert.Equal(0, load.AssertSame(PathOf("out.jsonl"), run.Error)); // a clean stop repeats nothing
        Assert.Equal(load.DeadLetterLines, SharedLoad.ToldLines(PathOf("dead.jsonl")));
    }

    [Fact]
    public async Task A_worker_that_ends_while_the_run_starts_is_reported_at_once_with_its_shards_and_exit_code()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = Start(server.Uri, load, null, "--flusher-processes", "1", "--log-level", "information");
        int[] workers = [];
        await Eventually.TrueAsync(() => (workers = WorkersOf(sheaf)).Length == 1, "the worker process");
        HostedWorkers.Signal(workers[0], HostedWorkers.Kill);
        Ended run = await sheaf.EndAsync();
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("0,1,2,3,4", run.Error, StringComparison.Ordinal);
        Assert.Contains("137", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, OutputBytes());
    }
}

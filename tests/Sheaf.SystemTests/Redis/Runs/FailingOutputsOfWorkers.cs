using Sheaf.SystemTests.Processes;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Workers that cannot produce.</summary>
public sealed class FailingOutputsOfWorkers : RedisRunTest
{
    [MountFact]
    public async Task A_full_disk_stops_the_run_and_what_waits_in_Redis_leaves_when_there_is_room()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        Directory.CreateDirectory(PathOf("disk"));
        await using SheafProcess sheaf = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string>(), "unshare",
            [
                "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=300k tmpfs disk && { \"$@\"; code=$?; cp disk/out.jsonl out.jsonl; exit $code; }", "sh",
                "dotnet", SheafProcess.Executable, "process-spans", "--summary", "json", "--input", load.Input, "--output", "disk/out.jsonl", "--buffer", server.Uri,
                "--dead-letter", "file:dead.jsonl", "--flusher-processes", "2", "--max-flush-segments", "20", .. SharedLoad.Words,
            ]);
        sheaf.In.Close();
        Ended full = await sheaf.EndAsync();
        full.AssertEnded(1);
        Assert.Contains("No space left on device", full.Error, StringComparison.Ordinal);
        Assert.NotEqual(0, full.Count("buffered"));
        Assert.InRange(OutputBytes(), 1, 300 * 1024);
        AssertWholeMessages();

        Ended run = await RunAsync(server.Uri, load, null, Resume);
        run.AssertEnded(0);
        Assert.Equal(full.Count("buffered"), run.Count("carried_over"));
        Assert.Equal(0, load.AssertSame(PathOf("out.jsonl"), run.Error)); // what failed was cut off again
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task An_output_that_somebody_replaces_stops_the_run_at_once()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        File.WriteAllText(PathOf("out.jsonl"), "");
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(1);
        Assert.Contains("something else has cut or replaced it", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, RestartsSaid(run.Error));
        Assert.NotEqual(0, run.Count("buffered"));
    }

    private void AssertWholeMessages() => Assert.All(SharedLoad.LinesOf(File.ReadAllBytes(PathOf("out.jsonl"))), line => System.Text.Json.JsonDocument.Parse(line).Dispose());
}

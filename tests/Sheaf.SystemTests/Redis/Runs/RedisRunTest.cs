using System.Globalization;
using System.Text;
using Sheaf.Redis;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Runs of the real program over a real server, and ways to disturb them.</summary>
public abstract class RedisRunTest : ProcessTest
{
    private protected const string Resume = "--resume";
    private protected const string Discard = "--discard";

    /// <summary>A server that loses nothing when it is killed: what it has answered is in its file. (Where the machine fails too, it takes <c>appendfsync always</c>.)</summary>
    private protected static string[] Durable { get; } = ["appendonly yes", "appendfsync no"];

    /// <summary>The shared load through a run into <c>out.jsonl</c>; later words win.</summary>
    /// <param name="faults">As <c>SHEAF_FAULT_POINTS</c> has them; null: none.</param>
    private protected SheafProcess Start(string uri, SharedLoad load, string? faults, params string[] words) => StartOn(uri, load.Input, faults, words);

    /// <summary>Of the faults that are left to chance; null: whatever comes.</summary>
    private protected int? FaultSeed { get; set; }

    /// <summary>Whether a run and its workers are a process group of their own.</summary>
    private protected bool IsGroup { get; set; }

    private protected SheafProcess StartOn(string uri, string input, string? faults, params string[] words)
    {
        var variables = new Dictionary<string, string>();
        if (faults is not null) variables["SHEAF_FAULT_POINTS"] = faults;
        if (FaultSeed is { } seed) variables["SHEAF_SEED"] = seed.ToString(CultureInfo.InvariantCulture);
        List<string> all =
        [
            "process-spans", "--summary", "json", "--input", input, "--buffer", uri, "--flusher-processes", "2", "--max-flush-segments", "20", "--dead-letter", "file:dead.jsonl",
            .. SharedLoad.Words,
        ];
        for (int i = 0; i < words.Length; i++)
        {
            // Given twice, an option is refused.
            int before = words[i].StartsWith("--", StringComparison.Ordinal) ? all.IndexOf(words[i]) : -1;
            if (before >= 0) all.RemoveRange(before, 2);
        }
        if (!words.Contains("--output")) all.AddRange(["--output", "out.jsonl"]);
        return IsGroup ? SheafProcess.StartGroup(Folder, variables, [.. all, .. words]) : SheafProcess.Start(Folder, variables, [.. all, .. words]);
    }

    /// <summary>As <see cref="Start"/>, to its end.</summary>
    private protected async Task<Ended> RunAsync(string uri, SharedLoad load, string? faults = null, params string[] words)
    {
        await using SheafProcess sheaf = Start(uri, load, faults, words);
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }

    /// <summary>The shared load by way of standard input, into <c>out.jsonl</c>; what is fed to it is all that it gets.</summary>
    private protected SheafProcess StartFed(string uri, string? faults, params string[] words) => StartOn(uri, "-", faults, words);

    /// <summary>Writes all of it to the standard input in pieces, for as long as somebody reads, and leaves that open.</summary>
    private protected static async Task FeedAsync(SheafProcess run, ReadOnlyMemory<byte> input, int piece)
    {
        try
        {
            for (int at = 0; at < input.Length; at += piece)
            {
                await run.In.WriteAsync(input.Slice(at, Math.Min(piece, input.Length - at)));
                await run.In.FlushAsync();
            }
        }
        catch (IOException)
        {
            // It has ended; how, its exit code tells.
        }
    }

    /// <summary>As <see cref="FeedAsync(SheafProcess, ReadOnlyMemory{byte}, int)"/>, and then its end.</summary>
    private protected static async Task<Ended> FeedToEndAsync(SheafProcess run, ReadOnlyMemory<byte> input, int piece)
    {
        await FeedAsync(run, input, piece);
        try
        {
            run.In.Close();
        }
        catch (IOException)
        {
            // The same.
        }
        return await run.EndAsync();
    }

    /// <summary>The first half of a run, and the rest of its input: a part of what it was fed is produced, a part waits in Redis.</summary>
    private protected async Task<ReadOnlyMemory<byte>> FeedHalfAsync(SheafProcess run, SharedLoad load)
    {
        ReadOnlyMemory<byte> input = await File.ReadAllBytesAsync(load.Input);
        int half = input.Length / 2;
        await FeedAsync(run, input[..half], 40_000);
        await Eventually.TrueAsync(() => OutputBytes() > 0, "the first segments");
        return input[half..];
    }

    /// <summary>It was killed by a signal, by its own hand or another's.</summary>
    private protected static void AssertKilled(Ended run) => Assert.True(run.ExitCode == 137, $"exit code {run.ExitCode}\n{run.Error}");

    /// <summary>The processes that flush for a run.</summary>
    private protected static int[] WorkersOf(SheafProcess run) => [.. HostedWorkers.ChildrenOf(run.Id).Where(IsWorker)];

    /// <summary>Lines that are in the output now, whole or not.</summary>
    private protected long OutputBytes(string name = "out.jsonl") => File.Exists(PathOf(name)) ? new FileInfo(PathOf(name)).Length : 0;

    /// <summary>Times that a run has said that a worker was killed.</summary>
    private protected static int KillsSaid(string error) => Logged.Lines(error, EventIds.WorkerEnded).Count(line => line.Contains(" 137", StringComparison.Ordinal));

    private protected static int RestartsSaid(string error) => Logged.Count(error, EventIds.WorkerRestarted);

    private protected static async Task<TestRedis> ConnectAsync(RedisServer server) => await TestRedis.ConnectAsync(server.Address);

    /// <summary>Every key of the server.</summary>
    internal static async Task<string[]> KeysAsync(RedisServer server)
    {
        await using TestRedis client = await ConnectAsync(server);
        TestReply keys = await client.AskAsync("KEYS", "*");
        var names = new List<string>();
        foreach (TestReply key in keys.Children) names.Add(Encoding.UTF8.GetString(key.Bytes));
        names.Sort(StringComparer.Ordinal);
        return [.. names];
    }

    /// <summary>Spans that wait in the journals of a server.</summary>
    internal static async Task<long> WaitingSpansAsync(RedisServer server)
    {
        await using TestRedis client = await ConnectAsync(server);
        long waiting = 0;
        foreach (string key in (await KeysAsync(server)).Where(key => key.EndsWith(":state", StringComparison.Ordinal)))
        {
            TestReply counts = await client.AskAsync("HMGET", key, "appended_spans", "settled_spans");
            if (!counts.Children[0].IsNull) waiting += counts.Children[0].Number - counts.Children[1].Number;
        }
        return waiting;
    }

    private protected static async Task<long> NumberAsync(RedisServer server, params string[] words)
    {
        await using TestRedis client = await ConnectAsync(server);
        return (await client.AskAsync(words)).Number;
    }

    private protected static async Task<string> TextAsync(RedisServer server, params string[] words)
    {
        await using TestRedis client = await ConnectAsync(server);
        return (await client.AskAsync(words)).Text();
    }

    private static bool IsWorker(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/cmdline").EndsWith("flusher-worker\0", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has just ended
        }
    }
}

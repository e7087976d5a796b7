using System.Globalization;
using System.Text;
using Sheaf.SystemTests.Processes;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>A server that dies, stands still, is full, or has forgotten everything, in the middle of a run.</summary>
public sealed class FailingServers : RedisRunTest
{
    [Fact]
    public async Task Killed_and_started_again_it_costs_neither_a_span_nor_a_restart_of_a_worker()
    {
        await using RedisServer server = await RedisServer.StartAsync(Durable);
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        await server.KillAsync();
        Task<Ended> feeding = FeedToEndAsync(sheaf, rest, 40_000);
        await server.RestartAsync();
        Ended run = await feeding;
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Equal(0, RestartsSaid(run.Error));
        Assert.Equal(0, Logged.Count(run.Error, EventIds.BufferLost));
        Assert.Empty(await KeysAsync(server));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_that_is_away_is_told_and_so_is_its_return(bool isKilled)
    {
        await using RedisServer server = await RedisServer.StartAsync(Durable);
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        if (isKilled) await server.KillAsync();
        else await server.StopSignalAsync();
        await sheaf.WaitForErrorAsync(error => Logged.Count(error, EventIds.BufferUnavailable) > 0);
        if (isKilled) await server.RestartAsync();
        else await server.ContinueAsync();
        await sheaf.WaitForErrorAsync(error => Logged.Count(error, EventIds.BufferAvailable) > 0);
        Ended run = await FeedToEndAsync(sheaf, rest, 40_000);
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        // One pair, or a second one where the machine is so slow that a worker meets the restart much later.
        Assert.InRange(Logged.Count(run.Error, EventIds.BufferUnavailable), 1, 2);
        Assert.Equal(Logged.Count(run.Error, EventIds.BufferUnavailable), Logged.Count(run.Error, EventIds.BufferAvailable));
    }

    [Fact]
    public async Task While_it_stands_still_the_run_waits()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        await server.StopSignalAsync();
        Task<Ended> feeding = FeedToEndAsync(sheaf, rest, 40_000);
        await Eventually.TrueAsync(() => HasUnreadCommands(server), "commands that the server does not read");
        await server.ContinueAsync();
        Ended run = await feeding;
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Equal(0, RestartsSaid(run.Error));
    }

    [Fact]
    public async Task A_run_that_is_told_to_stop_while_it_stands_still_ends()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        ReadOnlyMemory<byte> input = await File.ReadAllBytesAsync(load.Input);
        await using (SheafProcess sheaf = StartFed(server.Uri, null, "--shutdown-timeout", "1"))
        {
            ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
            await server.StopSignalAsync();
            Task feeding = FeedAsync(sheaf, rest, 40_000);
            await Eventually.TrueAsync(() => HasUnreadCommands(server), "commands that the server does not read");
            await sheaf.SignalAsync(SheafProcess.Interrupt);
            Ended stopped = await sheaf.EndAsync(); // within its minute
            stopped.AssertEnded(130);
            await feeding;
        }
        await server.ContinueAsync();
        await using SheafProcess second = StartFed(server.Uri, null, Resume);
        Ended run = await FeedToEndAsync(second, input, 40_000);
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
    }

    [Fact]
    public async Task One_that_is_full_makes_the_input_wait_and_what_waits_longest_leave_early()
    {
        await using RedisServer server = await RedisServer.StartAsync("maxmemory 4mb");
        SharedLoad load = await SharedLoad.GetAsync();
        Ended run = await RunAsync(server.Uri, load, null, "--timeout", "20m", "--root-timeout", "20m", "--compression-level", "-1", "--log-level", "debug");
        run.AssertEnded(0);
        Assert.NotEqual(0, run.Summary.GetProperty("segments_by_reason").GetProperty("buffer_full").GetInt64());
        Assert.NotEmpty(Logged.Lines(run.Error, EventIds.SegmentsCutEarly));
        Assert.Contains("errorstat_OOM", await TextAsync(server, "INFO", "errorstats"), StringComparison.Ordinal);
        Assert.Contains(Logged.Lines(run.Error, EventIds.BufferFailed), line => line.Contains("OOM", StringComparison.Ordinal));
        Assert.Equal(0, RestartsSaid(run.Error));
        SpanIds.AssertAll(load, run.Error, PathOf("out.jsonl"));
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task Max_memory_percentage_pauses_the_input_before_the_server_is_full_and_it_recovers_by_itself()
    {
        await using RedisServer server = await RedisServer.StartAsync("maxmemory 20mb");
        SharedLoad load = await SharedLoad.GetAsync();
        ReadOnlyMemory<byte> input = await File.ReadAllBytesAsync(load.Input);
        await using SheafProcess sheaf = StartFed(
            server.Uri, null, "--timeout", "20m", "--root-timeout", "20m", "--compression-level", "-1", "--max-memory-percentage", "0.15");
        const int Piece = 40_000;
        for (int at = 0; at < input.Length; at += Piece)
        {
            await FeedAsync(sheaf, input.Slice(at, Math.Min(Piece, input.Length - at)), Piece);
            // With a server that answers somebody else in between, the input is slow beside the age of the figures that the run has of it (0.1 s).
            await TextAsync(server, "INFO", "memory");
        }
        Ended run = await FeedToEndAsync(sheaf, default, Piece);
        run.AssertEnded(0);
        Assert.NotEqual(0, run.Summary.GetProperty("segments_by_reason").GetProperty("buffer_full").GetInt64());
        Assert.DoesNotContain("errorstat_OOM", await TextAsync(server, "INFO", "errorstats"), StringComparison.Ordinal);
        SpanIds.AssertAll(load, run.Error, PathOf("out.jsonl"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_that_comes_back_empty_is_filled_again_and_nothing_is_lost(bool isKilled)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        if (isKilled) await server.RestartAsync(keepData: false);
        else await TextAsync(server, "FLUSHALL");
        await AssertNothingIsLostAsync(server, load, await FeedToEndAsync(sheaf, rest, 40_000));
    }

    [Theory]
    [InlineData(":log")]
    [InlineData(":state")]
    public async Task Keys_that_have_vanished_are_written_again_and_nothing_is_lost(string suffix)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        string[] keys = [.. (await KeysAsync(server)).Where(key => key.EndsWith(suffix, StringComparison.Ordinal))];
        Assert.NotEmpty(keys);
        await NumberAsync(server, ["DEL", .. keys]);
        await AssertNothingIsLostAsync(server, load, await FeedToEndAsync(sheaf, rest, 40_000));
    }

    /// <summary>A file that is some seconds old, as after the failure of a machine: what was acknowledged since is not in it.</summary>
    [Fact]
    public async Task One_that_comes_back_with_an_older_file_gets_what_it_lacks_and_nothing_is_lost()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        await using SheafProcess sheaf = StartFed(server.Uri, null);
        ReadOnlyMemory<byte> rest = await FeedHalfAsync(sheaf, load);
        await TextAsync(server, "SAVE");
        ReadOnlyMemory<byte> last = rest[(rest.Length / 2)..];
        long before = OutputBytes();
        await FeedAsync(sheaf, rest[..^last.Length], 40_000);
        await Eventually.TrueAsync(() => OutputBytes() > before, "segments that leave after the save");
        await server.RestartAsync();
        await AssertNothingIsLostAsync(server, load, await FeedToEndAsync(sheaf, last, 40_000));
    }

    private async Task AssertNothingIsLostAsync(RedisServer server, SharedLoad load, Ended run)
    {
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        Assert.Equal(0, run.Count("lost"));
        Assert.NotEqual(0, Logged.Count(run.Error, EventIds.BufferRestored));
        Assert.Equal(0, Logged.Count(run.Error, EventIds.BufferLost));
        Assert.Equal(0, RestartsSaid(run.Error)); // it is no fault of a worker
        Assert.Empty(await KeysAsync(server));
    }

    [Fact]
    public async Task A_span_that_is_larger_than_it_takes_is_a_dead_letter_and_all_others_leave()
    {
        await using RedisServer server = await RedisServer.StartAsync("proto-max-bulk-len 1mb");
        SharedLoad load = await SharedLoad.GetAsync();
        string input = PathOf("large.jsonl");
        string large = "{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"000000000000000000000000000000aa\",\"span_id\":\"00000000000000aa\",\"start_timestamp\":1,"
            + $"\"end_timestamp\":2,\"received\":3,\"retention_days\":90,\"status\":\"ok\",\"filler\":\"{new string('x', 3 << 19)}\"}}\n";
        await File.WriteAllBytesAsync(input, [.. await File.ReadAllBytesAsync(load.Input), .. Encoding.UTF8.GetBytes(large + large)]);
        await using SheafProcess sheaf = StartOn(server.Uri, input, null, "--compression-level", "-1");
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(0);
        SpanIds.AssertAll(load, run.Error, PathOf("out.jsonl"));
        Assert.Equal(2, File.ReadLines(PathOf("dead.jsonl")).Count(letter => letter.Contains("\"too_large_for_buffer\"", StringComparison.Ordinal)));
        Assert.Equal(load.DeadLetterLines.Length + 2, run.Count("dead_letters"));
    }

    [Fact]
    public async Task A_start_waits_for_one_that_is_loading_its_data()
    {
        await using RedisServer server = await RedisServer.StartAsync([.. Durable, "key-load-delay 2000"]);
        SharedLoad load = await SharedLoad.GetAsync();
        await TextAsync(server, "EVAL", "for i = 1, 1000 do redis.call('SET', i, 1) end return 'OK'", "0"); // 2 ms each to load
        Task restart = server.RestartAsync();
        await Eventually.TrueAsync(() => IsLoading(server.Log), "a server that is loading");
        Ended run = await RunAsync(server.Uri, load);
        await restart;
        run.AssertEnded(0);
        load.AssertSame(PathOf("out.jsonl"), run.Error);
    }

    private static bool IsLoading(string log) => log.Contains("Server initialized", StringComparison.Ordinal) && !log.Contains("eady to accept", StringComparison.Ordinal);

    private static bool HasUnreadCommands(RedisServer server)
    {
        string port = ":" + server.Port.ToString("X4", CultureInfo.InvariantCulture);
        return File.ReadLines("/proc/net/tcp").Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(socket => socket[1].EndsWith(port, StringComparison.Ordinal) && socket[3] == "01" && !socket[4].EndsWith(":00000000", StringComparison.Ordinal));
    }
}

using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Processes;

/// <summary>What a process stands on, closed, full, missing or odd: a plain message, or no difference.</summary>
public sealed class OddSurroundings : ProcessTest
{
    [Theory]
    [InlineData("--input - --output out.jsonl <&-", "--input: '-' is standard input, which is closed")]
    [InlineData("--input - --output out.jsonl <&- >&-", "--input: '-' is standard input, which is closed")]
    [InlineData("--input \"$IN\" --output - >&-", "--output: '-' is standard output, which is closed")]
    public async Task A_standard_stream_that_is_needed_and_closed_is_told(string words, string told)
    {
        Ended run = await SheafInShellAsync($"process-spans {words}");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(told, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<&-")]
    [InlineData(">&-")]
    [InlineData("2>&-")]
    [InlineData("<&- >&- 2>&-")]
    [InlineData("2>/dev/full")]
    public async Task A_standard_stream_that_is_not_needed_may_be_closed_or_full(string redirection)
    {
        Ended run = await SheafInShellAsync($"process-spans --input \"$IN\" --output out.jsonl --progress always {redirection}");
        Assert.True(run.ExitCode == 0, $"exit code {run.ExitCode}\n{run.Error}");
        await VerifyAsync(Sample, PathOf("out.jsonl"), "--expect", ExpectedOfSample);
    }

    [Fact]
    public async Task A_command_whose_output_is_full_says_so()
    {
        foreach (string words in (string[])["config show", "--help"])
        {
            Ended run = await SheafInShellAsync($"{words} >/dev/full");
            Assert.Equal(1, run.ExitCode);
            Assert.Contains("No space left on device", run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_limit_on_the_size_of_files_fails_the_run_with_the_reason()
    {
        // Not so small that the runtime itself could not start: it maps its code in a file of its own.
        Ended run = await SheafInShellAsync("process-spans --summary json --input \"$IN\" --output out.jsonl", "export DOTNET_EnableWriteXorExecute=0; ulimit -f 100; ");
        run.AssertEnded(1);
        Assert.Contains("too large for the file system", run.Error, StringComparison.Ordinal);
        AssertWholeLines(PathOf("out.jsonl"));
    }

    [Theory]
    [InlineData("unset HOME; ")]
    [InlineData("export TMPDIR=/no/such/folder; ")]
    [InlineData("export LANG=xx_YY LC_ALL=klingon TZ=Mars/Olympus TERM=; ")]
    [InlineData("export DOTNET_gcServer=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=0 COLUMNS=-7; ")]
    public async Task An_odd_environment_makes_no_difference(string before)
    {
        Ended run = await SheafInShellAsync("process-spans --summary json --input \"$IN\" --output out.jsonl", before);
        run.AssertEnded(0);
        await VerifyAsync(Sample, PathOf("out.jsonl"), "--expect", ExpectedOfSample);
    }

    [Theory]
    [InlineData(new byte[] { (byte)'{', (byte)'"', 0xE9, (byte)'"', (byte)':', (byte)'1', (byte)'}' }, "is not UTF-8 text: byte 3")]
    [InlineData(new byte[] { 0xFF, 0xFE, (byte)'{', 0, (byte)'}', 0 }, "is not UTF-8 text: byte 1")]
    public async Task A_configuration_that_is_not_text_is_told(byte[] content, string told)
    {
        Write("sheaf.json", content);
        foreach (string[] words in (string[][])[["process-spans", "--input", Sample, "--output", "out"], ["config", "check"]])
        {
            Ended run = await SheafAsync([.. words, "--config", "sheaf.json"]);
            Assert.Equal(2, run.ExitCode);
            Assert.Contains(told, run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_configuration_without_an_end_is_told()
    {
        Ended run = await SheafAsync("process-spans", "--input", Sample, "--output", "out", "--config", "/dev/zero");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("which no configuration is", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configuration_from_a_pipe_is_read_once()
    {
        await PipeAsync("config");
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl", "--config", "config");
        await using (var pipe = new FileStream(PathOf("config"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0)) pipe.Write("""{"log-level":"information"}"""u8);
        await sheaf.WaitForErrorAsync(error => error.Contains("2000:", StringComparison.Ordinal));
        await Task.Delay(1500); // the watch looks once a second
        await sheaf.In.WriteAsync(await File.ReadAllBytesAsync(Sample));
        sheaf.In.Close();
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(0);
        Assert.DoesNotContain(" 3001:", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("zstd", new byte[] { 0x28, 0xB5, 0x2F, 0xFD, 4, 0, 0x59, 0, 0, 10, 10 }, 1, "zstd-compressed")]
    [InlineData("array", new byte[] { (byte)'[', (byte)'{', (byte)'}', (byte)']', 10 }, 4, "JSON array")]
    [InlineData("pretty", new byte[] { (byte)'{', 10, (byte)'}', 10 }, 4, "several lines")]
    public async Task An_input_of_another_form_fails_the_run_and_is_named(string name, byte[] content, int exitCode, string told)
    {
        Ended run = await RunAsync("--input", Write(name, content), "--output", "out.jsonl", "--dead-letter-max-ratio", "1");
        run.AssertEnded(exitCode);
        Assert.Contains(told, run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_byte_order_mark_and_blank_lines_cost_no_span()
    {
        byte[] content = [0xEF, 0xBB, 0xBF, .. (await File.ReadAllTextAsync(Sample)).ReplaceLineEndings("\r\n\r\n \t\r\n").Select(c => (byte)c)];
        Ended run = await RunAsync("--input", Write("spans", content), "--output", "out.jsonl", "--dead-letter", "stop");
        run.AssertEnded(0);
        Assert.Equal(219, run.Count("received"));
        await VerifyAsync("spans", "out.jsonl", "--expect", ExpectedOfSample);
    }

    [MountFact]
    public async Task Shared_memory_that_is_full_is_replaced_by_the_temporary_folder_and_told_where_that_is_full_too()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        Directory.CreateDirectory(PathOf("tiny"));
        string words = $"\"$@\" process-spans --summary json --input {Sample} --output out.jsonl --buffer {server.Uri}";
        const string FullMemory = "mount -t tmpfs -o size=4k tmpfs /dev/shm; ";
        Ended replaced = await InOwnMountsAsync(FullMemory + words);
        replaced.AssertEnded(0);
        Ended full = await InOwnMountsAsync(FullMemory + "mount -t tmpfs -o size=4k tmpfs tiny; export TMPDIR=$PWD/tiny; " + words + " --overwrite");
        Assert.Equal(2, full.ExitCode);
        Assert.Contains("has no place: /dev/shm: ", full.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", full.Error, StringComparison.Ordinal);

        Task<Ended> InOwnMountsAsync(string script) => ShellAsync(
            $"exec unshare --map-root-user --mount sh -c '{script}' sh \"$@\"", "dotnet", SheafProcess.Executable);
    }

    [Fact]
    public async Task Worker_processes_leave_nothing_in_the_temporary_folder_when_they_are_killed()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        Directory.CreateDirectory(PathOf("temporary"));
        await using SheafProcess sheaf = SheafProcess.Start(
            Folder, new Dictionary<string, string> { ["TMPDIR"] = PathOf("temporary"), ["DOTNET_EnableDiagnostics"] = "1" },
            "process-spans", "--input", "-", "--output", "out.jsonl", "--buffer", server.Uri, "--flusher-processes", "2", "--log-level", "information");
        await sheaf.WaitForErrorAsync(error => error.Contains(" 2000: ", StringComparison.Ordinal));
        string[] diagnosed = [.. Directory.GetFiles(PathOf("temporary"), "dotnet-diagnostic-*")];
        Assert.Equal(3, diagnosed.Length); // whoever wants them has them
        await sheaf.SignalAsync(HostedWorkers.Kill);
        await sheaf.EndAsync();

        Directory.CreateDirectory(PathOf("other"));
        await using SheafProcess usual = SheafProcess.Start(
            Folder, new Dictionary<string, string> { ["TMPDIR"] = PathOf("other") },
            "process-spans", "--input", "-", "--output", "out.jsonl", "--overwrite", "--discard", "--buffer", server.Uri, "--flusher-processes", "2", "--log-level", "information");
        await usual.WaitForErrorAsync(error => error.Contains(" 2000: ", StringComparison.Ordinal));
        int[] workers = HostedWorkers.ChildrenOf(usual.Id);
        await usual.SignalAsync(HostedWorkers.Kill);
        await usual.EndAsync();
        foreach (int worker in workers) await Eventually.TrueAsync(() => !HostedWorkers.Exists(worker), "the end of a worker");
        Assert.All(Directory.GetFiles(PathOf("other")), file => Assert.Contains($"-{usual.Id}-", file, StringComparison.Ordinal));
    }

    private async Task<Ended> SheafInShellAsync(string words, string before = "")
    {
        await using SheafProcess shell = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string> { ["IN"] = Sample }, "sh", "-c", $"{before}exec \"$@\" {words}", "sh", "dotnet", SheafProcess.Executable);
        shell.In.Close();
        return await shell.EndAsync();
    }
}

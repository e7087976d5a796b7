namespace Sheaf.SystemTests.Processes;

/// <summary>Signals: a clean stop with a summary, at any time.</summary>
public sealed class Interruptions : ProcessTest
{
    [Theory]
    [InlineData(SheafProcess.Interrupt, 130)]
    [InlineData(SheafProcess.Terminate, 143)]
    public async Task A_signal_in_the_middle_of_a_run_leaves_whole_lines_and_a_ledger_that_adds_up(int signal, int exitCode)
    {
        await SheafAsync("dev", "generate", "--spans", "3000", "--stream-rate", "100", "--output", PathOf("in.jsonl"));
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl", "--progress", "always");
        await sheaf.In.WriteAsync(await File.ReadAllBytesAsync(PathOf("in.jsonl")));
        await sheaf.In.FlushAsync();
        await sheaf.WaitForErrorAsync(HasReceived(3000));
        await sheaf.SignalAsync(signal);
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(exitCode);
        Assert.Equal("interrupted", run.Summary.GetProperty("outcome").GetString());
        Assert.Equal(3000, run.Count("received"));
        Assert.NotEqual(0, run.Count("buffered"));
        Assert.NotEqual(0, run.Count("produced"));
        AssertWholeLines(PathOf("out.jsonl"));
    }

    [Fact]
    public async Task A_run_that_waits_for_input_can_be_interrupted()
    {
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl", "--progress", "always");
        await sheaf.WaitForErrorAsync(HasReceived(0));
        await sheaf.SignalAsync(SheafProcess.Interrupt);
        (await sheaf.EndAsync()).AssertEnded(130);
    }

    [Fact]
    public async Task A_run_that_waits_for_the_other_end_of_a_named_pipe_can_be_interrupted()
    {
        string input = await PipeAsync("in");
        await using SheafProcess sheaf = StartRun("--input", input, "--output", await PipeAsync("out"));
        // Opening it here waits until it is opened there; what comes next there is the output, which nobody reads.
        await using FileStream writer = await Task.Run(() => new FileStream(input, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0));
        await sheaf.SignalAsync(SheafProcess.Interrupt);
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(130);
        Assert.Contains("nothing was read", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reader_that_is_slow_gets_whole_lines_although_the_run_is_ended_in_the_middle_of_them()
    {
        await SheafAsync("dev", "generate", "--spans", "5000", "--output", PathOf("in.jsonl"));
        string pipe = await PipeAsync("out");
        await using SheafProcess sheaf = StartRun("--input", PathOf("in.jsonl"), "--output", pipe, "--shutdown-timeout", "20");
        await using FileStream reader = await Task.Run(() => new FileStream(pipe, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0));
        using var read = new MemoryStream();
        read.WriteByte((byte)reader.ReadByte()); // it is in the middle of it
        await sheaf.SignalAsync(SheafProcess.Terminate);
        await sheaf.WaitForErrorAsync(error => error.Contains(" 2008: ", StringComparison.Ordinal)); // WorkerForced: it is told to end at the next line
        await reader.CopyToAsync(read);

        Ended run = await sheaf.EndAsync();
        run.AssertEnded(143);
        Assert.Equal("interrupted", run.Summary.GetProperty("outcome").GetString());
        Assert.NotEqual(0, run.Count("buffered"));
        Assert.NotEmpty(Sorted(read.ToArray()));
        Assert.DoesNotContain("torn", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_that_nobody_reads_holds_a_stop_up_to_its_deadline_and_a_torn_line_is_told()
    {
        await SheafAsync("dev", "generate", "--spans", "5000", "--output", PathOf("in.jsonl"));
        string pipe = await PipeAsync("out");
        await using var reader = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        await using SheafProcess sheaf = StartRun("--input", PathOf("in.jsonl"), "--output", pipe, "--shutdown-timeout", "3");
        Assert.Equal(1, reader.Read(new byte[1]));
        await sheaf.SignalAsync(SheafProcess.Terminate);
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(143);
        Assert.NotEqual(0, run.Count("buffered"));
        Assert.Contains("torn", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hang_up_ends_nothing_and_reads_the_configuration_file_again()
    {
        string config = Write("sheaf.json", """{ "log-level": "information" }""");
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl", "--config", config, "--progress", "always");
        await sheaf.WaitForErrorAsync(HasReceived(0));
        await sheaf.SignalAsync(SheafProcess.HangUp);
        await sheaf.WaitForErrorAsync(error => error.Contains(" 3004: ", StringComparison.Ordinal)); // ConfigurationReadAgain
        sheaf.In.Close();
        (await sheaf.EndAsync()).AssertEnded(0);
    }

    [Fact]
    public async Task Ctrl_C_again_ends_it_at_once()
    {
        await SheafAsync("dev", "generate", "--spans", "5000", "--output", PathOf("in.jsonl"));
        string pipe = await PipeAsync("out");
        await using var reader = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        await using SheafProcess sheaf = StartRun("--input", PathOf("in.jsonl"), "--output", pipe, "--log-level", "information");

        // A first byte is out: the rest of that write is larger than the pipe, and nobody reads on.
        Assert.Equal(1, reader.Read(new byte[1]));
        await sheaf.SignalAsync(SheafProcess.Interrupt);
        await sheaf.WaitForErrorAsync(error => error.Contains("Ctrl-C again", StringComparison.Ordinal));
        await sheaf.SignalAsync(SheafProcess.Interrupt);
        Ended run = await sheaf.EndAsync();
        Assert.Equal(130, run.ExitCode);
        Assert.DoesNotContain("\"outcome\"", run.Error, StringComparison.Ordinal);
    }
}

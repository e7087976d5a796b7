namespace Sheaf.SystemTests.Processes;

/// <summary>What is shown while it runs.</summary>
public sealed class Display : ProcessTest
{
    [Fact]
    public async Task Nothing_but_the_summary_is_written_where_standard_error_is_no_terminal()
    {
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl");
        await sheaf.In.WriteAsync(await File.ReadAllBytesAsync(Sample));
        sheaf.In.Close();
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(0);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task On_a_terminal_progress_is_one_line_that_is_written_over_and_taken_away()
    {
        string pipe = await PipeAsync("in");
        string command = $"dotnet '{SheafProcess.Executable}' process-spans --input '{pipe}' --output out.jsonl";

        // script gives it a terminal, and both of its outputs come back here.
        await using SheafProcess script = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string> { ["TERM"] = "xterm" }, "sh", "-c", "script -qefc \"$1\" /dev/null 1>&2", "sh", command);
        await using (var writer = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0))
        {
            await writer.WriteAsync(await File.ReadAllBytesAsync(Sample));
            await script.WaitForErrorAsync(text => Count(text, "spans/s  received 219") >= 2);
        }
        Ended run = await script.EndAsync();
        Assert.Equal(0, run.ExitCode);
        string[] lines = run.Error.Split('\n');
        string shown = lines.Single(line => line.Contains("spans/s  received", StringComparison.Ordinal));
        Assert.True(Count(shown, "\r\u001b[K") >= 3, "each is written over the one before, and the last one is erased");
        Assert.Contains("\r\u001b[KDone after", shown, StringComparison.Ordinal);
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}

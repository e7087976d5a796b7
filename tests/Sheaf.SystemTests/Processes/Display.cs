using Sheaf.Telemetry;

namespace Sheaf.SystemTests.Processes;

/// <summary>What is shown while it runs.</summary>
public sealed class Display : ProcessTest
{
    [Fact]
    public async Task Without_a_terminal_the_start_and_the_end_are_logged_and_no_progress_line_is_shown()
    {
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl");
        await sheaf.In.WriteAsync(await File.ReadAllBytesAsync(Sample));
        sheaf.In.Close();
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(0);
        string[] lines = run.Error.TrimEnd().Split('\n');
        Assert.All(lines[..^1], line => Assert.Contains(" information ", line, StringComparison.Ordinal));
        Assert.All(
            (int[])[EventIds.RunStarting, EventIds.WorkersHealthy, EventIds.RunStarted, EventIds.RunEnded], id => Assert.Single(Logged.Lines(run.Error, id)));
        Assert.DoesNotContain("spans/s  ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_terminal_progress_is_one_line_that_is_written_over_and_taken_away()
    {
        string pipe = await PipeAsync("in");
        string command = $"dotnet '{SheafProcess.Executable}' process-spans --input '{pipe}' --output out.jsonl";

        // script gives it a terminal, and both of its outputs come back here.
        await using SheafProcess script = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string> { ["TERM"] = "xterm" }, "sh", "-c", "script -qefc \"stty cols 200; $1\" /dev/null 1>&2", "sh", command);
        await using (var writer = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0))
        {
            await writer.WriteAsync(await File.ReadAllBytesAsync(Sample));
            await script.WaitForErrorAsync(text => Count(text, "  received 219  ") >= 2);
        }
        Ended run = await script.EndAsync();
        Assert.Equal(0, run.ExitCode);
        string[] lines = run.Error.Split('\n');
        string shown = lines.Single(line => line.Contains("  received 219  ", StringComparison.Ordinal));
        Assert.True(Count(shown, "\r\u001b[K") >= 3, "each is written over the one before, and the last one is erased");
        Assert.Contains("\r\u001b[KDone after", shown, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(120)]
    [InlineData(200)]
    public async Task However_narrow_the_terminal_is_the_state_is_told_first_and_nothing_is_cut(int columns)
    {
        string pipe = await PipeAsync("in");
        // Standard output goes to a file: the width is that of the terminal that standard error is.
        string command = $"stty cols {columns}; dotnet '{SheafProcess.Executable}' process-spans --input '{pipe}' --output - > out.jsonl";
        await using SheafProcess script = SheafProcess.StartProgram(
            Folder, new Dictionary<string, string> { ["TERM"] = "xterm" }, "sh", "-c", "script -qefc \"$1\" /dev/null 1>&2", "sh", command);
        await using (var writer = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0))
        {
            await writer.WriteAsync(await File.ReadAllBytesAsync(Sample));
            await script.WaitForErrorAsync(text => Count(text, "buffered") >= 3);
        }
        Ended run = await script.EndAsync();
        Assert.Equal(0, run.ExitCode);
        string[] shown =
        [
            .. run.Error.Split("\r\u001b[K").Select(line => line.TrimEnd()).Where(line => line.Contains("buffered", StringComparison.Ordinal) && !line.Contains('\n', StringComparison.Ordinal)),
        ];
        Assert.NotEmpty(shown);
        Assert.All(shown, line =>
        {
            Assert.InRange(line.Length, 1, columns - 1);
            Assert.Matches(@"^[\d,.]+k?(/s| spans/s)  buffered ", line);
        });
        Assert.Contains(shown, line => columns >= 120 ? line.EndsWith(" s", StringComparison.Ordinal) : !line.Contains("spans/s", StringComparison.Ordinal));
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}

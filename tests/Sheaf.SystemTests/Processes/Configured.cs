namespace Sheaf.SystemTests.Processes;

/// <summary>Options from the environment and from a file, also one that changes during the run.</summary>
public sealed class Configured : ProcessTest
{
    [Fact]
    public async Task Variables_and_the_file_take_effect_and_variables_win()
    {
        Write("sheaf.json", """{"shards": 5, "output": "file.jsonl", "summary": "none"}""");
        var variables = new Dictionary<string, string>
        {
            ["SHEAF_INPUT"] = Sample,
            ["SHEAF_OUTPUT"] = "variable.jsonl",
            ["SHEAF_SUMMARY"] = "json",
            ["SHEAF_CONFIG"] = "sheaf.json",
        };
        await using SheafProcess sheaf = SheafProcess.Start(Folder, variables, "process-spans");
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(0);
        Assert.Equal(5, run.Summary.GetProperty("shards").GetArrayLength());
        Assert.False(File.Exists(PathOf("file.jsonl")));
        await VerifyAsync(Sample, PathOf("variable.jsonl"), "--expect", ExpectedOfSample);
    }

    [Fact]
    public async Task A_project_that_is_dropped_while_it_runs_is_dropped_from_then_on()
    {
        Write("sheaf.json", "{}");
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl", "--config", "sheaf.json", "--log-level", "information", "--progress", "always");
        await sheaf.In.WriteAsync(Lines(Span(1, 10, project: 1), Span(2, 10, project: 2)));
        await sheaf.In.FlushAsync();
        await sheaf.WaitForErrorAsync(HasReceived(2));

        Write("sheaf.json", """{"drop-projects": [2]}""");
        await sheaf.WaitForErrorAsync(error => error.Contains("drop-projects is now '2'", StringComparison.Ordinal));
        // The input is asked for the rules when it has read: this block is the first to see them.
        await sheaf.In.WriteAsync(Lines(Span(3, 11, project: 1), Span(4, 11, project: 2), Span(5, 11, project: 2)));
        sheaf.In.Close();
        Ended run = await sheaf.EndAsync();
        run.AssertEnded(0);
        Assert.Equal(5, run.Count("received"));
        Assert.Equal(3, run.Count("produced"));
        Assert.Equal(2, run.Count("dropped"));
    }
}

using Xunit;

namespace Sheaf.SystemTests.Processes;

/// <summary>The built executable with a configuration that has faults.</summary>
public class BadOptions
{
    [Fact]
    public async Task Every_fault_of_every_source_is_on_standard_error_and_the_exit_code_is_2()
    {
        var variables = new Dictionary<string, string> { ["SHEAF_SHARDS"] = "0", ["SHEAF_SHARD"] = "1" };
        (int exitCode, string output, string error) = await SheafProcess.RunAsync(variables, "process-spans", "--flusher-processes", "-1", "--inptu", "x");
        Assert.Equal(2, exitCode);
        Assert.Equal("", output);
        Assert.Equal(
            """
            sheaf: the configuration has 6 faults; nothing was started
              --inptu: there is no such option; did you mean --input? (command line)
              --flusher-processes: '-1' is not an integer from 1 to 1024 (command line)
              SHEAF_SHARD: there is no such variable; did you mean SHEAF_SHARDS? (environment)
              --shards: '0' is not an integer from 1 to 1024 (SHEAF_SHARDS)
              --input: is required: a path, - or kafka://HOST:PORT[,HOST:PORT]/TOPIC?group=NAME (or SHEAF_INPUT, or "input" in the file)
              --output: is required: a path, - or kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC2] (or SHEAF_OUTPUT, or "output" in the file)
            see sheaf process-spans --help, or docs/configuration.md

            """,
            error);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("process-spans", "--help")]
    [InlineData("config", "show")]
    [InlineData("--version")]
    public async Task What_only_prints_prints_to_standard_output_and_succeeds(params string[] words)
    {
        (int exitCode, string output, string error) = await SheafProcess.RunAsync(new Dictionary<string, string>(), words);
        Assert.Equal(0, exitCode);
        Assert.NotEqual("", output);
        Assert.Equal("", error);
    }
}

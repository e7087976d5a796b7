using Sheaf.Configuration;
using Sheaf.Tests.Commands;
using Xunit;

namespace Sheaf.Tests.Configuration;

/// <summary>What is written about options, for people, is what holds.</summary>
public class DocumentedConfiguration
{
    [Fact]
    public void The_page_is_the_one_that_the_table_yields()
    {
        string path = Path.Combine(RepositoryFolder(), "docs", "configuration.md");
        string page = File.ReadAllText(path);
        Assert.True(
            page == ConfigurationPage.Write(),
            "docs/configuration.md is not what the options are now; write it again: dotnet run --project src/Sheaf -- config docs > docs/configuration.md");
    }

    [Fact]
    public void Every_option_says_what_it_is_and_why_its_default() =>
        Assert.All(OptionTable.All, option =>
        {
            Assert.True(option.Summary.EndsWith('.') && option.Summary.Length is > 20 and < 100, option.Name);
            Assert.True(option.Details.EndsWith('.') && option.Details.Length > 20, option.Name);
            Assert.True(option.Default is null || option.DefaultText.Length > 0, option.Name);
        });

    [Theory]
    [InlineData("process-spans")]
    [InlineData("config", "show")]
    [InlineData("config", "check")]
    public async Task Help_lists_every_option_with_its_default(params string[] command)
    {
        var host = new TestHost();
        Assert.Equal(0, await host.RunAsync([.. command, "--help"]));
        Assert.All(OptionTable.All, option =>
        {
            int at = host.Out.IndexOf($"\n  {option.CommandLineName}{(option.IsFlag ? "\n" : " ")}", StringComparison.Ordinal);
            Assert.True(at >= 0, option.Name);
            Assert.Contains(option.Required ? "required" : $"default: {option.DefaultText}", host.Out[at..].Split("\n  --")[1], StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task Help_tells_the_exit_codes_and_examples()
    {
        var host = new TestHost();
        Assert.Equal(0, await host.RunAsync("process-spans", "--help"));
        Assert.Contains("\n    2  the configuration has faults; nothing was started\n", host.Out, StringComparison.Ordinal);
        Assert.Contains("\nExamples:\n  sheaf process-spans --input spans.jsonl --output segments.jsonl\n", host.Out, StringComparison.Ordinal);
        Assert.Equal("", host.Error);
    }

    [Fact]
    public async Task Examples_in_help_are_commands_that_bind()
    {
        var help = new TestHost();
        await help.RunAsync("--help");
        string[] examples = [.. help.Out.Split("Examples:\n")[1].Split('\n', '|', '&', '>').Select(e => e.Trim()).Where(e => e.StartsWith("sheaf process-spans", StringComparison.Ordinal))];
        Assert.NotEmpty(examples);
        foreach (string example in examples)
        {
            var host = new TestHost();
            string[] words = example.Split(' ')[1..];
            int exitCode = await host.RunAsync(words);
            // The file of the example is not here; nothing else may be wrong.
            Assert.True(exitCode == 0 || host.Error.Contains("has a fault;", StringComparison.Ordinal) && host.Error.Contains("there is no file", StringComparison.Ordinal), example + "\n" + host.Error);
        }
    }

    private static string RepositoryFolder()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Sheaf.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("No folder above the tests has Sheaf.slnx.");
    }
}

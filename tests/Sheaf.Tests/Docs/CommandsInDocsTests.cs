using System.Text.RegularExpressions;
using Sheaf.Configuration;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.Tests.Commands;

namespace Sheaf.Tests.Docs;

/// <summary>A command in our pages can be copied; what a page sets beside the original's options and metrics exists.</summary>
public partial class CommandsInDocsTests
{
    [Theory]
    [InlineData("README.md", 3)]
    [InlineData("docs/operations.md", 1)]
    [InlineData("docs/from-sentry.md", 4)]
    public async Task Every_run_in_a_page_binds(string page, int atLeast)
    {
        string[] commands = [.. CodeBlocks(page).SelectMany(block => Continued().Replace(block, " ").Split('\n')).Select(line => line.StartsWith("./", StringComparison.Ordinal) ? line[2..] : line).Where(line => line.StartsWith("sheaf process-spans", StringComparison.Ordinal))];
        Assert.True(commands.Length >= atLeast, $"{page} has {commands.Length} commands");
        foreach (string command in commands)
        {
            var host = new TestHost();
            string[] words = [.. Word().Matches(command).Select(m => m.Value.Trim('\'')).Where(word => word != "…")];
            int exitCode = await host.RunAsync(words[1..]);
            // Its files are not here; nothing else may be wrong.
            Assert.True(exitCode == 0 || host.Error.Contains("has a fault;", StringComparison.Ordinal) && host.Error.Contains("there is no file", StringComparison.Ordinal), command + "\n" + host.Error);
        }
    }

    [Fact]
    public void Every_option_that_is_set_beside_the_originals_exists()
    {
        string[] named = [.. Rows("docs/from-sentry.md", "## Options", "## Metrics").SelectMany(cells => OptionName().Matches(cells[1]).Select(m => m.Value)).Distinct()];
        Assert.True(named.Length > 15, $"{named.Length} options");
        Assert.Empty(named.Except(OptionTable.All.Select(option => option.CommandLineName)));
    }

    /// <summary>What stands in the page's first column is taken as it stands, passed over with a line, or refused with the way out: never "there is no such option".</summary>
    [Fact]
    public void Every_option_of_the_original_is_understood()
    {
        string[] ofTheOriginal = [.. Rows("docs/from-sentry.md", "### Of the consumer", "### Of the buffer").SelectMany(cells => OptionName().Matches(cells[0]).Select(m => m.Value)).Distinct()];
        Assert.True(ofTheOriginal.Length > 25, $"{ofTheOriginal.Length} options");
        string?[] known = [.. OptionTable.All.SelectMany(option => (string?[])[option.CommandLineName, option.Contrary, .. option.OtherNames])];
        Assert.DoesNotContain(ofTheOriginal, name => !known.Contains(name) && OriginalOption.Find(name) is null);
        Assert.Empty(OriginalOption.All.Select(option => option.Name).Except(ofTheOriginal));
    }

    [Fact]
    public void Every_metric_that_is_set_beside_the_originals_exists()
    {
        string[] metrics = [.. typeof(SheafMetrics.Names).GetFields().Select(field => (string)field.GetRawConstantValue()!)];
        string[] others = ["shard", "reason", "has_root", "sheaf", "root_timeout", "hang"]; // tags, a field and its header, a reason, a cause
        string[] named = [.. Rows("docs/from-sentry.md", "## Metrics", "## What behaves").SelectMany(cells => InCode().Matches(cells[1]).Select(m => m.Groups[1].Value)).Distinct().Except(others)];
        Assert.True(named.Length > 10, $"{named.Length} metrics");
        Assert.All(named, name => Assert.Contains(metrics, metric => metric.EndsWith($".{name}", StringComparison.Ordinal)));
    }

    private static string Read(string page) => File.ReadAllText(Path.Combine(RepositoryFiles.Root, page));

    private static IEnumerable<string> CodeBlocks(string page) => CodeBlock().Matches(Read(page)).Select(m => m.Groups[1].Value);

    /// <summary>The cells of the tables between two headings.</summary>
    private static IEnumerable<string[]> Rows(string page, string from, string to)
    {
        string text = Read(page);
        int start = text.IndexOf(from, StringComparison.Ordinal), end = text.IndexOf(to, StringComparison.Ordinal);
        Assert.True(start >= 0 && end > start, $"{page}: {from}, {to}");
        return text[start..end].Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line => line.Trim('|').Split('|')).Where(cells => !cells[0].Contains("---", StringComparison.Ordinal));
    }

    [GeneratedRegex(@"^```\w*\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\s*\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex(@"'[^']*'|\S+")]
    private static partial Regex Word();

    [GeneratedRegex("--[a-z-]+")]
    private static partial Regex OptionName();

    [GeneratedRegex("`([a-z_.]+)`")]
    private static partial Regex InCode();
}

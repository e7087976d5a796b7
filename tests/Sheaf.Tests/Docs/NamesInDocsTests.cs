using System.Text.RegularExpressions;
using Sheaf.TestKit;

namespace Sheaf.Tests.Docs;

/// <summary>A name in our docs that no search can find is the commonest flaw of docs. These tests keep them true.</summary>
public partial class NamesInDocsTests
{
    private static readonly string[] Pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", .. DocPages()];

    // The platform's names that our pages mention.
    private static readonly HashSet<string> OfThePlatform = ["GetType", "DateTime", "UtcNow", "TimeProvider", "System", "CommandLine", "Task", "Thread"];

    [Fact]
    public void Every_type_or_member_named_in_the_docs_stands_in_the_source()
    {
        string source = string.Concat(SourceFiles().Select(File.ReadAllText));
        var unknown = new List<string>();
        foreach (string page in Pages)
        {
            string text = CodeBlock().Replace(File.ReadAllText(Path.Combine(RepositoryFiles.Root, page)), "");
            foreach (Match name in CodeName().Matches(text))
                foreach (string part in name.Groups[1].Value.Split('.'))
                    if (!OfThePlatform.Contains(part) && !Regex.IsMatch(source, $@"\b{part}\b")) unknown.Add($"{page}: {name.Groups[1].Value}");
        }
        Assert.Empty(unknown);
    }

    [Fact]
    public void Every_path_named_in_the_docs_exists()
    {
        var missing = new List<string>();
        foreach (string page in Pages)
        {
            string full = Path.Combine(RepositoryFiles.Root, page);
            string text = File.ReadAllText(full);
            foreach (Match link in Link().Matches(text))
            {
                string target = link.Groups[1].Value;
                if (target.Contains("://", StringComparison.Ordinal) || target.StartsWith('#')) continue;
                string path = Path.Combine(Path.GetDirectoryName(full)!, target.Split('#')[0]);
                if (!Path.Exists(path)) missing.Add($"{page}: {target}");
            }
            foreach (Match path in SourcePath().Matches(text))
                if (!Path.Exists(Path.Combine(RepositoryFiles.Root, path.Value.TrimEnd('/', '.')))) missing.Add($"{page}: {path.Value}");
        }
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_page_stands_in_the_index()
    {
        string index = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "docs", "README.md"));
        Assert.All(
            DocPages().Select(page => Path.GetRelativePath("docs", page)).Where(page => page != "README.md"),
            page => Assert.Contains($"]({page})", index, StringComparison.Ordinal));
    }

    /// <summary>Shown to find a planted fault: a check must be able to fail.</summary>
    [Theory]
    [InlineData("see `NoSuchTypeAnywhere`", 1)]
    [InlineData("see `FlusherWorker` and `root-timeout`", 1)]
    [InlineData("see `lower_case` and `x + y`", 0)]
    public void The_pattern_takes_what_looks_like_a_type(string text, int names) => Assert.Equal(names, CodeName().Count(text));

    private static IEnumerable<string> DocPages() =>
        Directory.GetFiles(Path.Combine(RepositoryFiles.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Select(p => Path.GetRelativePath(RepositoryFiles.Root, p));

    private static IEnumerable<string> SourceFiles() =>
        new[] { "src", "tests", "bench" }.SelectMany(folder =>
            Directory.GetFiles(Path.Combine(RepositoryFiles.Root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(p => !p.Contains("/obj/", StringComparison.Ordinal) && !p.EndsWith("NamesInDocsTests.cs", StringComparison.Ordinal));

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex CodeBlock();

    // `Type`, `Type.Member`, `Member()`: at least two humps, so that words and units in code style do not count.
    [GeneratedRegex(@"`([A-Z][a-z0-9]+[A-Z][A-Za-z0-9]*(?:\.[A-Z][A-Za-z0-9]*)*)(?:\(\))?`")]
    private static partial Regex CodeName();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\b(?:src|tests|bench|docs|samples|deploy)/[A-Za-z0-9_./-]+")]
    private static partial Regex SourcePath();
}

using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Telemetry;

/// <summary>Operators match event ids: each means one thing, and docs/operations.md says which.</summary>
public partial class EventIdsTests
{
    private static FieldInfo[] Ids { get; } = [.. typeof(EventIds).GetFields().Where(field => field.IsLiteral)];

    [Fact]
    public void No_event_id_is_given_twice() =>
        Assert.Empty(Ids
            .GroupBy(field => field.GetRawConstantValue())
            .Where(same => same.Count() > 1)
            .Select(same => string.Join(" = ", same.Select(field => field.Name))));

    [Fact]
    public void Each_event_id_is_used_in_one_place()
    {
        ILookup<string, string> uses = Uses().ToLookup(use => use.Name, use => use.File);
        Assert.Empty(Ids.Where(id => uses[id.Name].Count() != 1).Select(id => $"{id.Name} in: {string.Join(", ", uses[id.Name].DefaultIfEmpty("no place"))}"));
    }

    [Fact]
    public void The_table_in_operations_has_every_event_with_its_level_and_no_other()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "docs", "operations.md"));
        string[] documented = [.. EventRow().Matches(page).Select(row => $"{row.Groups[1].Value} {row.Groups[2].Value}")];
        Dictionary<string, string> levels = Uses().ToDictionary(use => use.Name, use => use.Level);

        Assert.Equal(
            Ids.Select(id => string.Create(CultureInfo.InvariantCulture, $"{id.GetRawConstantValue()} {levels[id.Name]}")).Order(StringComparer.Ordinal),
            documented.Order(StringComparer.Ordinal));
    }

    private static IEnumerable<(string Name, string Level, string File)> Uses() =>
        from file in Directory.EnumerateFiles(Path.Combine(RepositoryFiles.Root, "src"), "*.cs", SearchOption.AllDirectories)
        where !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal) && Path.GetFileName(file) != "EventIds.cs"
        from Match use in UsePattern().Matches(File.ReadAllText(file))
        select (use.Groups[1].Value, use.Groups[2].Success ? use.Groups[2].Value.ToLowerInvariant() : "varies", Path.GetFileName(file));

    [GeneratedRegex(@"EventIds\.(\w+)(?:, LogLevel\.(\w+))?")]
    private static partial Regex UsePattern();

    [GeneratedRegex(@"^\| (\d{4}) \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex EventRow();
}

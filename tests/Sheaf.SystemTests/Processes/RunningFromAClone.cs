using System.Globalization;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>The script <c>./sheaf</c>, with a <c>dotnet</c> in place of the real one that notes what it is asked for and builds an empty program.</summary>
public sealed class RunningFromAClone : IDisposable
{
    private readonly TempFolder _clone = new();

    public RunningFromAClone()
    {
        File.Copy(Path.Combine(RepositoryFiles.Root, "sheaf"), _clone.File("sheaf"));
        Write("Directory.Build.props", "");
        Write("Directory.Packages.props", "");
        Write("global.json", "{}");
        Write("src/Sheaf/Program.cs", "one");
        Write("src/Sheaf/Other.cs", "two");
        Write(
            "tools/dotnet",
            $"""
            #!/bin/sh
            echo "$*" >> {_clone.File("asked")}
            [ "$1" = build ] || exit 7
            [ ! -e {_clone.File("broken")} ] || exit 1
            mkdir -p {_clone.File("src/Sheaf/bin/Release/net10.0")} {_clone.File("src/Sheaf/obj")}
            touch {_clone.File("src/Sheaf/bin/Release/net10.0/sheaf.dll")}
            """);
        if (OperatingSystem.IsWindows()) throw new PlatformNotSupportedException("the script is bash");
        foreach (string script in (string[])["sheaf", "tools/dotnet"])
            File.SetUnixFileMode(_clone.File(script), UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
        foreach (string source in Directory.GetFiles(_clone.Root, "*.*", SearchOption.AllDirectories)) Age(source);
    }

    public void Dispose() => _clone.Dispose();

    [Fact]
    public async Task The_first_call_says_that_it_builds_and_the_next_one_only_runs()
    {
        Ended first = await SheafAsync("process-spans", "--input", "a b");
        Assert.Equal(7, first.ExitCode); // the program's own
        Assert.Contains("building", first.Error, StringComparison.Ordinal);
        Ended second = await SheafAsync("version");
        Assert.Equal((7, ""), (second.ExitCode, second.Error));
        Assert.Equal(["build", "run process-spans --input a b", "run version"], Asked());
    }

    [Theory]
    [InlineData("src/Sheaf/Program.cs")]
    [InlineData("global.json")]
    public async Task A_changed_source_is_built_again_once(string path)
    {
        await SheafAsync("a");
        File.SetLastWriteTimeUtc(_clone.File(path), TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(1)); // later than anything that was built
        Ended again = await SheafAsync("b");
        Assert.Contains("changed", again.Error, StringComparison.Ordinal);
        Age(_clone.File(path));
        await SheafAsync("c");
        Assert.Equal(["build", "run a", "build", "run b", "run c"], Asked());
    }

    [Fact]
    public async Task A_source_that_is_renamed_or_gone_is_noticed()
    {
        await SheafAsync("a");
        File.Move(_clone.File("src/Sheaf/Other.cs"), _clone.File("src/Sheaf/Renamed.cs"));
        await SheafAsync("b");
        File.Delete(_clone.File("src/Sheaf/Renamed.cs"));
        await SheafAsync("c");
        Assert.Equal(["build", "run a", "build", "run b", "build", "run c"], Asked());
    }

    [Fact]
    public async Task A_build_that_fails_runs_nothing_and_is_tried_again()
    {
        Write("broken", "");
        Ended failed = await SheafAsync("a");
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("failed", failed.Error, StringComparison.Ordinal);
        File.Delete(_clone.File("broken"));
        await SheafAsync("b");
        Assert.Equal(["build", "build", "run b"], Asked());
    }

    [Fact]
    public async Task Several_first_calls_build_once()
    {
        await Task.WhenAll(SheafAsync("a"), SheafAsync("a"), SheafAsync("a"));
        Assert.Equal(["build", "run a", "run a", "run a"], Asked());
    }

    private static void Age(string path) => File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc));

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_clone.File(path))!);
        File.WriteAllText(_clone.File(path), text);
    }

    private async Task<Ended> SheafAsync(params string[] words)
    {
        var variables = new Dictionary<string, string> { ["PATH"] = string.Create(CultureInfo.InvariantCulture, $"{_clone.File("tools")}:{Environment.GetEnvironmentVariable("PATH")}") };
        await using SheafProcess sheaf = SheafProcess.StartProgram(_clone.Root, variables, _clone.File("sheaf"), words);
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }

    private string[] Asked() =>
        [.. File.ReadLines(_clone.File("asked")).Select(line => line.StartsWith("build ", StringComparison.Ordinal) ? "build" : "run " + line[(line.IndexOf(".dll ", StringComparison.Ordinal) + 5)..])];
}

using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>A folder of its own, which the processes run in, and the ways to run them.</summary>
public abstract partial class ProcessTest : IDisposable
{
    private static readonly Dictionary<string, string> NoVariables = [];

    private readonly TempFolder _folder = new();

    private protected static string Sample { get; } = Path.Combine(RepositoryFiles.Root, "samples", "online-boutique-checkout", "spans.jsonl");

    private protected static string ExpectedOfSample { get; } = Path.Combine(RepositoryFiles.Root, "samples", "online-boutique-checkout", "expected.jsonl");

    private protected string Folder => _folder.Root;

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected string PathOf(string name) => _folder.File(name);

    private protected string Write(string name, byte[] content)
    {
        File.WriteAllBytes(PathOf(name), content);
        return PathOf(name);
    }

    private protected string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    private protected async Task<string> PipeAsync(string name)
    {
        await using SheafProcess mkfifo = SheafProcess.StartProgram(Folder, NoVariables, "mkfifo", PathOf(name));
        Assert.Equal(0, (await mkfifo.EndAsync()).ExitCode);
        return PathOf(name);
    }

    /// <summary>Starts <c>process-spans</c> with the summary as JSON.</summary>
    private protected SheafProcess StartRun(params string[] words) =>
        SheafProcess.Start(Folder, NoVariables, ["process-spans", "--summary", "json", .. words]);

    /// <summary><c>process-spans</c> to its end, with these bytes on standard input.</summary>
    private protected async Task<Ended> RunAsync(byte[] input, params string[] words)
    {
        await using SheafProcess sheaf = StartRun(words);
        sheaf.BeginOutput();
        await sheaf.In.WriteAsync(input);
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }

    private protected Task<Ended> RunAsync(params string[] words) => RunAsync([], words);

    /// <summary>Another command, to its end.</summary>
    private protected async Task<Ended> SheafAsync(params string[] words)
    {
        await using SheafProcess sheaf = SheafProcess.Start(Folder, NoVariables, words);
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }

    /// <summary>A script of the shell, to its end; <c>"$@"</c> in it are the words.</summary>
    private protected async Task<Ended> ShellAsync(string script, params string[] words)
    {
        await using SheafProcess shell = SheafProcess.StartProgram(Folder, NoVariables, "sh", ["-c", script, "sh", .. words]);
        shell.In.Close();
        return await shell.EndAsync();
    }

    /// <summary><c>dev verify</c> finds no problem.</summary>
    private protected async Task VerifyAsync(params string[] words)
    {
        Ended verify = await SheafAsync(["dev", "verify", .. words]);
        Assert.True(verify.ExitCode == 0, verify.Out + verify.Error);
    }

    /// <summary>A span as a line, received at a second.</summary>
    private protected static string Span(int id, double received, int project = 1, string? parent = null, int trace = 1, int bytes = 0) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"trace_id":"{{trace:x32}}","span_id":"{{id:x16}}","parent_span_id":{{(parent is null ? "null" : $"\"{parent}\"")}},"project_id":{{project}},"organization_id":1,"start_timestamp":1.5,"end_timestamp":2.5,"received":{{received}},"retention_days":90,"status":"ok","name":"{{new string('n', bytes)}}"}""");

    private protected static byte[] Gzip(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(content);
        return compressed.ToArray();
    }

    private protected static byte[] Lines(params string[] lines) => Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n")));

    private protected static string[] Sorted(byte[] output)
    {
        string text = Encoding.UTF8.GetString(output);
        Assert.True(text.Length == 0 || text[^1] == '\n', "the last line is torn");
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
    }

    /// <summary>Every line is one message and the last one has its end.</summary>
    private protected static void AssertWholeLines(string path)
    {
        foreach (string line in Sorted(File.ReadAllBytes(path)))
        {
            using JsonDocument message = JsonDocument.Parse(line);
            Assert.NotEqual(0, message.RootElement.GetProperty("spans").GetArrayLength());
        }
    }

    /// <summary>Whether progress lines have told of so many spans.</summary>
    private protected static Predicate<string> HasReceived(long spans) => error =>
        ReceivedPattern().Matches(error) is { Count: > 0 } told && long.Parse(told[^1].Groups[1].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture) >= spans;

    [GeneratedRegex(@"received ([\d,]+)  ")]
    private static partial Regex ReceivedPattern();
}

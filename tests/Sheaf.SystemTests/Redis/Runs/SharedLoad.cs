using System.Text;
using System.Text.Json;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>
/// Generated spans with copies, unusable lines and missing roots, and what an undisturbed run over them produces: what every disturbed run has to
/// produce too. Made once for all tests. Immutable.
/// </summary>
internal sealed class SharedLoad
{
    private static readonly TempFolder s_folder = new();
    private static readonly Lock s_lock = new();
    private static Task<SharedLoad>? s_load;

    static SharedLoad() => AppDomain.CurrentDomain.ProcessExit += (_, _) => s_folder.Dispose();

    private SharedLoad(string input, string[] lines, long[] deadLetterLines)
    {
        Input = input;
        Lines = lines;
        DeadLetterLines = deadLetterLines;
    }

    /// <summary>Options that decide what is produced, for every run that is compared.</summary>
    public static string[] Words { get; } =
        ["--shards", "5", "--timeout", "6s", "--root-timeout", "2s", "--dead-letter-max-ratio", "1", "--with-headers"];

    /// <summary>The file of spans, 200 a second of stream time: most segments close long before it ends.</summary>
    public string Input { get; }

    /// <summary>The lines of the undisturbed run. All different.</summary>
    public string[] Lines { get; }

    /// <summary>The numbers of the unusable lines, in order.</summary>
    public long[] DeadLetterLines { get; }

    public static Task<SharedLoad> GetAsync()
    {
        lock (s_lock) return s_load ??= CreateAsync(s_folder, seed: 11, spans: 4000);
    }

    public static async Task<SharedLoad> CreateAsync(TempFolder folder, long seed, int spans)
    {
        string input = folder.File($"in-{seed}.jsonl"), output = folder.File($"undisturbed-{seed}.jsonl"), dead = folder.File($"dead-{seed}.jsonl");
        await RunAsync("dev", "generate", "--spans", $"{spans}", "--seed", $"{seed}", "--stream-rate", "200", "--duplicates", "0.05", "--invalid", "0.01", "--roots-missing", "0.1", "--output", input);
        await RunAsync(["process-spans", "--input", input, "--output", output, "--dead-letter", $"file:{dead}", .. Words]);
        string[] lines = LinesOf(await File.ReadAllBytesAsync(output));
        Assert.Equal(lines.Length, lines.Distinct().Count());
        return new SharedLoad(input, lines, [.. ToldLines(dead)]);
    }

    /// <summary>The lines of the input that a file of dead letters tells of.</summary>
    public static IEnumerable<long> ToldLines(string deadLetters) =>
        File.ReadAllLines(deadLetters).Select(letter => JsonDocument.Parse(letter).RootElement.GetProperty("line").GetInt64());

    /// <summary>
    /// Nothing is lost, nothing is torn, and what came again came as it was: the distinct lines are, byte for byte, those of the undisturbed run. Returns how many lines are repeats.
    /// </summary>
    public int AssertSame(string output, string about = "")
    {
        string[] lines = LinesOf(File.ReadAllBytes(output));
        var distinct = new HashSet<string>(lines);
        string[] missing = [.. Lines.Where(line => !distinct.Contains(line))];
        string[] strange = [.. distinct.Except(Lines)];
        Assert.True(missing.Length == 0 && strange.Length == 0, $"{missing.Length} messages of {Lines.Length} are missing, {strange.Length} are there that should not be. {about}\nmissing: {First(missing)}\nstrange: {First(strange)}");
        return lines.Length - distinct.Count;
    }

    private static string First(string[] lines) => lines.Length == 0 ? "" : lines[0][..Math.Min(1000, lines[0].Length)];

    public static string[] LinesOf(byte[] output)
    {
        string text = Encoding.UTF8.GetString(output);
        Assert.True(text.Length == 0 || text[^1] == '\n', "the last line is torn");
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static async Task RunAsync(params string[] words)
    {
        await using SheafProcess sheaf = SheafProcess.Start(s_folder.Root, new Dictionary<string, string>(), words);
        sheaf.In.Close();
        Ended ended = await sheaf.EndAsync();
        Assert.True(ended.ExitCode == 0, ended.Error);
    }
}

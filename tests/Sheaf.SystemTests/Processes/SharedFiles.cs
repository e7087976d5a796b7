using System.Text.Json;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>Files that something else changes while a run writes them, and files that two runs want.</summary>
public sealed class SharedFiles : ProcessTest
{
    [Fact]
    public async Task An_output_that_is_emptied_while_it_is_written_ends_the_run_and_says_so()
    {
        Ended run = await DisturbedAsync(() => File.WriteAllText(PathOf("out.jsonl"), ""));
        run.AssertEnded(1);
        Assert.Contains("has cut or replaced it", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("\0", await File.ReadAllTextAsync(PathOf("out.jsonl")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_output_that_is_removed_while_it_is_written_ends_the_run_and_says_so()
    {
        Ended run = await DisturbedAsync(() => File.Delete(PathOf("out.jsonl")));
        run.AssertEnded(1);
        Assert.Contains("was removed while it was written", run.Summary.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_output_that_is_renamed_while_it_is_written_is_gone_on_with_anew()
    {
        Ended run = await DisturbedAsync(() => File.Move(PathOf("out.jsonl"), PathOf("out.1.jsonl")));
        run.AssertEnded(0);
        AssertWholeLines(PathOf("out.1.jsonl"));
        AssertWholeLines(PathOf("out.jsonl"));
        Assert.Equal(run.Count("segments"), File.ReadLines(PathOf("out.1.jsonl")).Count() + File.ReadLines(PathOf("out.jsonl")).Count());
        Assert.NotEqual(0, new FileInfo(PathOf("out.jsonl")).Length);
    }

    [Fact]
    public async Task A_second_run_into_the_same_output_is_refused_and_disturbs_nothing()
    {
        Ended? second = null;
        Ended first = await DisturbedAsync(async () => second = await RunAsync("--input", Sample, "--output", "./out.jsonl", "--overwrite", "--dead-letter", "stop"));
        Assert.Equal(2, second!.ExitCode);
        Assert.Contains("another run writes to", second.Error, StringComparison.Ordinal);
        first.AssertEnded(0);
        AssertWholeLines(PathOf("out.jsonl"));
        Assert.Equal(first.Count("segments"), File.ReadLines(PathOf("out.jsonl")).Count());
    }

    [Fact]
    public async Task Two_instances_lose_and_tear_nothing_in_one_file_of_dead_letters()
    {
        const int Letters = 150;
        byte[] input = Lines([.. Enumerable.Range(0, Letters).Select(i => new string('x', 100_000 + i))]); // larger than what is written at a time
        Write("bad", input);
        Task<Ended>[] runs = [.. Enumerable.Range(0, 2).Select(i => RunAsync("--input", "bad", "--output", $"out{i}", "--dead-letter-max-ratio", "1"))];
        foreach (Ended run in await Task.WhenAll(runs)) Assert.Equal(Letters, run.Count("dead_letters"));
        var lengths = new List<int>();
        foreach (string line in File.ReadLines(PathOf("sheaf-dead-letters.jsonl")))
        {
            using JsonDocument letter = JsonDocument.Parse(line);
            lengths.Add(letter.RootElement.GetProperty("message").GetString()!.Length);
        }
        Assert.Equal(Enumerable.Range(0, 2 * Letters).Select(i => 100_000 + (i / 2)), lengths.Order());
    }

    [Fact]
    public async Task A_file_of_dead_letters_that_is_renamed_is_begun_anew()
    {
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl", "--dead-letter-max-ratio", "1");
        await sheaf.In.WriteAsync(Lines("one"));
        await sheaf.In.FlushAsync();
        await Eventually.TrueAsync(() => File.Exists(PathOf("sheaf-dead-letters.jsonl")) && File.ReadAllText(PathOf("sheaf-dead-letters.jsonl")).EndsWith('\n'), "the first letter");
        File.Move(PathOf("sheaf-dead-letters.jsonl"), PathOf("old"));
        await sheaf.In.WriteAsync(Lines("two"));
        sheaf.In.Close();
        await sheaf.EndAsync();
        Assert.Contains("\"one\"", Assert.Single(File.ReadAllLines(PathOf("old"))), StringComparison.Ordinal);
        Assert.Contains("\"two\"", Assert.Single(File.ReadAllLines(PathOf("sheaf-dead-letters.jsonl"))), StringComparison.Ordinal);
    }

    /// <summary>A run that has written something when this happens, and something to write afterwards.</summary>
    private Task<Ended> DisturbedAsync(Action disturb) => DisturbedAsync(() =>
    {
        disturb();
        return Task.CompletedTask;
    });

    private async Task<Ended> DisturbedAsync(Func<Task> disturb)
    {
        await using SheafProcess sheaf = StartRun("--input", "-", "--output", "out.jsonl");
        await sheaf.In.WriteAsync(Lines([.. Enumerable.Range(1, 20).Select(i => Span(i, 1000, trace: i)), .. Enumerable.Range(1, 20).Select(i => Span(i, 1030, trace: 100 + i))]));
        await sheaf.In.FlushAsync();
        await Eventually.TrueAsync(() => File.Exists(PathOf("out.jsonl")) && new FileInfo(PathOf("out.jsonl")).Length > 0, "the first segments");
        await Task.Delay(200); // and maybe the others
        await disturb();
        await sheaf.In.WriteAsync(Lines([.. Enumerable.Range(1, 20).Select(i => Span(i, 1060, trace: 200 + i)), .. Enumerable.Range(1, 20).Select(i => Span(i, 1090, trace: 300 + i))]));
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }
}

using System.Globalization;
using Sheaf.Commands;

namespace Sheaf.Load;

/// <summary>The product's command within this process: no start-up, code that is compiled, memory that is touched.</summary>
internal static class InProcessRun
{
    /// <summary>The generated stream runs at 100 000 spans/s: with these some 250 000 spans are alive at a time, and most segments close before the end.</summary>
    public static readonly string[] Rules = ["--timeout", "2s", "--root-timeout", "2s"];

    /// <summary>Runs a file through once.</summary>
    /// <param name="shards">Shards, and with them the flusher workers.</param>
    public static async Task RunAsync(string input, string output, int shards, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string count = shards.ToString(CultureInfo.InvariantCulture);
        string[] words = ["process-spans", "--input", input, "--output", output, "--overwrite", "--shards", count, "--flusher-processes", count, "--summary", "none", .. Rules];
        int exitCode = await SheafCommand.RunAsync(words, CommandHost.OfThisProcess(), SegmentRun.RunAsync, StartCheck.RunAsync);
        if (exitCode != ExitCode.Done) throw new InvalidOperationException($"sheaf {string.Join(' ', words)} ended with exit code {exitCode}");
    }
}

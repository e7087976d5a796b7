using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Sheaf.Load;

/// <summary>One run of a command as a process of its own.</summary>
/// <param name="Wall">From start to exit, in seconds.</param>
/// <param name="Cpu">User and system time together, in seconds.</param>
/// <param name="PeakBytes">Largest resident memory; 0 where it is not known.</param>
/// <param name="Summary">The last line of standard error or output that is a JSON object, if there is one.</param>
internal sealed record ChildRun(double Wall, double Cpu, long PeakBytes, JsonElement? Summary)
{
    private const string TimeCommand = "/usr/bin/time";

    /// <summary>Runs a command to its end, on the first cores only.</summary>
    /// <param name="cores">How many cores; 0 = all.</param>
    /// <exception cref="InvalidOperationException">It ended with another exit code than 0; what it said is in the message.</exception>
    public static async Task<ChildRun> RunAsync(string command, IEnumerable<string> arguments, int cores, CancellationToken cancel)
    {
        // GNU time reports what the kernel counted for the child; Process gives no user and system time once it has ended.
        string measures = Path.GetTempFileName();
        try
        {
            List<string> words = [];
            bool timed = File.Exists(TimeCommand);
            if (timed) words.AddRange([TimeCommand, "-f", "%U %S %M", "-o", measures]);
            if (cores > 0 && cores < Environment.ProcessorCount && Taskset is { } taskset)
                words.AddRange([taskset, "-c", string.Create(CultureInfo.InvariantCulture, $"0-{cores - 1}")]);
            words.Add(command);
            words.AddRange(arguments);
            using var process = new Process
            {
                StartInfo = new ProcessStartInfo(words[0], words[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true },
            };
            long start = Stopwatch.GetTimestamp();
            process.Start();
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancel), error = process.StandardError.ReadToEndAsync(cancel);
            await process.WaitForExitAsync(cancel);
            double wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
            string said = await error + await output;
            if (process.ExitCode != 0) throw new InvalidOperationException($"{command} ended with exit code {process.ExitCode}:\n{said}");
            double[] numbers = timed
                ? [.. (await File.ReadAllTextAsync(measures, cancel)).Split().Where(w => w.Length > 0).Select(w => double.Parse(w, CultureInfo.InvariantCulture))]
                : [];
            return numbers.Length == 3
                ? new ChildRun(wall, numbers[0] + numbers[1], (long)numbers[2] * 1024, LastJson(said))
                : new ChildRun(wall, double.NaN, 0, LastJson(said));
        }
        finally
        {
            File.Delete(measures);
        }
    }

    private static string? Taskset => Array.Find(["/usr/bin/taskset", "/bin/taskset"], File.Exists);

    private static JsonElement? LastJson(string text)
    {
        foreach (string line in text.Split('\n').Reverse())
        {
            if (!line.StartsWith('{')) continue;
            try
            {
                using JsonDocument document = JsonDocument.Parse(line);
                return document.RootElement.Clone();
            }
            catch (JsonException)
            {
                // Not the summary.
            }
        }
        return null;
    }
}

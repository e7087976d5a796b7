using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.TestKit;

namespace Sheaf.SystemTests.Processes;

/// <summary>Several processes write one file, and are killed at random.</summary>
public sealed class SharedOutputUnderKills : IDisposable
{
    private const int Writers = 3;
    private const int Kills = 24;
    private const int LinesPerBatch = 3;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_line_is_whole_and_what_was_acknowledged_is_there_once()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("SHEAF_SEED"), out int given) ? given : Environment.TickCount;
        var chance = new Random(seed);
        string output = _folder.File("out");
        using ControlBlock control = ControlBlock.CreateShared(Writers, shards: 1);
        using OutputFile file = OutputFile.Begin(output, ExistingContent.Refuse, control, TimeProvider.System);

        var acknowledged = new ConcurrentDictionary<string, List<int>>();
        var writers = new Writer[Writers];
        for (int i = 0; i < Writers; i++) writers[i] = Start(i, first: 0);
        for (int kill = 0; kill < Kills; kill++)
        {
            int victim = chance.Next(Writers);
            int before = writers[victim].Acknowledged.Count;
            await Eventually.TrueAsync(() => writers[victim].Acknowledged.Count > before, "an acknowledgement");
            await Task.Delay(chance.Next(10));
            await writers[victim].KillAsync();
            // Numbers are never given twice: what is not acknowledged may be there or not.
            writers[victim] = Start(victim, writers[victim].Next);
        }
        foreach (Writer writer in writers) await writer.KillAsync();

        await file.FinishAsync(default);
        Assert.Equal(control.Run.OutputLength, new FileInfo(output).Length);

        var found = new HashSet<string>();
        foreach (string line in await File.ReadAllLinesAsync(output))
        {
            string[] parts = line.Split(' ');
            int number = int.Parse(parts[1], CultureInfo.InvariantCulture);
            int batch = number - (number % LinesPerBatch);
            Assert.True(parts.Length == 3 && parts[2].Length == 100_000 + (batch % 7 * 50_000) && parts[2].All(c => c == 'x'), $"a torn line of {parts[0]} {parts[1]}, seed {seed}");
            Assert.True(found.Add($"{parts[0]} {parts[1]}"), $"{parts[0]} {parts[1]} is there twice, seed {seed}");
        }
        foreach ((string writer, List<int> batches) in acknowledged)
            foreach (int batch in batches)
                for (int i = 0; i < LinesPerBatch; i++)
                    Assert.True(found.Contains(string.Create(CultureInfo.InvariantCulture, $"{writer} {batch + i}")), $"{writer} {batch + i} is lost, seed {seed}");
        Assert.NotEmpty(found);

        Writer Start(int index, int first)
        {
            string name = $"writer{index}";
            var start = new ProcessStartInfo("dotnet", [
                Path.Combine(AppContext.BaseDirectory, "Sheaf.TestWorkers.dll"), "write", output, control.SharedPath!, name, first.ToString(CultureInfo.InvariantCulture)])
            {
                RedirectStandardOutput = true,
            };
            return new Writer(Process.Start(start)!, first, acknowledged.GetOrAdd(name, _ => []));
        }
    }

    private sealed class Writer
    {
        private readonly Process _process;
        private readonly int _first;
        private readonly Task _reading;

        public Writer(Process process, int first, List<int> acknowledged)
        {
            (_process, _first, Acknowledged) = (process, first, acknowledged);
            _reading = Task.Run(async () =>
            {
                while (await _process.StandardOutput.ReadLineAsync() is { } line) acknowledged.Add(int.Parse(line, CultureInfo.InvariantCulture));
            });
        }

        /// <summary>First numbers of its batches, in all of its lives.</summary>
        public List<int> Acknowledged { get; }

        /// <summary>A number that no life has used. Beyond what it was in the middle of.</summary>
        public int Next => Math.Max(_first, Acknowledged.Count == 0 ? 0 : Acknowledged[^1]) + (10 * LinesPerBatch);

        public async Task KillAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            await _reading;
            _process.Dispose();
        }
    }
}

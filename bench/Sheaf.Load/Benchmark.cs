using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Sheaf.Load;

/// <summary>The kinds of benchmark.</summary>
internal sealed class Benchmark(LoadArguments arguments, string input, CancellationToken cancel)
{
    private const string Wc = "wc -l";
    private const string Null = "/dev/null";

    private readonly long _inputBytes = new FileInfo(input).Length;
    private readonly Measurements _seconds = new();

    /// <summary>Child processes against the floors.</summary>
    public async Task SpeedAsync()
    {
        string copy = Path.Combine(arguments.Folder, "copy.jsonl"), segments = Path.Combine(arguments.Folder, "segments.jsonl");
        Measurements.Line($"{arguments.Spans:N0} spans, {_inputBytes / 1e6:N0} MB, product on {arguments.Cores} core(s), {arguments.Rounds} rounds");
        Floors.CountLines(input, out long lines); // brings the file into the page cache
        if (lines != arguments.Spans) throw new InvalidOperationException($"{input} has {lines} lines, not {arguments.Spans}; delete it.");

        ChildRun cold = await ProductAsync(Null);
        Measurements.Line($"first run, apart: {cold.Wall:F3} s (code and memory of the machine may be cold)");
        List<ChildRun> toNull = [], toFile = [];
        for (int round = 0; round < arguments.Rounds; round++)
        {
            await FloorsAsync(copy);
            toNull.Add(await ProductAsync(Null));
            _seconds.Add("sheaf to /dev/null", toNull[^1].Wall);
            if (!arguments.WriteFiles) continue;
            File.Delete(segments);
            toFile.Add(await ProductAsync(segments));
            _seconds.Add("sheaf to a file", toFile[^1].Wall);
        }
        File.Delete(copy);
        File.Delete(segments);
        Console.WriteLine();
        _seconds.Print(Wc);
        Console.WriteLine();
        Report("sheaf to /dev/null", toNull);
        if (toFile.Count > 0) Report("sheaf to a file", toFile);
    }

    /// <summary>The pipeline in this process, warm.</summary>
    public async Task InProcessAsync()
    {
        long start = Stopwatch.GetTimestamp();
        await InProcessRun.RunAsync(input, Null, arguments.Cores, cancel);
        Measurements.Line($"first run, apart: {Stopwatch.GetElapsedTime(start).TotalSeconds:F3} s");
        var collections = new int[3];
        for (int round = 0; round < arguments.Rounds; round++)
        {
            await FloorsAsync(copy: null);
            int[] before = [GC.CollectionCount(0), GC.CollectionCount(1), GC.CollectionCount(2)];
            long allocated = GC.GetTotalAllocatedBytes(precise: true);
            start = Stopwatch.GetTimestamp();
            await InProcessRun.RunAsync(input, Null, arguments.Cores, cancel);
            _seconds.Add("in process", Stopwatch.GetElapsedTime(start).TotalSeconds);
            allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
            for (int i = 0; i < 3; i++) collections[i] += GC.CollectionCount(i) - before[i];
            Measurements.Line($"round {round + 1}: {(double)allocated / arguments.Spans:F2} B allocated per span");
        }
        _seconds.Print(Wc);
        Measurements.Line($"spans/s {arguments.Spans / _seconds.Median("in process"):N0}, collections {string.Join('/', collections)} (generations 0/1/2)");
    }

    /// <summary>All spans alive at the end of the input: no timeout comes before it, and what counts is what lies in memory then.</summary>
    public async Task MemoryAsync()
    {
        ChildRun run = await ProductAsync(Null, ["--timeout", "30d", "--root-timeout", "30d", "--max-segment-age", "0"]);
        ChildRun empty = await ChildRun.RunAsync(arguments.Sheaf, [.. ProductArguments("/dev/null", Null)], arguments.Cores, cancel);
        Measurements.Line($"{arguments.Spans:N0} spans alive, {_inputBytes / 1e6:N0} MB payload, with line ends");
        Measurements.Line($"peak resident             {run.PeakBytes / 1e6,9:N0} MB   {(double)run.PeakBytes / _inputBytes:F2} x payload");
        Measurements.Line($"without any span          {empty.PeakBytes / 1e6,9:N0} MB");
        Measurements.Line($"bytes per span over payload {(double)(run.PeakBytes - empty.PeakBytes - _inputBytes) / arguments.Spans,7:N0}");
    }

    private async Task FloorsAsync(string? copy)
    {
        _seconds.Add(Wc, (await ChildRun.RunAsync("wc", ["-l", input], cores: 1, cancel)).Wall);
        _seconds.Add("count line ends, in process", Floors.CountLines(input, out _));
        _seconds.Add("copy to /dev/null", Floors.Copy(input, Null));
        if (copy is null || !arguments.WriteFiles) return;
        File.Delete(copy);
        _seconds.Add("copy to a file", Floors.Copy(input, copy));
    }

    private Task<ChildRun> ProductAsync(string output) => ProductAsync(output, InProcessRun.Rules);

    private Task<ChildRun> ProductAsync(string output, string[] rules) =>
        ChildRun.RunAsync(arguments.Sheaf, [.. ProductArguments(input, output), .. rules], arguments.Cores, cancel);

    private string[] ProductArguments(string from, string to) =>
    [
        "process-spans", "--input", from, "--output", to, "--summary", "json", "--shards", arguments.Cores.ToString(CultureInfo.InvariantCulture),
        "--flusher-processes", arguments.Cores.ToString(CultureInfo.InvariantCulture),
    ];

    private void Report(string name, List<ChildRun> runs)
    {
        var figures = new Measurements();
        foreach (ChildRun run in runs)
        {
            figures.Add("cpu", run.Cpu);
            figures.Add("peak", run.PeakBytes);
        }
        double seconds = _seconds.Median(name);
        Measurements.Line($"{name}: {arguments.Spans / seconds:N0} spans/s, {_inputBytes / seconds / 1e6:N0} MB/s, {figures.Median("cpu") / arguments.Spans * 1e6:F2} us of processor time per span, peak {figures.Median("peak") / 1e6:N0} MB");
        if (runs[^1].Summary is { } summary && summary.TryGetProperty("gc", out JsonElement gc)) Console.WriteLine($"  gc: {gc.GetRawText()}");
    }
}

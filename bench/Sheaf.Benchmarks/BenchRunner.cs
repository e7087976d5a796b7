using System.Diagnostics;
using System.Globalization;

namespace Sheaf.Benchmarks;

/// <summary>
/// Measures named alternatives in turns within one process: A B C, A B C, … so that whatever else the machine does meets all of them. Ratios of
/// medians are what to read; single figures move with the machine. The cold round is told apart.
/// </summary>
internal sealed class BenchRunner(string title, string unit)
{
    private readonly List<(string Name, long Units, Action Work)> _alternatives = [];

    /// <summary>Adds an alternative; the first one added is what the others are compared with.</summary>
    /// <param name="units">How many units (spans, bytes) one call of <paramref name="work"/> does.</param>
    public void Add(string name, long units, Action work) => _alternatives.Add((name, units, work));

    /// <summary>Runs all alternatives and prints a table: median, fastest, cold, garbage, and the ratio to the first.</summary>
    /// <param name="rounds">Warm rounds, odd, at least 5.</param>
    /// <param name="sampleTime">
    /// About how long an alternative works in one round; default 1 ms: short enough to lie between two interruptions on a busy machine, so that the
    /// median is that of undisturbed samples.
    /// </param>
    /// <param name="warmUp">How long all alternatives run before it counts; default 3 s, in which the code comes to its last tier.</param>
    public void Run(int rounds = 501, TimeSpan? sampleTime = null, TimeSpan? warmUp = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 5);
        double sample = (sampleTime ?? TimeSpan.FromMilliseconds(1)).TotalNanoseconds;
        int count = _alternatives.Count;
        double[] cold = new double[count];
        double[] garbage = new double[count];
        int[] calls = new int[count];
        double[][] warm = new double[count][];
        for (int i = 0; i < count; i++)
        {
            cold[i] = Measure(i, 1);
            warm[i] = new double[rounds];
        }
        double[] best = (double[])cold.Clone();
        long start = Stopwatch.GetTimestamp();
        do
        {
            for (int i = 0; i < count; i++) best[i] = Math.Min(best[i], Measure(i, 1));
        }
        while (Stopwatch.GetElapsedTime(start) < (warmUp ?? TimeSpan.FromSeconds(3)));
        for (int i = 0; i < count; i++) calls[i] = (int)Math.Max(1, sample / (best[i] * _alternatives[i].Units));
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < count; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                warm[i][round] = Measure(i, calls[i]);
                garbage[i] = Math.Max(garbage[i], (GC.GetAllocatedBytesForCurrentThread() - before) / (double)(_alternatives[i].Units * calls[i]));
            }
        }
        Print(cold, warm, garbage);
    }

    private double Measure(int alternative, int calls)
    {
        (_, long units, Action work) = _alternatives[alternative];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++) work();
        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / calls / units;
    }

    private void Print(double[] cold, double[][] warm, double[] garbage)
    {
        Console.WriteLine(title);
        Console.WriteLine($"  {"",-44}{"median",12}{"fastest",12}{"cold",12}{"garbage",12}{"ratio",9}   ns (bytes) per {unit}");
        double first = 0;
        for (int i = 0; i < _alternatives.Count; i++)
        {
            Array.Sort(warm[i]);
            double median = warm[i][warm[i].Length / 2];
            if (i == 0) first = median;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {_alternatives[i].Name,-44}{median,12:F1}{warm[i][0],12:F1}{cold[i],12:F1}{garbage[i],12:F2}{median / first,9:F3}"));
        }
        Console.WriteLine();
    }
}

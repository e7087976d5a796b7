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
    /// <param name="roundTime">Least time that an alternative works in one round.</param>
    public void Run(int rounds = 11, TimeSpan? roundTime = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 5);
        TimeSpan least = roundTime ?? TimeSpan.FromMilliseconds(100);
        int count = _alternatives.Count;
        double[] cold = new double[count];
        double[] garbage = new double[count];
        double[][] warm = new double[count][];
        for (int i = 0; i < count; i++)
        {
            cold[i] = Measure(i, TimeSpan.Zero);
            warm[i] = new double[rounds];
        }
        // Two rounds of warm-up bring the code to its last tier.
        for (int round = -2; round < rounds; round++)
        {
            for (int i = 0; i < count; i++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                double time = Measure(i, least);
                if (round < 0) continue;
                warm[i][round] = time;
                garbage[i] = Math.Max(garbage[i], (GC.GetAllocatedBytesForCurrentThread() - before) / (double)_alternatives[i].Units);
            }
        }
        Print(cold, warm, garbage);
    }

    private double Measure(int alternative, TimeSpan least)
    {
        (_, long units, Action work) = _alternatives[alternative];
        long start = Stopwatch.GetTimestamp();
        int calls = 0;
        do
        {
            work();
            calls++;
        }
        while (Stopwatch.GetElapsedTime(start) < least);
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

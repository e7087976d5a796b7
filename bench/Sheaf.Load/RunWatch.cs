using System.Diagnostics;
using System.Text;

namespace Sheaf.Load;

/// <summary>What processes have used until a moment: seconds since the start, seconds of processor time, bytes that were allocated, largest resident bytes.</summary>
internal readonly record struct Sample(double Seconds, double Own, double Workers, double Redis, double Broker, long Allocated, long Peak);

/// <summary>Watches one run of <c>sheaf process-spans</c> and those that serve it. Samples may be taken on any thread.</summary>
/// <param name="broker">0: not known.</param>
/// <param name="allocations">The folder of <see cref="StartupHook"/>.</param>
internal sealed class RunWatch(Process sheaf, int broker, int redis, string allocations)
{
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>When <see cref="ReadErrorAsync"/> has seen the line.</summary>
    public Sample Began { get; private set; }

    public bool HasEnded => sheaf.HasExited;

    public double Seconds => Stopwatch.GetElapsedTime(_start).TotalSeconds;

    public Sample Take()
    {
        int[] workers = [.. ProcessMeter.Children(sheaf.Id)];
        return new Sample(
            Seconds, ProcessMeter.Cpu(sheaf.Id), workers.Sum(ProcessMeter.Cpu), ProcessMeter.Cpu(redis), ProcessMeter.Cpu(broker),
            StartupHook.Allocated(allocations, sheaf.Id) + workers.Sum(w => StartupHook.Allocated(allocations, w)), ProcessMeter.PeakBytes(sheaf.Id) + workers.Sum(ProcessMeter.PeakBytes));
    }

    /// <summary>All that it says on standard error. Takes <see cref="Began"/> at the first line that has the text in it.</summary>
    public async Task<string> ReadErrorAsync(string text)
    {
        var said = new StringBuilder();
        bool began = false;
        while (await sheaf.StandardError.ReadLineAsync() is { } line)
        {
            if (!began && (began = line.Contains(text, StringComparison.Ordinal))) Began = Take();
            said.Append(line).Append('\n');
        }
        return said.ToString();
    }
}

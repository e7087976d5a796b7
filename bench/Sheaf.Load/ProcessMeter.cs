using System.Globalization;

namespace Sheaf.Load;

/// <summary>What the kernel says of a process: read from <c>/proc</c>, so Linux only; 0 for one that is gone.</summary>
internal static class ProcessMeter
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on

    /// <summary>User and system time of all its threads, in seconds, in steps of 10 ms.</summary>
    public static double Cpu(int process)
    {
        string[] fields = Stat(process);
        return fields.Length == 0 ? 0 : (Number(fields[11]) + Number(fields[12])) / TicksPerSecond;
    }

    /// <summary>Most resident memory that it has had, in bytes.</summary>
    public static long PeakBytes(int process)
    {
        string? line = Lines($"/proc/{process}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return line is null ? 0 : Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]) * 1024;
    }

    /// <summary>Its child processes.</summary>
    public static IEnumerable<int> Children(int process) => Directory.Exists("/proc")
        ? Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : 0)
            .Where(id => id != 0 && Stat(id) is { Length: > 1 } fields && Number(fields[1]) == process)
        : [];

    // From the state on; what comes before, the name, may have spaces and brackets.
    private static string[] Stat(int process) => Lines($"/proc/{process}/stat") is [{ } line, ..] ? line[(line.LastIndexOf(')') + 2)..].Split(' ') : [];

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (IOException)
        {
            return []; // it has ended
        }
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}

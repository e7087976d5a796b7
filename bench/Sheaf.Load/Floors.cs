using System.Diagnostics;

namespace Sheaf.Load;

/// <summary>The least that any program must do with these bytes. Seconds of wall time each; the file is in the page cache by then.</summary>
internal static class Floors
{
    private const int BlockBytes = 1 << 18;

    /// <summary>Reads the file and counts its line ends, as <c>wc -l</c> does.</summary>
    public static double CountLines(string path, out long lines)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] block = new byte[BlockBytes];
        lines = 0;
        using FileStream file = File.OpenRead(path);
        for (int read; (read = file.Read(block)) > 0;) lines += block.AsSpan(0, read).Count((byte)'\n');
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Copies the file's bytes through memory into another.</summary>
    public static double Copy(string from, string to)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] block = new byte[BlockBytes];
        using FileStream file = File.OpenRead(from);
        using var copy = new FileStream(to, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        for (int read; (read = file.Read(block)) > 0;) copy.Write(block.AsSpan(0, read));
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}

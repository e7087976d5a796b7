using System.Globalization;
using Sheaf.Dev;

namespace Sheaf.Load;

/// <summary>The generated file: made once, used again by later runs.</summary>
internal static class Input
{
    /// <summary>Makes the file if it is not there yet; its path. A file that is half made never has its name.</summary>
    public static async Task<string> EnsureAsync(string folder, long spans, CancellationToken cancel)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"spans-{spans}.jsonl"));
        if (File.Exists(path)) return path;
        Console.WriteLine($"generating {path}");
        var generator = new SpanGenerator(new LoadOptions { Spans = spans });
        await using (FileStream file = File.Create(path + ".part"))
        {
            for (ReadOnlyMemory<byte> block; !(block = generator.NextBlock()).IsEmpty;) await file.WriteAsync(block, cancel);
        }
        File.Move(path + ".part", path);
        return path;
    }
}

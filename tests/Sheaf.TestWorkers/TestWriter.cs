using System.Globalization;
using System.Text;
using Sheaf.Files;
using Sheaf.Flushing;

namespace Sheaf.TestWorkers;

/// <summary>Writes to a shared output until it is killed: batches of three lines <c>WRITER NUMBER FILLING</c>.</summary>
internal static class TestWriter
{
    public const int LinesPerBatch = 3;

    public static async Task RunAsync(string output, ControlBlock control, string writer, int first)
    {
        using OutputFile file = OutputFile.Join(output, control, TimeProvider.System);
        Stream told = Console.OpenStandardOutput();
        for (int number = first; ; number += LinesPerBatch)
        {
            // Large, so that a kill falls into a write.
            var lines = new StringBuilder();
            for (int i = 0; i < LinesPerBatch; i++)
                lines.Append(CultureInfo.InvariantCulture, $"{writer} {number + i} ").Append('x', 100_000 + (number % 7 * 50_000)).Append('\n');
            await file.AppendAsync(Encoding.UTF8.GetBytes(lines.ToString()), () => { }, CancellationToken.None);
            told.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}\n")));
        }
    }
}

using System.Text;
using System.Text.Json;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Which spans are in a file, where what they were cut into does not matter.</summary>
internal static class SpanIds
{
    /// <summary>Every usable span of the load is in one of the outputs, and no other is.</summary>
    public static void AssertAll(SharedLoad load, string about, params IEnumerable<string> outputs)
    {
        HashSet<string> expected = OfInput(File.ReadAllBytes(load.Input), load.DeadLetterLines);
        HashSet<string> produced = OfOutput(string.Concat(outputs.Select(File.ReadAllText)));
        string[] lost = [.. expected.Except(produced)], strange = [.. produced.Except(expected)];
        Assert.True(lost.Length == 0, $"{lost.Length} spans of {expected.Count} are lost, {lost.FirstOrDefault()} for one\n{about}");
        Assert.Empty(strange);
    }

    /// <summary>The spans of an input, each once, without the lines that are unusable.</summary>
    private static HashSet<string> OfInput(byte[] input, IEnumerable<long> unusable)
    {
        var without = new HashSet<long>(unusable);
        var ids = new HashSet<string>();
        long number = 0;
        foreach (string line in Encoding.UTF8.GetString(input).TrimEnd('\n').Split('\n'))
        {
            if (without.Contains(++number)) continue;
            using JsonDocument span = JsonDocument.Parse(line);
            ids.Add(IdOf(span.RootElement));
        }
        return ids;
    }

    /// <summary>The spans of the messages of an output (with headers), each once.</summary>
    private static HashSet<string> OfOutput(string output)
    {
        var ids = new HashSet<string>();
        foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument message = JsonDocument.Parse(line);
            foreach (JsonElement span in message.RootElement.GetProperty("value").GetProperty("spans").EnumerateArray()) ids.Add(IdOf(span));
        }
        return ids;
    }

    private static string IdOf(JsonElement span) => $"{span.GetProperty("trace_id").GetString()!.Replace("-", "", StringComparison.Ordinal)}/{span.GetProperty("span_id").GetString()}";
}

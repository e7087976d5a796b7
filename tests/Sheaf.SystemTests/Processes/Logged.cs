using System.Globalization;

namespace Sheaf.SystemTests.Processes;

/// <summary>Log events in what a process has written to standard error, by id: their words may change.</summary>
internal static class Logged
{
    /// <summary>The lines of this event.</summary>
    public static string[] Lines(string error, int eventId)
    {
        string id = string.Create(CultureInfo.InvariantCulture, $" {eventId}: ");
        return [.. error.Split('\n').Where(line => line.Contains(id, StringComparison.Ordinal) && IsEvent(line, id))];
    }

    public static int Count(string error, int eventId) => Lines(error, eventId).Length;

    // time level category id: text. Progress may stand before it on a terminal.
    private static bool IsEvent(string line, string id) => line[..line.IndexOf(id, StringComparison.Ordinal)].Split(' ') is [.., { Length: >= 24 }, _, _];
}

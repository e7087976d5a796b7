using System.Globalization;

namespace Sheaf.DeadLetters;

/// <summary>Where a dead letter is kept: a place in a topic, or a line of a file.</summary>
/// <param name="Partition">-1 in a file.</param>
/// <param name="Offset">In a file the line, from 1.</param>
internal readonly record struct LetterPlace(int Partition, long Offset)
{
    public static LetterPlace Line(long number) => new(-1, number);

    public bool IsLine => Partition < 0;

    /// <summary>Reads <c>PARTITION:OFFSET</c>, or a line number.</summary>
    public static bool TryParse(string text, out LetterPlace place)
    {
        string[] parts = text.Split(':');
        int partition = -1;
        long offset = 0;
        bool isPlace = parts.Length <= 2
            && long.TryParse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture, out offset)
            && (parts.Length == 1 || int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out partition));
        place = isPlace ? new LetterPlace(partition, offset) : default;
        return isPlace;
    }

    public override string ToString() => IsLine ? Offset.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{Partition}:{Offset}");
}

/// <summary>A dead letter read back from where it was kept. What it does not say is empty or null: others may write there too. Immutable.</summary>
internal sealed record KeptLetter
{
    public required LetterPlace Place { get; init; }

    /// <summary>When it was written.</summary>
    public DateTimeOffset? Time { get; init; }

    public string Reason { get; init; } = "";

    public string Field { get; init; } = "";

    public string Error { get; init; } = "";

    /// <summary>The topic or the file that the message came from.</summary>
    public string Source { get; init; } = "";

    public int? SourcePartition { get; init; }

    /// <summary>Of a file: the line.</summary>
    public long? SourceOffset { get; init; }

    /// <summary>How long the message was, where only its beginning is kept.</summary>
    public long? TruncatedFrom { get; init; }

    /// <summary>The message byte for byte.</summary>
    public required byte[] Message { get; init; }

    /// <summary>Where the message came from, as <c>ingest-spans:3:1234</c>; empty where it is not known.</summary>
    public string SourceText => Source.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{Source}:{SourcePartition}:{SourceOffset}");
}

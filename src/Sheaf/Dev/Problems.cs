namespace Sheaf.Dev;

/// <summary>What can be wrong with a run. Names are printed in words: <c>LostSpan</c> as "lost span".</summary>
public enum ProblemKind
{
    /// <summary>A line of the output is not a whole message.</summary>
    TornMessage,

    /// <summary>A message lacks <c>flush_id</c> or <c>spans</c>, has no spans, or is not of the agreed form.</summary>
    MalformedMessage,

    /// <summary>A span of the input is in no segment.</summary>
    LostSpan,

    /// <summary>A span came out more often than it was delivered, in different messages or in one.</summary>
    SpanTwice,

    /// <summary>A span of the output is not in the input.</summary>
    ForeignSpan,

    /// <summary>A span came out with other content, apart from the two edits.</summary>
    ChangedPayload,

    /// <summary>Spans of several projects, traces or segments are in one message.</summary>
    MixedSegments,

    /// <summary><c>is_segment</c> is not true for exactly the span that has the segment's id.</summary>
    WrongIsSegment,

    /// <summary><c>attributes["sentry.segment.id"]</c> is not the segment's id, or not what the span brought with it.</summary>
    WrongSegmentId,

    /// <summary>A header disagrees with the message.</summary>
    WrongHeader,

    /// <summary>The same flush id stands for different content, or a message was repeated where that is not allowed.</summary>
    RepeatedMessage,

    /// <summary>The segments are not those expected.</summary>
    WrongGrouping,

    /// <summary>A line that cannot be used is not among the dead letters, or the other way round.</summary>
    WrongDeadLetter,
}

/// <summary>Counts problems and keeps the first ones in words. One thread.</summary>
public sealed class Problems
{
    /// <summary>How many are kept in words.</summary>
    public const int Kept = 10;

    private readonly List<string> _first = [];
    private readonly SortedDictionary<ProblemKind, long> _counts = [];

    public long Count { get; private set; }

    /// <summary>How many there are of each kind that there is.</summary>
    public IReadOnlyDictionary<ProblemKind, long> Counts => _counts;

    /// <summary>The first <see cref="Kept"/>, in the order in which they were found.</summary>
    public IReadOnlyList<string> First => _first;

    internal void Add(ProblemKind kind, string place, string what)
    {
        Count++;
        _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
        if (_first.Count < Kept) _first.Add($"{place}: {InWords(kind)}: {what}");
    }

    internal static string InWords(ProblemKind kind) =>
        string.Concat(kind.ToString().Select((c, i) => char.IsUpper(c) ? (i == 0 ? "" : " ") + char.ToLowerInvariant(c) : c.ToString()));
}

using System.Collections.Frozen;

namespace Sheaf.DeadLetters;

/// <summary>Which dead letters are meant. Immutable.</summary>
/// <param name="Reasons">Empty: any.</param>
/// <param name="SourcePartitions">Empty: any.</param>
/// <param name="Since">Written then or later.</param>
/// <param name="Until">Written before.</param>
internal sealed record LetterFilter(FrozenSet<string> Reasons, FrozenSet<long> SourcePartitions, DateTimeOffset? Since, DateTimeOffset? Until)
{
    /// <summary>A letter that does not say what is asked for does not match.</summary>
    public bool Matches(KeptLetter letter) =>
        (Reasons.Count == 0 || Reasons.Contains(letter.Reason))
        && (SourcePartitions.Count == 0 || (letter.SourcePartition is { } partition && SourcePartitions.Contains(partition)))
        && (Since is null || letter.Time >= Since)
        && (Until is null || letter.Time < Until);
}

using Sheaf.Ingesting;

namespace Sheaf.Commands;

/// <summary>Why the input pauses, for people.</summary>
internal static class PauseText
{
    private static readonly (PauseReasons Reason, string Long, string Short)[] s_words =
    [
        (PauseReasons.Backpressure, "a flusher worker is behind", "behind"),
        (PauseReasons.BufferFull, "the buffer is full", "full"),
        (PauseReasons.BufferUnavailable, "the buffer is away", "away"),
    ];

    /// <summary><c>the buffer is full, a flusher worker is behind</c>.</summary>
    public static string Long(PauseReasons reasons) => string.Join(", ", s_words.Where(word => reasons.HasFlag(word.Reason)).Select(word => word.Long));

    /// <summary><c>full, behind</c>.</summary>
    public static string Short(PauseReasons reasons) => string.Join(", ", s_words.Where(word => reasons.HasFlag(word.Reason)).Select(word => word.Short));
}

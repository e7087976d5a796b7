namespace Sheaf.Configuration;

/// <summary>What happens when the buffer is full.</summary>
internal enum BufferFullPolicy
{
    /// <summary>The input waits until flushing has made room.</summary>
    Pause,

    /// <summary>The oldest segments leave early, with the reason <c>buffer_full</c>; the input goes on.</summary>
    FlushOldest,
}

/// <summary>When progress is shown.</summary>
internal enum ProgressMode
{
    /// <summary>Where standard error is a terminal.</summary>
    Auto,
    Always,
    Never,
}

/// <summary>How the end of a run is told on standard error.</summary>
internal enum SummaryFormat
{
    Text,

    /// <summary>One line of JSON.</summary>
    Json,
    None,
}

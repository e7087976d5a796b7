namespace Sheaf.Configuration;

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

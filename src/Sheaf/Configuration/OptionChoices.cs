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

/// <summary>How log events are written.</summary>
internal enum LogFormat
{
    Text,

    /// <summary>Each is one JSON object, with the fields of the event.</summary>
    Json,
}

/// <summary>What flusher workers are.</summary>
internal enum FlusherIsolation
{
    /// <summary>Threads of this process.</summary>
    Thread,

    /// <summary>Operating-system processes.</summary>
    Process,
}

/// <summary>What to do with what an earlier run has left in the buffer.</summary>
internal enum EarlierRun
{
    /// <summary>Refuse to start.</summary>
    Refuse,

    /// <summary>Go on with it.</summary>
    Resume,

    /// <summary>Throw it away.</summary>
    Discard,

    /// <summary>Let it leave, and read nothing.</summary>
    Drain,
}

/// <summary>How often a segment is in the output after faults.</summary>
internal enum DeliveryGuarantee
{
    /// <summary>A crash repeats segments, with the flush ids that they had.</summary>
    AtLeastOnce,

    /// <summary>Nothing is repeated, for consumers that read what is committed.</summary>
    ExactlyOnce,
}

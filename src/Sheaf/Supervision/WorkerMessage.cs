namespace Sheaf.Supervision;

/// <summary>
/// What a worker process says: one line of JSON on its standard error, with one of these. Lines of any other form are not from the worker but from what
/// runs it: the runtime's last words, say.
/// </summary>
internal sealed record WorkerMessage
{
    /// <summary>Longest line in bytes; what is longer is cut off. The writer stays below it.</summary>
    public const int MaxBytes = 1 << 16;

    /// <summary>Most characters of a text, so that a line stays below <see cref="MaxBytes"/> whatever has to be escaped (6 bytes each).</summary>
    public const int MaxText = 4000;

    /// <summary>Most messages of one measured batch.</summary>
    public const int MaxMeasured = 2000;

    public WorkerEvent? Log { get; init; }

    public MeasuredBatch? Measured { get; init; }

    /// <summary>Its last message when it could not go on: why, the first line being the gist.</summary>
    public string? Failure { get; init; }
}

/// <summary>A log event.</summary>
/// <param name="Level">Number of the log level.</param>
/// <param name="Error">The exception's text, if there is one.</param>
internal sealed record WorkerEvent(int Level, string Category, int Id, string Text, string? Error = null);

/// <summary>What was measured of a batch that the output has acknowledged, or of a part of its messages.</summary>
/// <param name="Sizes">Bytes of each message.</param>
/// <param name="Spans">Spans of each message.</param>
/// <param name="Waited">Seconds until the acknowledgement; null in all parts but the first.</param>
internal sealed record MeasuredBatch(int[] Sizes, int[] Spans, double? Waited = null);

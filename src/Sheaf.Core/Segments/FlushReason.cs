namespace Sheaf.Segments;

/// <summary>Why a segment closed. One list for headers, metric tags, logs and docs.</summary>
public enum FlushReason : byte
{
    /// <summary>Its root is there and nothing came for <c>root-timeout</c>.</summary>
    RootTimeout,

    /// <summary>Its root never came, and nothing else did for <c>timeout</c>.</summary>
    IdleTimeout,

    /// <summary><c>max-segment-age</c> after its first span.</summary>
    MaxAge,

    /// <summary>It grew past <c>max-segment-bytes</c>.</summary>
    MaxBytes,

    /// <summary>The buffer was full and the oldest segments were flushed early.</summary>
    BufferFull,

    /// <summary>The input ended.</summary>
    Shutdown,
}

/// <summary>How reasons are written outside the process: headers, tags, logs. Frozen by a test.</summary>
public static class FlushReasons
{
    /// <summary>The reason in snake case.</summary>
    public static string Text(this FlushReason reason) => reason switch
    {
        FlushReason.RootTimeout => "root_timeout",
        FlushReason.IdleTimeout => "idle_timeout",
        FlushReason.MaxAge => "max_age",
        FlushReason.MaxBytes => "max_bytes",
        FlushReason.BufferFull => "buffer_full",
        FlushReason.Shutdown => "shutdown",
    };
}

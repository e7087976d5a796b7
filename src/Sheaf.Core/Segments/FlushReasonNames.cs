namespace Sheaf.Segments;

/// <summary>The names of flush reasons outside of the process: in segments' fields, metric tags, logs and docs. Frozen.</summary>
public static class FlushReasonNames
{
    /// <summary>The reason in snake case.</summary>
    public static string Name(this FlushReason reason) => reason switch
    {
        FlushReason.RootTimeout => "root_timeout",
        FlushReason.IdleTimeout => "idle_timeout",
        FlushReason.MaxAge => "max_age",
        FlushReason.MaxBytes => "max_bytes",
        FlushReason.BufferFull => "buffer_full",
        FlushReason.Shutdown => "shutdown",
    };
}

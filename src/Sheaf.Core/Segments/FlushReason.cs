namespace Sheaf.Segments;

/// <summary>Why a segment closed. One list for segments' fields, metric tags, logs and docs.</summary>
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

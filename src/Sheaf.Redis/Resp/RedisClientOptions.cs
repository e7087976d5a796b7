namespace Sheaf.Redis.Resp;

/// <summary>How a client behaves towards every server. Immutable.</summary>
public sealed record RedisClientOptions
{
    /// <summary>Until a connection is open and greeted; then the next address is tried. Default 5 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// For one batch from its start to its last reply, repetitions and waits for a server that restarts included. Default 30 s: a cluster with its
    /// default node time-out of 15 s has replaced a dead primary by then.
    /// </summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>3, or 2. A server that refuses 3 is spoken to in 2.</summary>
    public int Protocol { get; init; } = 3;

    /// <summary>Loaded on every new connection, and again when a server has forgotten them.</summary>
    public IReadOnlyList<RespScript> Scripts { get; init; } = [];

    /// <summary>Most memory that the replies to one batch may take, per node. Default 1 GiB.</summary>
    public long MaxReplyBytes { get; init; } = 1L << 30;

    /// <summary>Shown by <c>CLIENT LIST</c>; empty = none. No spaces.</summary>
    public string ClientName { get; init; } = "";

    /// <summary>Every time-out and wait counts by it.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        if (ConnectTimeout <= TimeSpan.Zero) throw new ArgumentException($"{nameof(ConnectTimeout)} is {ConnectTimeout}; it must be positive");
        if (OperationTimeout <= TimeSpan.Zero) throw new ArgumentException($"{nameof(OperationTimeout)} is {OperationTimeout}; it must be positive");
        if (Protocol is not (2 or 3)) throw new ArgumentException($"{nameof(Protocol)} is {Protocol}; it must be 2 or 3");
        if (MaxReplyBytes < 1024) throw new ArgumentException($"{nameof(MaxReplyBytes)} is {MaxReplyBytes}; it must be at least 1024");
        if (ClientName.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
            throw new ArgumentException($"{nameof(ClientName)} is \"{ClientName}\"; it must be printable ASCII without spaces");
    }
}

namespace Sheaf.Redis.Resp;

/// <summary>What is said first on every new connection. Immutable; the owner of <see cref="Tls"/> is the client.</summary>
internal sealed record ConnectionSettings
{
    public required RedisClientOptions Options { get; init; }

    /// <summary>The address without its passwords, for messages.</summary>
    public required string Place { get; init; }
    public string User { get; init; } = "";
    public string Password { get; init; } = "";
    public int Database { get; init; }
    public TlsCredentials? Tls { get; init; }

    /// <summary>Refuse a server that is a replica: an outdated answer of a sentinel.</summary>
    public bool MustBePrimary { get; init; }
}

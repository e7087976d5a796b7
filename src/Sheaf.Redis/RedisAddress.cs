using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Sheaf.Redis;

/// <summary>Which files and names TLS is spoken with. Empty paths are for what the system decides.</summary>
/// <param name="CaFile">PEM file of the authorities that are trusted instead of the system's.</param>
/// <param name="CertificateFile">PEM file of the client's certificate.</param>
/// <param name="KeyFile">PEM file of its private key.</param>
/// <param name="Host">The name that the server's certificate must have, where it is not the host connected to.</param>
public sealed record RedisTls(string CaFile = "", string CertificateFile = "", string KeyFile = "", string Host = "");

/// <summary>
/// Where Redis is, and who we are there. Immutable. Forms: <c>redis://[user:password@]host[:port][/db]</c>, <c>unix://[user:password@]/path.sock[?db=N]</c>,
/// <c>redis-cluster://[user:password@]host[:port],…</c>, <c>redis-sentinel://[user:password@]host[:port],…[/db]?service=NAME</c>; with TLS
/// <c>rediss://</c>, <c>rediss-cluster://</c>, <c>rediss-sentinel://</c>.
/// </summary>
public abstract record RedisAddress
{
    internal const int DefaultPort = 6379;
    internal const int DefaultSentinelPort = 26379;

    private RedisAddress()
    {
    }

    /// <summary>Empty = the server's default user.</summary>
    public string User { get; init; } = "";

    /// <summary>Empty = none.</summary>
    public string Password { get; init; } = "";

    /// <summary>Null = no TLS.</summary>
    public RedisTls? Tls { get; init; }

    /// <summary>The address with its passwords. <see cref="TryParse"/> takes it.</summary>
    public string Text => Write(password => Uri.EscapeDataString(password));

    /// <summary>The address for logs and messages: passwords are <c>***</c>.</summary>
    public string RedactedText => Write(_ => "***");

    /// <summary>The same as <see cref="RedactedText"/>, so that no log shows a password by accident.</summary>
    public sealed override string ToString() => RedactedText;

    /// <summary>Reads an address.</summary>
    /// <param name="problem">What is wrong with it and the way out; no password is in it.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out RedisAddress? address, [NotNullWhen(false)] out string? problem) =>
        RedisAddressReader.TryRead(text, out address, out problem);

    private protected abstract string Scheme { get; }

    /// <summary>What stands between the credentials and the query.</summary>
    private protected abstract string Place { get; }

    private protected virtual void AddQuery(List<(string Key, string Value)> query, Func<string, string> writePassword)
    {
    }

    private string Write(Func<string, string> writePassword)
    {
        var text = new StringBuilder(Scheme).Append("://");
        if (User != "" || Password != "")
        {
            text.Append(Uri.EscapeDataString(User));
            if (Password != "") text.Append(':').Append(writePassword(Password));
            text.Append('@');
        }
        text.Append(Place);

        var query = new List<(string Key, string Value)>();
        AddQuery(query, writePassword);
        if (Tls is { } tls)
            foreach ((string key, string value) in new[] { ("ca", tls.CaFile), ("cert", tls.CertificateFile), ("key", tls.KeyFile), ("tls-host", tls.Host) })
                if (value != "") query.Add((key, Uri.EscapeDataString(value)));
        char separator = '?';
        foreach ((string key, string value) in query)
        {
            text.Append(separator).Append(key).Append('=').Append(value);
            separator = '&';
        }
        return text.ToString();
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>One server over TCP.</summary>
    public sealed record Standalone(HostPort Server, int Database) : RedisAddress
    {
        private protected override string Scheme => Tls is null ? "redis" : "rediss";

        private protected override string Place => Database == 0 ? $"{Server}" : $"{Server}/{Number(Database)}";
    }

    /// <summary>One server over a Unix domain socket.</summary>
    public sealed record UnixSocket(string Path, int Database) : RedisAddress
    {
        private protected override string Scheme => "unix";

        private protected override string Place => Uri.EscapeDataString(Path).Replace("%2F", "/", StringComparison.Ordinal);

        private protected override void AddQuery(List<(string Key, string Value)> query, Func<string, string> writePassword)
        {
            if (Database != 0) query.Add(("db", Number(Database)));
        }
    }

    /// <summary>A cluster, found through any of its nodes.</summary>
    public sealed record Cluster(IReadOnlyList<HostPort> Seeds) : RedisAddress
    {
        private protected override string Scheme => Tls is null ? "redis-cluster" : "rediss-cluster";

        private protected override string Place => string.Join(',', Seeds);
    }

    /// <summary>The primary of a service, as its sentinels name it.</summary>
    public sealed record Sentinel(IReadOnlyList<HostPort> Sentinels, string Service, int Database) : RedisAddress
    {
        /// <summary>At the sentinels; empty = their default user.</summary>
        public string SentinelUser { get; init; } = "";

        /// <summary>At the sentinels; empty = none.</summary>
        public string SentinelPassword { get; init; } = "";

        private protected override string Scheme => Tls is null ? "redis-sentinel" : "rediss-sentinel";

        private protected override string Place => Database == 0 ? string.Join(',', Sentinels) : $"{string.Join(',', Sentinels)}/{Number(Database)}";

        private protected override void AddQuery(List<(string Key, string Value)> query, Func<string, string> writePassword)
        {
            query.Add(("service", Uri.EscapeDataString(Service)));
            if (SentinelUser != "") query.Add(("sentinel-user", Uri.EscapeDataString(SentinelUser)));
            if (SentinelPassword != "") query.Add(("sentinel-password", writePassword(SentinelPassword)));
        }
    }
}

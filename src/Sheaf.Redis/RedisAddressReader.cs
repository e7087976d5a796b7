using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Sheaf.Redis;

/// <summary>Reads the text of a <see cref="RedisAddress"/>. Its problems name the part, the value and the way out, and never show a password.</summary>
internal sealed class RedisAddressReader
{
    private const string Forms =
        "use redis://host:port/db, unix:///path.sock, redis-cluster://host:port,host:port or redis-sentinel://host:port,host:port/db?service=NAME (TLS: rediss://, rediss-cluster://, rediss-sentinel://)";

    private static readonly string[] TlsKeys = ["ca", "cert", "key", "tls-host"];
    private static readonly string[] SentinelKeys = ["service", "sentinel-user", "sentinel-password"];

    private static readonly SearchValues<char> NotInHosts = SearchValues.Create(" /@[]:");

    private readonly Dictionary<string, string> _query = new(StringComparer.Ordinal);
    private string _user = "";
    private string _password = "";
    private string _place = "";

    public static bool TryRead(string text, [NotNullWhen(true)] out RedisAddress? address, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            address = new RedisAddressReader().Read(text);
            problem = null;
            return true;
        }
        catch (FormatException e)
        {
            address = null;
            problem = e.Message;
            return false;
        }
    }

    private RedisAddress Read(string text)
    {
        int end = text.IndexOf("://", StringComparison.Ordinal);
        if (end < 0) throw new FormatException($"a Redis address begins with its form and \"://\"; {Forms}");
        string scheme = text[..end];
        bool isSecure = scheme.StartsWith("rediss", StringComparison.Ordinal);
        string kind = isSecure ? "redis" + scheme["rediss".Length..] : scheme;
        string[] keys = kind switch
        {
            "redis" or "redis-cluster" => [],
            "redis-sentinel" => SentinelKeys,
            "unix" => ["db"],
            _ => throw new FormatException($"\"{scheme}://\" is no form of a Redis address; {Forms}"),
        };
        Split(text[(end + 3)..], isPath: kind == "unix");
        CheckQuery(isSecure ? [.. keys, .. TlsKeys] : keys, scheme);

        RedisAddress address = kind switch
        {
            "redis" => ReadStandalone(),
            "unix" => ReadUnixSocket(),
            "redis-cluster" => ReadCluster(scheme),
            _ => ReadSentinel(scheme),
        };
        return address with { User = _user, Password = _password, Tls = isSecure ? ReadTls() : null };
    }

    /// <summary>Credentials, place and query.</summary>
    private void Split(string rest, bool isPath)
    {
        int mark = rest.IndexOf('?', StringComparison.Ordinal);
        string query = mark < 0 ? "" : rest[(mark + 1)..];
        if (mark >= 0) rest = rest[..mark];
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        int at = (slash < 0 ? rest : rest[..slash]).LastIndexOf('@');
        if (!isPath && rest.LastIndexOf('@') > at || query.Contains('@', StringComparison.Ordinal))
            throw new FormatException("an \"@\" stands where none may be: write @, / and ? in a user, a password or a value as %40, %2F and %3F");
        if (at >= 0)
        {
            string credentials = rest[..at];
            int colon = credentials.IndexOf(':', StringComparison.Ordinal);
            _user = Decode(colon < 0 ? credentials : credentials[..colon], "user");
            _password = colon < 0 ? "" : Decode(credentials[(colon + 1)..], "password");
            if (_user != "" && _password == "")
                throw new FormatException("a user stands without a password; write user:password@, or :password@ for the default user");
        }
        _place = rest[(at + 1)..];
        foreach (string pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) throw new FormatException("behind the \"?\" stands something without a name and \"=\"; write ?name=value&name=value");
            string key = pair[..equals];
            string value = Decode(pair[(equals + 1)..], key);
            if (value == "") throw new FormatException($"\"{key}=\" has no value; give one, or leave the key out");
            if (!_query.TryAdd(key, value)) throw new FormatException($"\"{key}=\" stands twice; write it once");
        }
    }

    private void CheckQuery(string[] known, string scheme)
    {
        foreach (string key in _query.Keys)
        {
            if (known.Contains(key)) continue;
            if (TlsKeys.Contains(key)) throw new FormatException($"\"{key}=\" needs TLS; {scheme}:// has none, write {SecureForm(scheme)} or leave it out");
            string keys = known.Length == 0 ? "it has none" : $"it has {string.Join(", ", known)}";
            throw new FormatException($"\"{key}=\" is unknown for {scheme}://; {keys}");
        }
    }

    private static string SecureForm(string scheme) =>
        scheme.StartsWith("redis", StringComparison.Ordinal) ? $"rediss{scheme["redis".Length..]}://" : "rediss://host:port";

    private RedisAddress.Standalone ReadStandalone()
    {
        (string hosts, int database) = SplitDatabase();
        HostPort[] servers = ReadHosts(hosts, RedisAddress.DefaultPort);
        if (servers.Length != 1)
            throw new FormatException($"redis:// takes one server, not {servers.Length}; for several write redis-cluster:// or redis-sentinel://");
        return new RedisAddress.Standalone(servers[0], database);
    }

    private RedisAddress.UnixSocket ReadUnixSocket()
    {
        string path = Decode(_place, "path");
        if (path.Length < 2 || path[0] != '/') throw new FormatException($"the path \"{path}\" of the socket is not absolute; write unix:///path/to/redis.sock");
        const int Most = 107; // sockaddr_un, less its final 0
        if (Encoding.UTF8.GetByteCount(path) > Most) throw new FormatException($"the path \"{path}\" of the socket is longer than {Most} bytes; use a shorter one");
        return new RedisAddress.UnixSocket(path, _query.TryGetValue("db", out string? db) ? ReadDatabase(db) : 0);
    }

    private RedisAddress.Cluster ReadCluster(string scheme)
    {
        (string hosts, int database) = SplitDatabase();
        if (database != 0) throw new FormatException($"a cluster has no database but 0; leave the \"/{database}\" of {scheme}:// out");
        return new RedisAddress.Cluster(ReadHosts(hosts, RedisAddress.DefaultPort));
    }

    private RedisAddress.Sentinel ReadSentinel(string scheme)
    {
        (string hosts, int database) = SplitDatabase();
        if (!_query.TryGetValue("service", out string? service))
            throw new FormatException($"{scheme}:// needs the name of the service that the sentinels watch; add ?service=NAME");
        string user = _query.GetValueOrDefault("sentinel-user", "");
        string password = _query.GetValueOrDefault("sentinel-password", "");
        if (user != "" && password == "") throw new FormatException("\"sentinel-user=\" stands without a password; add sentinel-password=");
        return new RedisAddress.Sentinel(ReadHosts(hosts, RedisAddress.DefaultSentinelPort), service, database) { SentinelUser = user, SentinelPassword = password };
    }

    private RedisTls ReadTls()
    {
        var tls = new RedisTls(
            _query.GetValueOrDefault("ca", ""), _query.GetValueOrDefault("cert", ""), _query.GetValueOrDefault("key", ""), _query.GetValueOrDefault("tls-host", ""));
        if (tls.CertificateFile == "" != (tls.KeyFile == ""))
            throw new FormatException($"\"{(tls.KeyFile == "" ? "cert" : "key")}=\" stands alone; a client certificate needs cert=PATH and key=PATH");
        return tls;
    }

    private (string Hosts, int Database) SplitDatabase()
    {
        int slash = _place.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0) return (_place, 0);
        string database = _place[(slash + 1)..];
        return (_place[..slash], database == "" ? 0 : ReadDatabase(database));
    }

    private static int ReadDatabase(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int database)
            ? database
            : throw new FormatException($"the database \"{text}\" is no number from 0");

    private static HostPort[] ReadHosts(string hosts, int defaultPort) => [.. hosts.Split(',').Select(text => ReadHost(text, defaultPort))];

    private static HostPort ReadHost(string text, int defaultPort)
    {
        int end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1 : text.IndexOf(':', StringComparison.Ordinal);
        if (end < 0) end = text.Length;
        string host = text[..end];
        if (text.StartsWith('['))
        {
            if (end == 0 || !System.Net.IPAddress.TryParse(host, out System.Net.IPAddress? ip))
                throw new FormatException($"\"{text}\" is no IPv6 address in brackets; write [::1]:6379");
            host = ip.ToString();
        }
        else
        {
            host = Decode(host, "host");
        }
        if (host == "" || (!text.StartsWith('[') && host.AsSpan().ContainsAny(NotInHosts)))
            throw new FormatException($"the host \"{host}\" cannot be one; write host:port, and IPv6 addresses in brackets");
        string port = text[end..];
        if (port == "") return new HostPort(host, defaultPort);
        if (port[0] == ':' && int.TryParse(port[1..], NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and < 65536)
            return new HostPort(host, number);
        throw new FormatException($"the port \"{port.TrimStart(':')}\" of \"{host}\" is no number from 1 to 65535; IPv6 addresses stand in brackets");
    }

    /// <summary>Undoes percent-encoding; a percent sign that encodes nothing is a mistake that would change a password.</summary>
    private static string Decode(string text, string part)
    {
        for (int i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 1))
        {
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
                throw new FormatException($"a \"%\" in the {part} is not followed by two hex digits; write the sign itself as %25");
        }
        string decoded = Uri.UnescapeDataString(text);
        if (decoded.AsSpan().IndexOfAny('\0', '\r', '\n') >= 0) throw new FormatException($"the {part} has a line feed or a zero byte in it; leave it out");
        return decoded;
    }
}

using System.Globalization;

namespace Sheaf.Redis;

/// <summary>Where a server listens: a host name or an IP address (IPv6 without brackets), and a port.</summary>
public readonly record struct HostPort(string Host, int Port)
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");
}

namespace Sheaf.Redis.Resp;

/// <summary>A server, or the primary of a Sentinel service wherever it is now. Thread-safe; lives as long as its client knows it.</summary>
public sealed class RedisNode
{
    internal RedisNode(string name, HostPort address, NodePool pool)
    {
        Name = name;
        Address = address;
        Pool = pool;
    }

    /// <summary>Host and port, path of the socket, or name of the service.</summary>
    public string Name { get; }

    /// <summary>Of a node of a cluster.</summary>
    internal HostPort Address { get; }

    internal NodePool Pool { get; }

    public override string ToString() => Name;
}

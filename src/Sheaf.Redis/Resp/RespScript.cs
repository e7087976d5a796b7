using System.Security.Cryptography;
using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>A Lua script known by its SHA1, for <c>EVALSHA</c>. Immutable.</summary>
public sealed class RespScript
{
    private readonly byte[] _sha;

    public RespScript(string body)
    {
        Body = body;
        byte[] bytes = Encoding.UTF8.GetBytes(body);
#pragma warning disable CA5350 // SHA1 is how Redis names scripts; nothing is protected by it
        _sha = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA1.HashData(bytes)));
#pragma warning restore CA5350
    }

    public string Body { get; }

    /// <summary>40 hex digits.</summary>
    public ReadOnlySpan<byte> Sha => _sha;
}

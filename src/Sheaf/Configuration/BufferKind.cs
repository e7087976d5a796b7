using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Sheaf.Redis;

namespace Sheaf.Configuration;

/// <summary>Where spans wait.</summary>
internal abstract record BufferTarget
{
    private BufferTarget()
    {
    }

    /// <summary>In the memory of this process.</summary>
    internal sealed record Memory : BufferTarget;

    /// <summary>In Redis.</summary>
    internal sealed record Redis(RedisAddress Address) : BufferTarget
    {
        public bool Equals(Redis? other) => other is not null && other.Address.Text == Address.Text;

        public override int GetHashCode() => Address.Text.GetHashCode(StringComparison.Ordinal);
    }
}

/// <summary><c>memory</c>, or the address of a Redis server. Its passwords are not shown.</summary>
internal sealed partial class BufferKind : OptionKind<BufferTarget>
{
    private const string MemoryWord = "memory";

    public override string Placeholder => "memory|URL";

    public override string Range => "memory, redis://host[:port][/db], unix:///path.sock, redis-cluster://host:port,… or redis-sentinel://host:port,…?service=NAME (rediss… for TLS; user:password@ before the host)";

    public override bool TryParse(string text, [MaybeNullWhen(false)] out BufferTarget value)
    {
        if (text == MemoryWord)
        {
            value = new BufferTarget.Memory();
            return true;
        }
        value = RedisAddress.TryParse(text, out RedisAddress? address, out _) ? new BufferTarget.Redis(address) : null;
        return value is not null;
    }

    public override string Format(BufferTarget value) => value is BufferTarget.Redis redis ? redis.Address.Text : MemoryWord;

    // Also of what is no address: a slip in a URL must not show its password.
    public override string Shown(string text) => QueryPassword().Replace(Credentials().Replace(text, "$1***@"), "$1***");

    public override string Problem(string text) => text.Contains("://", StringComparison.Ordinal) && !RedisAddress.TryParse(text, out _, out string? problem)
        ? $"'{Shown(text)}': {problem}"
        : base.Problem(text);

    [GeneratedRegex(@"(://[^:@/]*:).*@")]
    private static partial Regex Credentials();

    [GeneratedRegex(@"(password=)[^&]*")]
    private static partial Regex QueryPassword();
}

using Sheaf.Redis;

namespace Sheaf.Tests.Redis;

public class Addresses
{
    [Theory]
    [InlineData("redis://localhost", "redis://localhost:6379", "redis://localhost:6379")]
    [InlineData("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3")]
    [InlineData("redis://h/", "redis://h:6379", "redis://h:6379")]
    [InlineData("redis://[::1]:7000", "redis://[::1]:7000", "redis://[::1]:7000")]
    [InlineData("redis://[fe80::1]", "redis://[fe80::1]:6379", "redis://[fe80::1]:6379")]
    [InlineData("redis://:secret@h", "redis://:secret@h:6379", "redis://:***@h:6379")]
    [InlineData("redis://app:p%40%2F%25%3A@h/1", "redis://app:p%40%2F%25%3A@h:6379/1", "redis://app:***@h:6379/1")]
    [InlineData("redis://app:a:b@h", "redis://app:a%3Ab@h:6379", "redis://app:***@h:6379")]
    [InlineData("redis://app:a@b@h", "redis://app:a%40b@h:6379", "redis://app:***@h:6379")]
    [InlineData("rediss://h?ca=/etc/ca.pem&tls-host=other", "rediss://h:6379?ca=%2Fetc%2Fca.pem&tls-host=other", "rediss://h:6379?ca=%2Fetc%2Fca.pem&tls-host=other")]
    [InlineData("rediss://h/2?cert=c&key=k", "rediss://h:6379/2?cert=c&key=k", "rediss://h:6379/2?cert=c&key=k")]
    [InlineData("unix:///run/redis.sock", "unix:///run/redis.sock", "unix:///run/redis.sock")]
    [InlineData("unix://app:pw@/run/a%20b@c.sock?db=4", "unix://app:pw@/run/a%20b%40c.sock?db=4", "unix://app:***@/run/a%20b%40c.sock?db=4")]
    [InlineData("redis-cluster://a,b:7001,[::1]:7002", "redis-cluster://a:6379,b:7001,[::1]:7002", "redis-cluster://a:6379,b:7001,[::1]:7002")]
    [InlineData("rediss-cluster://:x@a?ca=c", "rediss-cluster://:x@a:6379?ca=c", "rediss-cluster://:***@a:6379?ca=c")]
    [InlineData("redis-sentinel://a,b:1/2?service=m%26m", "redis-sentinel://a:26379,b:1/2?service=m%26m", "redis-sentinel://a:26379,b:1/2?service=m%26m")]
    [InlineData(
        "rediss-sentinel://u:p@a?service=s&sentinel-user=su&sentinel-password=sp&ca=c",
        "rediss-sentinel://u:p@a:26379?service=s&sentinel-user=su&sentinel-password=sp&ca=c",
        "rediss-sentinel://u:***@a:26379?service=s&sentinel-user=su&sentinel-password=***&ca=c")]
    public void An_address_is_read_and_written_with_and_without_its_passwords(string text, string whole, string redacted)
    {
        RedisAddress address = Read(text);
        Assert.Equal(whole, address.Text);
        Assert.Equal(redacted, address.RedactedText);
        Assert.Equal(redacted, $"{address}");
        Assert.Equal(whole, Read(address.Text).Text);
    }

    [Fact]
    public void Every_part_is_where_it_belongs()
    {
        var standalone = Assert.IsType<RedisAddress.Standalone>(Read("rediss://app:p%25@[::1]:7/5?ca=A&cert=B&key=C&tls-host=D"));
        Assert.Equal((new HostPort("::1", 7), 5, "app", "p%"), (standalone.Server, standalone.Database, standalone.User, standalone.Password));
        Assert.Equal(new RedisTls("A", "B", "C", "D"), standalone.Tls);
        var unix = Assert.IsType<RedisAddress.UnixSocket>(Read("unix:///a/b.sock?db=2"));
        Assert.Equal(("/a/b.sock", 2, null), (unix.Path, unix.Database, unix.Tls));
        var cluster = Assert.IsType<RedisAddress.Cluster>(Read("redis-cluster://a:1,b"));
        Assert.Equal([new HostPort("a", 1), new HostPort("b", 6379)], cluster.Seeds);
        var sentinel = Assert.IsType<RedisAddress.Sentinel>(Read("redis-sentinel://:p@a/1?service=s&sentinel-user=u&sentinel-password=w"));
        Assert.Equal(("s", 1, "u", "w", "", "p"), (sentinel.Service, sentinel.Database, sentinel.SentinelUser, sentinel.SentinelPassword, sentinel.User, sentinel.Password));
        Assert.Equal([new HostPort("a", 26379)], sentinel.Sentinels);
    }

    [Theory]
    [InlineData("", "redis://host:port")]
    [InlineData("localhost:6379", "redis://host:port")]
    [InlineData("http://h", "\"http://\"")]
    [InlineData("redisx://h", "\"redisx://\"")]
    [InlineData("redis://", "host:port")]
    [InlineData("redis://:7000", "host:port")]
    [InlineData("redis://a b", "\"a b\"")]
    [InlineData("redis://h:0", "\"0\"")]
    [InlineData("redis://h:65536", "\"65536\"")]
    [InlineData("redis://h:x", "\"x\"")]
    [InlineData("redis://::1", "brackets")]
    [InlineData("redis://[::1", "brackets")]
    [InlineData("redis://[nonsense]:1", "brackets")]
    [InlineData("redis://h/x", "\"x\"")]
    [InlineData("redis://h/-1", "\"-1\"")]
    [InlineData("redis://a,b", "redis-cluster://")]
    [InlineData("redis://h?timeout=3", "\"timeout=\"")]
    [InlineData("rediss://h?tls_host=x", "ca, cert, key, tls-host")]
    [InlineData("redis://h?ca=x", "rediss://")]
    [InlineData("redis-cluster://h?ca=x", "rediss-cluster://")]
    [InlineData("rediss://h?ca=", "no value")]
    [InlineData("rediss://h?ca=a&ca=b", "twice")]
    [InlineData("rediss://h?ca", "name=value")]
    [InlineData("rediss://h?cert=c", "key=PATH")]
    [InlineData("rediss://h?key=c", "cert=PATH")]
    [InlineData("redis-cluster://h/1", "/1")]
    [InlineData("redis-sentinel://h", "?service=NAME")]
    [InlineData("redis-sentinel://h?service=s&sentinel-user=u", "sentinel-password=")]
    [InlineData("unix://relative.sock", "absolute")]
    [InlineData("unix://", "absolute")]
    [InlineData("unix:///a?db=x", "\"x\"")]
    [InlineData("redis://user@h", "user:password@")]
    [InlineData("redis://:a%zz@h", "%25")]
    [InlineData("redis://:a%@h", "%25")]
    [InlineData("redis://:a%0d%0ab@h", "line feed")]
    public void A_problem_names_the_part_the_value_and_the_way_out(string text, string expected)
    {
        Assert.False(RedisAddress.TryParse(text, out RedisAddress? address, out string? problem));
        Assert.Null(address);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis://:s3cret/x@h")]
    [InlineData("redis://:s3cret?x@h")]
    [InlineData("redis://app:s3cret%@h")]
    [InlineData("redis://app:s3cret@h:x")]
    [InlineData("redis://app:s3cret@h?y=1")]
    [InlineData("redis-sentinel://h?service=s&sentinel-password=s3cret%")]
    [InlineData("redis-sentinel://h?service=s&sentinel-password=s3cret&sentinel-password=s3cret")]
    public void A_problem_shows_no_password(string text)
    {
        Assert.False(RedisAddress.TryParse(text, out _, out string? problem));
        Assert.DoesNotContain("s3cret", problem, StringComparison.Ordinal);
    }

    private static RedisAddress Read(string text)
    {
        Assert.True(RedisAddress.TryParse(text, out RedisAddress? address, out string? problem), problem);
        return address!;
    }
}

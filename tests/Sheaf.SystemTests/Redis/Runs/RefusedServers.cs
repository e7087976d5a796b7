using System.Globalization;
using Sheaf.Redis;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>Servers that will not do: the run does not start, touches nothing, and says how to mend it.</summary>
public sealed class RefusedServers : RedisRunTest
{
    [Fact]
    public async Task One_that_is_not_there() =>
        await AssertRefusedAsync("redis://127.0.0.1:1", 1, "127.0.0.1:1", "is the server running, and is this its address?");

    [Theory]
    [InlineData("", "NOAUTH")]
    [InlineData(":s3same", "WRONGPASS")]
    [InlineData("nobody:s3same", "WRONGPASS")]
    public async Task One_that_refuses_the_password(string credentials, string said)
    {
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Lines = ["requirepass other"], Credentials = credentials });
        string error = await AssertRefusedAsync(server.Uri, 2, said, "password");
        Assert.DoesNotContain("s3same", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_read_only_replica()
    {
        await using RedisServer primary = await RedisServer.StartAsync();
        string port = primary.Port.ToString(CultureInfo.InvariantCulture);
        await using RedisServer replica = await RedisServer.StartAsync($"replicaof 127.0.0.1 {port}");
        await AssertRefusedAsync(replica.Uri, 2, "is a read-only replica; name its primary, 127.0.0.1:" + port);
    }

    [Theory]
    [InlineData("~sheaf:* +@all -@scripting")]
    [InlineData("~sheaf:* +@all -xrange")]
    [InlineData("~sheaf:* +@all -info")]
    [InlineData("~ours:* +@all")]
    public async Task One_that_does_not_let_the_user_do_what_is_needed(string rules)
    {
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Lines = [$"user app on >secret {rules}"], Credentials = "app:secret" });
        string error = await AssertRefusedAsync(server.Uri, 2, "NOPERM", "ACL SETUSER NAME ~sheaf:* +@hash");

        // Done as it says, it is mended.
        string line = error[error.IndexOf("ACL SETUSER", StringComparison.Ordinal)..].Split('\n')[0];
        var admin = new UriBuilder(server.Uri) { UserName = "", Password = "" };
        await using (TestRedis client = await TestRedis.ConnectAsync(RedisServer.Parse(admin.Uri.ToString())))
            Assert.Equal("OK", (await client.AskAsync(line.Trim().Replace("NAME", "app", StringComparison.Ordinal).Split(' '))).Text());
        (await RunSampleAsync(server.Uri)).AssertEnded(0);
    }

    [Fact]
    public async Task One_that_lacks_a_command()
    {
        await using RedisServer server = await RedisServer.StartAsync("rename-command XRANGE nothing");
        await AssertRefusedAsync(server.Uri, 2, "XRANGE was refused", "undo its renaming");
    }

    [Theory]
    [InlineData("allkeys-lru")]
    [InlineData("volatile-ttl")]
    public async Task One_that_may_evict_our_keys(string policy)
    {
        await using RedisServer server = await RedisServer.StartAsync("maxmemory 100mb", $"maxmemory-policy {policy}");
        string error = await AssertRefusedAsync(server.Uri, 2, $"maxmemory-policy {policy}", "redis-cli CONFIG SET maxmemory-policy noeviction");
        await TextAsync(server, "CONFIG", "SET", "maxmemory-policy", "noeviction");
        (await RunSampleAsync(server.Uri)).AssertEnded(0);
    }

    [Theory]
    [InlineData("sheaf:{0}:stored", true)]
    [InlineData("sheaf:7:{0}:stored", false)]
    public async Task One_that_holds_what_an_earlier_version_has_left_in_this_name_space(string key, bool isRefused)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await TextAsync(server, "SET", key, "41 1000 2 /somewhere/spans.jsonl");
        if (isRefused) await AssertRefusedAsync(server.Uri, 2, key, "--drain");
        else (await RunSampleAsync(server.Uri)).AssertEnded(0);
    }

    [Fact]
    public async Task One_that_may_evict_but_has_no_limit_will_do()
    {
        await using RedisServer server = await RedisServer.StartAsync("maxmemory-policy allkeys-lru");
        (await RunSampleAsync(server.Uri)).AssertEnded(0);
    }

    private async Task<Ended> RunSampleAsync(string uri)
    {
        await using SheafProcess sheaf = StartOn(uri, Sample, null);
        sheaf.In.Close();
        return await sheaf.EndAsync();
    }

    private async Task<string> AssertRefusedAsync(string uri, int exitCode, params string[] said)
    {
        Ended run = await RunSampleAsync(uri);
        Assert.True(exitCode == run.ExitCode, run.Error);
        foreach (string part in said) Assert.Contains(part, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at Sheaf", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(PathOf("out.jsonl")), "the output was touched");
        return run.Error;
    }
}

using Sheaf.Redis.Resp;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>Passwords, users, databases, sockets.</summary>
public sealed class Credentials : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async Task InitializeAsync() => _server = await RedisServer.StartAsync(new RedisServerOptions
    {
        Lines =
        [
            "requirepass s3:cr@t/",
            "user app on >p%w ~sheaf:* +@all -config",
            "user narrow on >pw ~* +get +ping -hello",
            "user off off >pw ~* +@all",
            "databases 2",
        ],
    });

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Theory]
    [InlineData(":s3%3Acr%40t%2F", 3)]
    [InlineData(":s3%3Acr%40t%2F", 2)]
    [InlineData("app:p%25w", 3)]
    [InlineData("app:p%25w", 2)]
    [InlineData("narrow:pw", 3)]
    public async Task A_password_and_a_user_open_the_door(string credentials, int protocol)
    {
        await using RedisClient client = await ConnectAsync(credentials, "", protocol);
        Assert.True((await client.AskAsync("GET", "sheaf:x")).IsNull);
    }

    [Theory]
    [InlineData("", "password", 3)]
    [InlineData("", "password", 2)]
    [InlineData(":wrong@", "WRONGPASS", 3)]
    [InlineData(":wrong@", "WRONGPASS", 2)]
    [InlineData("nobody:pw@", "WRONGPASS", 3)]
    [InlineData("off:pw@", "WRONGPASS", 3)]
    public async Task A_refusal_names_reason_place_and_way_out_and_no_password(string credentials, string reason, int protocol)
    {
        RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync(
            $"redis://{credentials}127.0.0.1:{_server.Port}", RespTest.Options with { Protocol = protocol }));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Contains($"127.0.0.1:{_server.Port}", e.Message, StringComparison.Ordinal);
        Assert.Contains("address", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(":pw", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(":wrong", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_user_may_not_do_is_a_reply()
    {
        await using RedisClient client = await ConnectAsync("app:p%25w", "", 3);
        RespBatch batch = new RespBatch().With("CONFIG", "GET", "save").With("SET", "other", "1").With("SET", "sheaf:x", "1");
        await client.ExecuteAsync(batch, default);
        Assert.StartsWith("NOPERM", batch.Reply(0).Text(), StringComparison.Ordinal);
        Assert.StartsWith("NOPERM", batch.Reply(1).Text(), StringComparison.Ordinal);
        Assert.Equal("OK", batch.Reply(2).Text());
    }

    [Fact]
    public async Task A_script_that_may_not_be_loaded_is_an_error_of_the_command_that_needs_it()
    {
        var script = new RespScript("return 1");
        await using RedisClient client = await RespTest.ConnectAsync(
            $"redis://narrow:pw@127.0.0.1:{_server.Port}", RespTest.Options with { Scripts = [script] });
        Assert.StartsWith("NOPERM", (await client.AskAsync("EVALSHA", System.Text.Encoding.ASCII.GetString(script.Sha), "0")).Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_is_selected_on_every_connection()
    {
        await using RedisClient first = await ConnectAsync(":s3%3Acr%40t%2F", "/0", 3);
        await using RedisClient second = await ConnectAsync(":s3%3Acr%40t%2F", "/1", 2);
        await second.AskAsync("SET", "in-second", "1");
        Assert.True((await first.AskAsync("GET", "in-second")).IsNull);
        await first.AskAsync("CLIENT", "KILL", "SKIPME", "yes");
        Assert.Equal(1, (await second.AskAsync("GET", "in-second")).Integer);
        RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await ConnectAsync(":s3%3Acr%40t%2F", "/2", 3));
        Assert.Contains("database 2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_unix_socket_is_connected_to()
    {
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.UnixSocket, Lines = ["requirepass pw"], Credentials = ":pw" });
        await using RedisClient client = await RespTest.ConnectAsync(server.Uri + "?db=3");
        Assert.Equal("OK", (await client.AskAsync("SET", "a", "1")).Text());
        await server.RestartAsync();
        Assert.True((await client.AskAsync("GET", "a")).IsNull);
        await server.KillAsync();
        await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync(server));
        await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync("unix:///no/such.sock"));
    }

    private ValueTask<RedisClient> ConnectAsync(string credentials, string rest, int protocol) =>
        RespTest.ConnectAsync($"redis://{credentials}@127.0.0.1:{_server.Port}{rest}", RespTest.Options with { Protocol = protocol });
}

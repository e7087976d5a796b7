using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>Servers that hang, die, restart and load.</summary>
public sealed class LostServers
{
    [Fact]
    public async Task A_server_that_hangs_is_a_time_out_and_is_used_again_when_it_goes_on()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = await RespTest.ConnectAsync(server, RespTest.Options with { OperationTimeout = TimeSpan.FromSeconds(0.3) });
        await client.AskAsync("SET", "a", "1");
        await server.StopSignalAsync();
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => client.AskAsync("INCR", "a"));
        Assert.Contains("0.3 s", e.Message, StringComparison.Ordinal);
        await server.ContinueAsync();
        await using RedisClient patient = await RespTest.ConnectAsync(server);
        Assert.InRange((await patient.AskAsync("GET", "a")).Integer, 1, 2); // it may have been executed or not
        await Eventually.TrueAsync(() => TryAsync(client), answers => answers, "the client to recover");
    }

    [Fact]
    public async Task A_restart_between_two_operations_is_not_noticed()
    {
        await using RedisServer server = await RedisServer.StartAsync("appendonly yes", "appendfsync always");
        await using RedisClient client = await RespTest.ConnectAsync(server);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(i + 1, (await client.AskAsync("INCR", "n")).Integer);
            await server.RestartAsync();
        }
        await server.RestartAsync(keepData: false);
        Assert.Equal(1, (await client.AskAsync("INCR", "n")).Integer);
    }

    [Fact]
    public async Task A_server_that_is_away_is_waited_for()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = await RespTest.ConnectAsync(server);
        await server.KillAsync();
        Task<RespReply> waiting = client.AskAsync("PING");
        await server.RestartAsync();
        Assert.Equal("PONG", (await waiting).Text());
    }

    [Fact]
    public async Task A_server_that_stays_away_is_unavailable()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = await RespTest.ConnectAsync(server, RespTest.Options with { OperationTimeout = TimeSpan.FromSeconds(0.3) });
        await server.KillAsync();
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => client.AskAsync("PING"));
        Assert.Contains($"127.0.0.1:{server.Port}: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("refused", e.Message, StringComparison.OrdinalIgnoreCase);
        e = await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync(server));
        Assert.Contains("refused", e.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_server_that_dies_under_a_batch_is_unavailable_and_nothing_is_repeated()
    {
        await using RedisServer server = await RedisServer.StartAsync("appendonly yes", "appendfsync always");
        await using RedisClient client = await RespTest.ConnectAsync(server);
        RespBatch batch = new RespBatch().With("INCR", "n").With("BLPOP", "nothing", "0");
        Task executing = client.ExecuteAsync(batch, default).AsTask();
        await using RedisClient other = await RespTest.ConnectAsync(server);
        await Eventually.TrueAsync(() => other.AskAsync("GET", "n"), reply => !reply.IsNull, "the batch to begin");
        Assert.Throws<InvalidOperationException>(batch.Clear);
        await server.RestartAsync();
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => executing);
        Assert.Contains("2 commands", e.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => batch.Reply(0));
        Assert.Equal(1, (await client.AskAsync("GET", "n")).Integer);
    }

    [Fact]
    public async Task Cancelling_ends_the_wait_and_the_next_operation_gets_its_own_replies()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = await RespTest.ConnectAsync(server);
        using var cancel = new CancellationTokenSource();
        RespBatch batch = new RespBatch().With("INCR", "n").With("BLPOP", "list", "0");
        Task executing = client.ExecuteAsync(batch, cancel.Token).AsTask();
        await using RedisClient other = await RespTest.ConnectAsync(server);
        await Eventually.TrueAsync(() => other.AskAsync("GET", "n"), reply => !reply.IsNull, "the batch to begin");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => executing);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.ExecuteAsync(batch, cancel.Token));
        Assert.Equal("PONG", (await client.AskAsync("PING")).Text());
    }

    [Fact]
    public async Task A_server_that_loads_its_data_is_waited_for()
    {
        await using RedisServer server = await RedisServer.StartAsync("appendonly yes", "key-load-delay 200", "enable-debug-command yes");
        await using RedisClient client = await RespTest.ConnectAsync(server);
        var batch = new RespBatch();
        for (int i = 0; i < 5000; i++) batch.With("SET", $"key-{i}", "value");
        await client.ExecuteAsync(batch, default);
        await client.AskAsync("BGREWRITEAOF");
        await Eventually.TrueAsync(() => client.AskAsync("INFO", "persistence"), reply => reply.Text().Contains("aof_rewrite_in_progress:0", StringComparison.Ordinal), "the rewrite");

        await server.KillAsync();
        Task restarting = server.RestartAsync(); // it listens before it has loaded
        Assert.Equal(5000, (await client.AskAsync("DBSIZE")).Integer);
        await restarting;
    }

    [Fact]
    public async Task A_server_that_waits_for_its_primary_is_waited_for()
    {
        await using RedisServer server = await RedisServer.StartAsync("replica-serve-stale-data no");
        await using RedisClient client = await RespTest.ConnectAsync(server);
        await using RedisClient hasty = await RespTest.ConnectAsync(server, RespTest.Options with { OperationTimeout = TimeSpan.FromSeconds(0.3) });
        string nobody = RedisServer.FreePort().ToString(CultureInfo.InvariantCulture);
        await client.AskAsync("REPLICAOF", "127.0.0.1", nobody);
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => hasty.AskAsync("GET", "a"));
        Assert.Contains("MASTERDOWN", e.Message, StringComparison.Ordinal);
        Task<RespReply> waiting = client.AskAsync("SET", "a", "1");
        await hasty.AskAsync("REPLICAOF", "NO", "ONE");
        Assert.Equal("OK", (await waiting).Text());
    }

    [Fact]
    public async Task A_replica_that_becomes_a_primary_is_waited_for()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = await RespTest.ConnectAsync(server);
        await using RedisClient hasty = await RespTest.ConnectAsync(server, RespTest.Options with { OperationTimeout = TimeSpan.FromSeconds(0.3) });
        string nobody = RedisServer.FreePort().ToString(CultureInfo.InvariantCulture);
        await client.AskAsync("REPLICAOF", "127.0.0.1", nobody);
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => hasty.AskAsync("SET", "a", "0"));
        Assert.Contains("READONLY", e.Message, StringComparison.Ordinal);
        Task<RespReply> waiting = client.AskAsync("SET", "a", "1");
        await hasty.AskAsync("REPLICAOF", "NO", "ONE");
        Assert.Equal("OK", (await waiting).Text());
    }

    [Fact]
    public async Task Idle_connections_that_the_server_has_closed_are_replaced()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = await RespTest.ConnectAsync(server);
        await using RedisClient other = await RespTest.ConnectAsync(server);
        for (int i = 0; i < 20; i++)
        {
            await client.AskAsync("SET", "n", i.ToString(CultureInfo.InvariantCulture));
            await other.AskAsync("CLIENT", "KILL", "SKIPME", "yes");
            await Eventually.TrueAsync(() => other.AskAsync("CLIENT", "LIST"), reply => reply.Text().Count(c => c == '\n') == 1, "the others to be gone");
            Assert.Equal(i, (await client.AskAsync("GET", "n")).Integer);
        }
    }

    [Fact]
    public async Task A_server_that_is_full_says_so()
    {
        await using RedisServer server = await RedisServer.StartAsync("maxclients 1");
        await using RedisClient client = await RespTest.ConnectAsync(server);
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync(server));
        Assert.Contains("max number of clients", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_does_not_speak_RESP_is_told_from_a_server()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Task serving = Task.Run(async () =>
        {
            using Socket socket = await listener.AcceptSocketAsync();
            await socket.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
            await socket.ReceiveAsync(new byte[1000]);
        });
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync($"redis://127.0.0.1:{port}"));
        Assert.Contains("0x48", e.Message, StringComparison.Ordinal);
        await serving;
    }

    private static async Task<bool> TryAsync(RedisClient client)
    {
        try
        {
            await client.AskAsync("PING");
            return true;
        }
        catch (RedisUnavailableException)
        {
            return false;
        }
    }
}

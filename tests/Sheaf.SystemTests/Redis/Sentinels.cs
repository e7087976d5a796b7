using System.Globalization;
using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>A service with a primary, a replica and a real sentinel.</summary>
public sealed class Sentinels : IAsyncLifetime
{
    private const string Password = "pw";

    private RedisServer _first = null!;
    private RedisServer _second = null!;
    private RedisServer _sentinel = null!;

    public async Task InitializeAsync()
    {
        _first = await RedisServer.StartAsync(Options());
        _second = await RedisServer.StartAsync(Options($"replicaof 127.0.0.1 {Port(_first)}"));
        _sentinel = await RedisServer.StartAsync(new RedisServerOptions
        {
            IsSentinel = true,
            Lines =
            [
                "requirepass watch",
                $"sentinel monitor traces 127.0.0.1 {Port(_first)} 1",
                $"sentinel auth-pass traces {Password}",
                "sentinel down-after-milliseconds traces 500",
                "sentinel failover-timeout traces 1000",
            ],
        });
        await using RedisClient client = await RespTest.ConnectAsync(_first);
        await Eventually.TrueAsync(() => client.AskAsync("INFO", "replication"), reply => reply.Text().Contains("state=online", StringComparison.Ordinal), "the replica");
        await using RedisClient sentinel = await RespTest.ConnectAsync($"redis://:watch@127.0.0.1:{Port(_sentinel)}");
        await sentinel.AskAsync("SENTINEL", "DEBUG", "info-period", "100"); // it looks at its servers every 10 s otherwise
        await Eventually.TrueAsync(() => sentinel.AskAsync("SENTINEL", "REPLICAS", "traces"), reply => reply.Count == 1, "the sentinel to know the replica");
    }

    public async Task DisposeAsync()
    {
        foreach (RedisServer server in new[] { _sentinel, _second, _first }) await server.DisposeAsync();
    }

    [Fact]
    public async Task The_primary_is_found_and_after_a_failover_the_next_one()
    {
        string nobody = RedisServer.FreePort().ToString(CultureInfo.InvariantCulture);
        await using RedisClient client = await RespTest.ConnectAsync(Uri($"127.0.0.1:{nobody},127.0.0.1:{Port(_sentinel)}", "traces"));
        Assert.Equal("OK", (await client.AskAsync("SET", "a", "1")).Text());
        Assert.Equal(Port(_first), await WrittenAtAsync(client));

        // Asked for: the old primary lives on, as a replica.
        await using RedisClient sentinel = await RespTest.ConnectAsync($"redis://:watch@127.0.0.1:{Port(_sentinel)}");
        await using RedisClient second = await RespTest.ConnectAsync(_second);
        await Eventually.TrueAsync(() => second.AskAsync("GET", "a"), reply => !reply.IsNull, "the replica to catch up");
        await Eventually.TrueAsync(() => sentinel.AskAsync("SENTINEL", "FAILOVER", "traces"), reply => !reply.IsError, "the sentinel to find the replica good enough");
        await Eventually.TrueAsync(
            () => sentinel.AskAsync("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "traces"), reply => reply.First().Next().Text() == Port(_second), "the failover");
        // The old primary takes commands until the sentinel tells it what it is now, and closes its connections.
        await Eventually.TrueAsync(() => WrittenAtAsync(client), port => port == Port(_second), "the client to write to the new primary");

        // Not asked for: the primary dies. The sentinel follows the old one as a replica by now.
        await using RedisClient first = await RespTest.ConnectAsync(_first);
        await Eventually.TrueAsync(() => first.AskAsync("INFO", "replication"), reply => reply.Text().Contains("master_link_status:up", StringComparison.Ordinal), "the old primary to follow");
        await Eventually.TrueAsync(
            () => sentinel.AskAsync("SENTINEL", "REPLICAS", "traces"), reply => IsUsable(reply), "the sentinel to see it so");
        await _second.KillAsync();
        await Eventually.TrueAsync(() => WrittenAtAsync(client), port => port == Port(_first), "the client to write to the first server again");
    }

    [Fact]
    public async Task An_unknown_service_and_a_wrong_password_are_refused()
    {
        RedisRefusedException e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync(Uri($"127.0.0.1:{Port(_sentinel)}", "other")));
        Assert.Contains("\"other\"", e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"redis-sentinel://:{Password}@127.0.0.1:{Port(_sentinel)}?service=traces"));
        Assert.Contains("NOAUTH", e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<RedisRefusedException>(async () => await RespTest.ConnectAsync($"redis-sentinel://127.0.0.1:{Port(_sentinel)}?service=traces&sentinel-password=watch"));
        Assert.Contains("NOAUTH", e.Message, StringComparison.Ordinal);
        RedisUnavailableException silent = await Assert.ThrowsAsync<RedisUnavailableException>(async () => await RespTest.ConnectAsync($"redis-sentinel://127.0.0.1:{RedisServer.FreePort()}?service=traces"));
        Assert.Contains("no sentinel answers", silent.Message, StringComparison.Ordinal);
    }

    private static RedisServerOptions Options(params string[] lines) => new()
    {
        Credentials = ":" + Password,
        Lines = [$"requirepass {Password}", $"masterauth {Password}", "repl-diskless-sync-delay 0", .. lines],
    };

    private static string Uri(string sentinels, string service) => $"redis-sentinel://:{Password}@{sentinels}/0?service={service}&sentinel-password=watch";

    private static string Port(RedisServer server) => server.Port.ToString(CultureInfo.InvariantCulture);

    private static bool IsUsable(RespReply replicas)
    {
        foreach (RespReply replica in replicas.Children)
        {
            string previous = "";
            foreach (RespReply field in replica.Children)
            {
                string text = Encoding.UTF8.GetString(field.Bytes);
                if (previous == "flags" && text != "slave") return false;
                if (previous == "master-link-status" && text != "ok") return false;
                previous = text;
            }
        }
        return replicas.Count == 1;
    }

    /// <summary>The port of the server that has taken a write; nothing when the connection was lost on the way.</summary>
    private static async Task<string> WrittenAtAsync(RedisClient client)
    {
        RespBatch batch = new RespBatch().With("SET", "a", "2").With("CONFIG", "GET", "port");
        try
        {
            await client.ExecuteAsync(batch, default);
            return batch.Reply(0).Text() == "OK" ? batch.Reply(1).First().Next().Text() : "";
        }
        catch (RedisUnavailableException)
        {
            return "";
        }
    }
}

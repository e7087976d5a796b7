using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>Batches against a real server, in both protocols.</summary>
public sealed class ExecutedBatches : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async Task InitializeAsync() => _server = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Every_command_has_its_reply_in_the_order_of_the_batch(int protocol)
    {
        await using RedisClient client = await ConnectAsync(protocol);
        RespBatch batch = new RespBatch()
            .With("SET", "a", "1").With("GET", "a").With("GET", "none").With("INCR", "a").With("LPUSH", "a", "x")
            .With("HSET", "h", "f", "v").With("HGETALL", "h").With("ZADD", "z", "1.5", "m").With("ZSCORE", "z", "m").With("BLPOP", "nothing", "0.001");
        await client.ExecuteAsync(batch, default);

        Assert.Equal("OK", batch.Reply(0).Text());
        Assert.Equal(1, batch.Reply(1).Integer);
        Assert.True(batch.Reply(2).IsNull);
        Assert.Equal((RespKind.Integer, 2), (batch.Reply(3).Kind, batch.Reply(3).Integer));
        Assert.True(batch.Reply(4).IsError);
        Assert.StartsWith("WRONGTYPE", batch.Reply(4).Text(), StringComparison.Ordinal);
        Assert.Equal(1, batch.Reply(5).Integer);
        Assert.Equal(protocol == 3 ? RespKind.Map : RespKind.Array, batch.Reply(6).Kind);
        Assert.Equal(2, batch.Reply(6).Count);
        Assert.Equal(["f", "v"], Texts(batch.Reply(6)));
        Assert.Equal(1.5, batch.Reply(8).Number);
        Assert.True(batch.Reply(9).IsNull);
        Assert.False(client.IsCluster);
        Assert.Single(client.Primaries);
    }

    [Fact]
    public async Task Commands_and_replies_far_larger_than_any_socket_buffer_pass_each_other()
    {
        await using RedisClient client = await ConnectAsync(3);
        var batch = new RespBatch();
        const int Values = 100;
        const int Size = 400_000;
        for (int i = 0; i < Values; i++)
        {
            batch.Begin(2, HashSlot.Any);
            batch.Add("ECHO"u8);
            batch.AddUninitialized(Size).Fill((byte)('a' + (i % 26)));
        }
        await client.ExecuteAsync(batch, default);
        for (int i = 0; i < Values; i++)
        {
            Assert.Equal(Size, batch.Reply(i).Bytes.Length);
            Assert.Equal(-1, batch.Reply(i).Bytes.IndexOfAnyExcept((byte)('a' + (i % 26))));
        }
    }

    [Fact]
    public async Task Operations_at_the_same_time_do_not_get_each_others_replies()
    {
        await using RedisClient client = await ConnectAsync(3);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async n =>
        {
            var batch = new RespBatch();
            for (int round = 0; round < 20; round++)
            {
                batch.Clear();
                for (int i = 0; i < 50; i++) batch.With("ECHO", $"{n}-{round}-{i}");
                await client.ExecuteAsync(batch, default);
                for (int i = 0; i < 50; i++) Assert.Equal($"{n}-{round}-{i}", batch.Reply(i).Text());
            }
        }));
    }

    [Fact]
    public async Task A_script_that_the_server_has_forgotten_is_loaded_again()
    {
        var script = new RespScript("return redis.call('INCR', KEYS[1])");
        await using RedisClient client = await RespTest.ConnectAsync(_server, RespTest.Options with { Scripts = [script] });
        string sha = Encoding.ASCII.GetString(script.Sha);
        Assert.Equal(1, (await client.AskAsync("EVALSHA", sha, "1", "n")).Integer);
        await client.AskAsync("SCRIPT", "FLUSH");
        RespBatch batch = new RespBatch().With("EVALSHA", sha, "1", "n").With("GET", "n").With("EVALSHA", new string('0', 40), "1", "n").With("EVALSHA", sha, "1", "n");
        await client.ExecuteAsync(batch, default);
        Assert.Equal([2, 3], [batch.Reply(0).Integer, batch.Reply(3).Integer]);
        Assert.StartsWith("NOSCRIPT", batch.Reply(2).Text(), StringComparison.Ordinal); // none of ours
    }

    [Fact]
    public async Task A_transaction_is_one_unit()
    {
        await using RedisClient client = await ConnectAsync(3);
        RespBatch batch = new RespBatch().With("SET", "t", "1");
        int slot = HashSlot.Of("t"u8);
        batch.Begin(1, slot);
        batch.Add("MULTI"u8);
        batch.With("INCR", "t").With("INCR", "t");
        batch.Begin(1, slot);
        batch.Add("EXEC"u8);
        await client.ExecuteAsync(batch, default);
        Assert.Equal("QUEUED", batch.Reply(2).Text());
        Assert.Equal(["2", "3"], Texts(batch.Reply(4)));
    }

    [Fact]
    public async Task Memory_that_the_server_lacks_is_a_reply()
    {
        await using RedisClient client = await ConnectAsync(3);
        await client.AskAsync("CONFIG", "SET", "maxmemory", "1");
        Assert.StartsWith("OOM", (await client.AskAsync("SET", "a", "1")).Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Replies_beyond_the_limit_are_an_error_and_the_next_batch_works()
    {
        await using RedisClient client = await RespTest.ConnectAsync(_server, RespTest.Options with { MaxReplyBytes = 1 << 20 });
        await client.AskAsync("SETRANGE", "large", (4 << 20).ToString(System.Globalization.CultureInfo.InvariantCulture), "x");
        RespProtocolException e = await Assert.ThrowsAsync<RespProtocolException>(() => client.AskAsync("GET", "large"));
        Assert.Contains(nameof(RedisClientOptions.MaxReplyBytes), e.Message, StringComparison.Ordinal);
        Assert.Equal("PONG", (await client.AskAsync("PING")).Text());
    }

    [Fact]
    public async Task The_name_is_shown_by_the_server()
    {
        await using RedisClient client = await RespTest.ConnectAsync(_server, RespTest.Options with { ClientName = "sheaf-test" });
        Assert.Contains("name=sheaf-test", (await client.AskAsync("CLIENT", "LIST")).Text(), StringComparison.Ordinal);
    }

    private ValueTask<RedisClient> ConnectAsync(int protocol) => RespTest.ConnectAsync(_server, RespTest.Options with { Protocol = protocol });

    private static List<string> Texts(RespReply reply)
    {
        var texts = new List<string>();
        foreach (RespReply child in reply.Children) texts.Add(child.Text());
        return texts;
    }
}

using System.Globalization;
using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;
using Sheaf.Tests.Spans;
using Xunit.Abstractions;

namespace Sheaf.Tests.Redis.Resp;

/// <summary>Replies belong to their commands, or there is an error.</summary>
public class PairedReplies(ITestOutputHelper output)
{
    private static readonly RedisClientOptions Options = new() { OperationTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public async Task Random_batches_get_their_own_replies_in_fragments_and_between_push_messages()
    {
        (int cases, int seed) = MutatedSpans.Run(output);
        var random = new Random(seed);
        var servers = new Random(seed + 1);
        await using var server = new FakeServer(
            words =>
            {
                var bytes = new StringBuilder();
                lock (servers)
                {
                    if (servers.Next(8) == 0) ReplyStreams.AppendSkipped(servers, bytes, ">", 1);
                    if (servers.Next(8) == 0) ReplyStreams.AppendSkipped(servers, bytes, "|", 2);
                }
                return bytes.Append(CultureInfo.InvariantCulture, $"*2\r\n+{words[1]}\r\n${words[2].Length}\r\n{words[2]}\r\n").ToString();
            },
            () =>
            {
                lock (servers) return servers.Next(1, 200);
            });
        await using RedisClient client = await server.ConnectAsync(Options);
        var batch = new RespBatch();
        int sent = 0;
        for (int done = 0; done < cases / 20; done += batch.Count)
        {
            batch.Clear();
            int first = sent;
            var sizes = new List<int>();
            for (int n = random.Next(1, 50); n > 0; n--)
            {
                sizes.Add(random.Next(random.Next(6) == 0 ? 3000 : 30));
                batch.Begin(3, random.Next(HashSlot.Count));
                batch.Add("ECHO"u8);
                batch.Add(sent++);
                batch.AddUninitialized(sizes[^1]).Fill((byte)'x');
            }
            await client.ExecuteAsync(batch, default);
            for (int n = 0; n < batch.Count; n++)
            {
                Assert.Equal(first + n, batch.Reply(n).First().Integer);
                Assert.Equal(sizes[n], batch.Reply(n).First().Next().Bytes.Length);
            }
        }
        Assert.Equal(1, server.Connections);
    }

    [Theory]
    [InlineData("+a\r\n+b\r\n")]
    [InlineData("+a\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n")]
    [InlineData("$3\r\nabcd\r\n")]
    [InlineData("*-5\r\n")]
    public async Task A_hostile_reply_is_an_error_and_its_connection_is_not_used_again(string hostile)
    {
        bool isHostile = true;
        await using var server = new FakeServer(words => isHostile ? hostile : $"+{words[1]}\r\n");
        await using RedisClient client = await server.ConnectAsync(Options);
        RespBatch batch = Echo("1");
        await Assert.ThrowsAsync<RespProtocolException>(async () => await client.ExecuteAsync(batch, default));
        isHostile = false;
        batch.Clear();
        await client.ExecuteAsync(Echo(batch, "2"), default);
        Assert.Equal(2, batch.Reply(0).Integer);
        Assert.Equal(2, server.Connections);
    }

    [Fact]
    public async Task A_late_tail_closes_the_connection_or_is_an_error_but_never_a_reply()
    {
        int calls = 0;
        bool second = false;
        await using var server = new FakeServer(
            words => ++calls % 2 == 1 ? $"+{words[1]}\r\n+late\r\n" : $"+{words[1]}\r\n",
            () => (second = !second) ? 4 : int.MaxValue); // "+nn\r", then "\n+late…": always in two pieces
        await using RedisClient client = await server.ConnectAsync(Options);
        for (int i = 10; i < 60; i++)
        {
            RespBatch batch = Echo(i.ToString(CultureInfo.InvariantCulture));
            try
            {
                await client.ExecuteAsync(batch, default);
            }
            catch (RespProtocolException)
            {
                continue;
            }
            Assert.Equal(i, batch.Reply(0).Integer);
        }
    }

    [Fact]
    public async Task A_reply_that_does_not_end_is_a_time_out()
    {
        var clock = new TestClock();
        await using var server = new FakeServer(_ => "$10\r\nabc");
        await using RedisClient client = await server.ConnectAsync(Options with { Time = clock, OperationTimeout = TimeSpan.FromSeconds(7) });
        Task executing = client.ExecuteAsync(Echo("1"), default).AsTask();
        await Eventually.TrueAsync(() => executing.IsCompleted, "the time-out", () => clock.Advance(TimeSpan.FromSeconds(1)));
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => executing);
        Assert.Contains("7 s", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_refuses_for_now_for_ever_is_a_time_out_and_is_not_hammered()
    {
        var clock = new TestClock();
        int calls = 0;
        await using var server = new FakeServer(_ =>
        {
            calls++;
            return "-LOADING Redis is loading\r\n";
        });
        await using RedisClient client = await server.ConnectAsync(Options with { Time = clock, OperationTimeout = TimeSpan.FromSeconds(10) });
        Task executing = client.ExecuteAsync(Echo("1"), default).AsTask();
        await Eventually.TrueAsync(() => executing.IsCompleted, "the time-out", () => clock.Advance(TimeSpan.FromMilliseconds(10)));
        RedisUnavailableException e = await Assert.ThrowsAsync<RedisUnavailableException>(() => executing);
        Assert.Contains("LOADING", e.Message, StringComparison.Ordinal);
        Assert.InRange(calls, 2, 30); // 50 ms doubling to 1 s, each at least half of that
    }

    [Theory]
    [InlineData("-MOVED\r\n")]
    [InlineData("-MOVED 1 nowhere\r\n")]
    [InlineData("-ASK 99999 h:1\r\n")]
    [InlineData("-MOVED 1 h:0\r\n")]
    [InlineData("-MOVED 1 h:99999\r\n")]
    public async Task A_redirection_to_nowhere_is_an_error(string error)
    {
        int port = 0;
        await using var server = new FakeServer(words => words[0] == "CLUSTER" ? Slots(port) : error);
        port = server.Port;
        await using RedisClient client = await server.ConnectAsync(Options, "redis-cluster");
        await Assert.ThrowsAsync<RespProtocolException>(async () => await client.ExecuteAsync(Echo("1"), default));
    }

    [Fact]
    public async Task Nodes_that_send_the_client_to_and_fro_are_a_time_out_and_are_not_hammered()
    {
        int port = 0;
        int calls = 0;
        var clock = new TestClock();
        await using var server = new FakeServer(words => words[0] == "CLUSTER" ? Slots(port) : Moved());
        port = server.Port;
        await using RedisClient client = await server.ConnectAsync(Options with { Time = clock, OperationTimeout = TimeSpan.FromSeconds(10) }, "redis-cluster");
        Task executing = client.ExecuteAsync(Echo("1"), default).AsTask();
        await Eventually.TrueAsync(() => executing.IsCompleted, "the time-out", () => clock.Advance(TimeSpan.FromMilliseconds(10)));
        await Assert.ThrowsAsync<RedisUnavailableException>(() => executing);
        Assert.InRange(calls, 2, 40);

        string Moved()
        {
            calls++;
            return $"-MOVED 1 127.0.0.1:{port}\r\n";
        }
    }

    [Theory]
    [InlineData("*0\r\n")]
    [InlineData("+OK\r\n")]
    [InlineData("*1\r\n*1\r\n:1\r\n")]
    [InlineData("*1\r\n*3\r\n:5\r\n:1\r\n*2\r\n+h\r\n:1\r\n")]
    [InlineData("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n+h\r\n:1\r\n")]
    [InlineData("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n+h\r\n:0\r\n")]
    [InlineData("*1\r\n*3\r\n:0\r\n:1\r\n:9\r\n")]
    [InlineData("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n+?\r\n:1\r\n")]
    [InlineData("-ERR not now\r\n")]
    public async Task An_odd_map_of_the_cluster_is_an_error(string slots)
    {
        await using var server = new FakeServer(_ => slots);
        await Assert.ThrowsAsync<RedisUnavailableException>(async () => await server.ConnectAsync(Options, "redis-cluster"));
    }

    [Theory]
    [InlineData("$0\r\n\r\n")]
    [InlineData("$-1\r\n")]
    public async Task A_node_without_a_host_is_the_one_connected_to(string host)
    {
        int port = 0;
        await using var server = new FakeServer(words => words[0] == "CLUSTER" ? $"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n{host}:{port}\r\n" : $"+{words[1]}\r\n");
        port = server.Port;
        await using RedisClient client = await server.ConnectAsync(Options, "redis-cluster");
        RespBatch batch = Echo("5");
        await client.ExecuteAsync(batch, default);
        Assert.Equal(5, batch.Reply(0).Integer);
        Assert.Equal($"127.0.0.1:{port}", client.Primaries.Single().Name);
    }

    private static string Slots(int port) => $"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n";

    private static RespBatch Echo(string word) => Echo(new RespBatch(), word);

    private static RespBatch Echo(RespBatch batch, string word)
    {
        batch.Begin(2, 1);
        batch.Add("ECHO"u8);
        batch.Add(Encoding.ASCII.GetBytes(word));
        return batch;
    }
}

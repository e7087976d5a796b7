using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Sheaf.TestKit.Buffering;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>Who was given a shard is the only one that appends to it, whatever those who had it before still believe.</summary>
public sealed class AppenderTerms
{
    private static readonly ShardId s_shard = new(0);
    private static readonly ShardId[] s_shards = [s_shard];
    private readonly TestClock _time = new();
    private readonly SpanInput _input = new();

    [Fact]
    public async Task An_appender_whose_shard_was_given_away_moves_nothing_and_arms_nothing()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisBuffer buffer = await OpenAsync(server.Address);
        await using RedisSpanBuffer before = buffer.OpenClient(), after = buffer.OpenClient();
        Assert.Null(await before.BeginTermAsync(s_shard, default));
        await before.AppendAsync(Batch(9, new SpanDraft(1, 1000, Root: true)), default);
        Assert.Equal(9, (await after.BeginTermAsync(s_shard, default))!.Position.Offset);

        await Assert.ThrowsAsync<ClaimLapsedException>(() => before.AppendAsync(Batch(19, new SpanDraft(2, 2000, Root: true)), default).AsTask());
        Assert.Equal(9, (await buffer.ReadStoredAsync(default))[0]!.Position.Offset);
        await after.AppendAsync(Batch(29, new SpanDraft(3, 3000, Root: true)), default);
        await Assert.ThrowsAsync<ClaimLapsedException>(() => before.AppendAsync(Batch(19, new SpanDraft(2, 2000, Root: true)), default).AsTask());
        Assert.Equal(29, (await buffer.ReadStoredAsync(default))[0]!.Position.Offset);
        Assert.Equal(2, (await buffer.SampleAsync(default))[0].Traces);
    }

    [Fact]
    public async Task An_appender_that_was_stopped_for_a_while_asks_before_it_stores_a_record()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisBuffer buffer = await OpenAsync(server.Address);
        await using RedisSpanBuffer before = buffer.OpenClient(), after = buffer.OpenClient();
        await before.BeginTermAsync(s_shard, default);
        await after.BeginTermAsync(s_shard, default);
        _time.Advance(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAsync<ClaimLapsedException>(() => before.AppendAsync(Batch(9, new SpanDraft(1, 1000)), default).AsTask());
        Assert.Equal(0, (await AskAsync(server, "EXISTS", $"sheaf:{{0:1:{new SpanDraft(1, 0).Key.TraceId}}}")).Integer);
        await after.AppendAsync(Batch(9, new SpanDraft(1, 1000)), default); // and it is right to believe so
        Assert.Equal(1, (await AskAsync(server, "EXISTS", $"sheaf:{{0:1:{new SpanDraft(1, 0).Key.TraceId}}}")).Integer);
    }

    [Fact]
    public async Task A_term_that_begins_ends_the_claims_of_the_owner_before_and_counts_none_of_them_as_lost()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisBuffer buffer = await OpenAsync(server.Address);
        await using RedisSpanBuffer appender = buffer.OpenClient(), claimer = buffer.OpenClient(), next = buffer.OpenClient(), nextClaimer = buffer.OpenClient();
        await appender.BeginTermAsync(s_shard, default);
        await claimer.TakeOverAsync(s_shards, default);
        await appender.AppendAsync(Batch(9, new SpanDraft(1, 1000, Root: true)), default);
        var claim = new ClaimBatch();
        await claimer.ClaimAsync(s_shard, long.MaxValue, 10, claim, default);

        await next.BeginTermAsync(s_shard, default);
        await Assert.ThrowsAsync<ClaimLapsedException>(() => claimer.RemoveAsync(claim, 0..1, default).AsTask());
        await Assert.ThrowsAsync<ClaimLapsedException>(() => claimer.ClaimAsync(s_shard, long.MaxValue, 10, claim, default).AsTask());
        Assert.Equal(1, (await next.MeasureAsync(s_shard, default)).Spans);
        await nextClaimer.TakeOverAsync(s_shards, default);
        await nextClaimer.ClaimAsync(s_shard, long.MaxValue, 10, claim, default);
        Assert.Equal(1, claim.Spans.Length);
    }

    [Fact]
    public async Task Terms_grow_whatever_the_clocks_say_and_the_later_one_is_right_after_the_server_has_lost_its_memory()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisBuffer buffer = await OpenAsync(server.Address);
        await using RedisBuffer behind = await OpenAsync(server.Address, TimeProvider.System);
        await using RedisSpanBuffer before = buffer.OpenClient(), after = behind.OpenClient();
        await before.BeginTermAsync(s_shard, default);
        await after.BeginTermAsync(s_shard, default);
        long term = (await AskAsync(server, "GET", "sheaf:{0}:term")).Integer;
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds() + 1, term);

        await AskAsync(server, "FLUSHALL");
        SpanBatch old = Batch(9, new SpanDraft(1, 1000)), fresh = Batch(19, new SpanDraft(1, 1000));
        await Assert.ThrowsAsync<BufferLostException>(() => before.AppendAsync(old, default).AsTask());
        await before.AppendAsync(old, default); // nobody can tell it any more
        await after.AppendAsync(fresh, default);
        await Assert.ThrowsAsync<ClaimLapsedException>(() => before.AppendAsync(old, default).AsTask());
        Assert.Equal(19, (await buffer.ReadStoredAsync(default))[0]!.Position.Offset);
        Assert.Equal(term.ToString(CultureInfo.InvariantCulture), (await AskAsync(server, "GET", "sheaf:{0}:term")).Text());
    }

    [Fact]
    public async Task On_a_cluster_too()
    {
        await using RedisCluster cluster = await RedisCluster.StartAsync();
        await using RedisBuffer buffer = await OpenAsync(cluster.Address, shards: 4);
        await using RedisSpanBuffer before = buffer.OpenClient(), after = buffer.OpenClient();
        foreach (ShardId shard in Enumerable.Range(0, 4).Select(s => new ShardId(s)))
        {
            await before.BeginTermAsync(shard, default);
            await before.AppendAsync(Batch(9, shard, new SpanDraft(1, 1000)), default);
            await after.BeginTermAsync(shard, default);
            await Assert.ThrowsAsync<ClaimLapsedException>(() => before.AppendAsync(Batch(19, shard, new SpanDraft(2, 1000)), default).AsTask());
            await after.AppendAsync(Batch(29, shard, new SpanDraft(2, 1000)), default);
        }
        Assert.All(await buffer.ReadStoredAsync(default), mark => Assert.Equal(29, mark!.Position.Offset));
    }

    private async ValueTask<RedisBuffer> OpenAsync(RedisAddress address, TimeProvider? time = null, int shards = 1)
    {
        var options = new RedisBufferOptions(address, new SegmentRules(), shards) { Client = new RedisClientOptions { Time = time ?? _time } };
        RedisBuffer buffer = await RedisBuffer.OpenAsync(options, default);
        await buffer.BeginAsync(default);
        return buffer;
    }

    private SpanBatch Batch(long through, params SpanDraft[] spans) => Batch(through, s_shard, spans);

    private SpanBatch Batch(long through, ShardId shard, params SpanDraft[] spans)
    {
        SpanBatch batch = _input.Batch(shard.Value, spans);
        batch.Through = new StoredPosition(through, 1000);
        return batch;
    }

    private static async Task<RespReply> AskAsync(RedisServer server, params string[] words)
    {
        await using RedisClient client = await RedisClient.ConnectAsync(server.Address, new RedisClientOptions(), default);
        RespReply reply = await client.AskAsync(words);
        Assert.False(reply.IsError, $"{words[0]}: {reply.Text()}");
        return reply;
    }
}

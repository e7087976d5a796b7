using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Buffering;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis;

/// <summary>What claimers that died leave behind is no loss, and a loss is one, whoever died before.</summary>
public sealed class DeadClaimers
{
    private static readonly ShardId[] s_shards = [new(0)];
    private static readonly SegmentRules s_rules = new();

    [Fact]
    public async Task A_trace_whose_records_a_dead_claimer_had_removed_is_no_loss_however_many_have_died_since()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        var options = new RedisBufferOptions(server.Address, s_rules, 1);
        await using RedisBuffer buffer = await RedisBuffer.OpenAsync(options, default);
        await buffer.BeginAsync(default);
        await using RedisSpanBuffer appender = Open(), first = Open(dies: true), second = Open(), third = Open();
        var input = new SpanInput();
        await appender.AppendAsync(input.Batch(0, new SpanDraft(1, 1000, Root: true), new SpanDraft(2, 1000, Root: true)), default);

        await first.TakeOverAsync(s_shards, default);
        var claim = new ClaimBatch();
        await first.ClaimAsync(s_shards[0], long.MaxValue, 10, claim, default);
        claim.Removed.Fill(true);
        for (int trace = 0; trace < claim.TraceCount; trace++) claim.Traces[trace].NextDeadlineMs = SegmentRules.Never;
        await Assert.ThrowsAsync<InvalidOperationException>(() => first.RemoveAsync(claim, 0..2, default).AsTask());

        await second.TakeOverAsync(s_shards, default); // and dies at once
        await third.TakeOverAsync(s_shards, default);
        await third.TakeOverAsync(s_shards, default); // as after a connection that was lost
        await third.ClaimAsync(s_shards[0], long.MaxValue, 10, claim, default);
        Assert.Equal((2, 0), (claim.TraceCount, claim.Spans.Length));
        await third.RemoveAsync(claim, 0..2, default);

        // The allowance is used up: the next one is a loss.
        await appender.AppendAsync(input.Batch(0, new SpanDraft(3, 2000, Root: true)), default);
        await AskAsync(server, "DEL", $"sheaf:{{0:1:{new SpanDraft(3, 0).Key.TraceId}}}");
        await Assert.ThrowsAsync<BufferLostException>(() => third.ClaimAsync(s_shards[0], long.MaxValue, 10, claim, default).AsTask());

        RedisSpanBuffer Open(bool dies = false) => buffer.OpenClient(
            _ => long.MaxValue, point => { if (dies && point == Flushing.FaultPoint.AfterRecordsRemoved) throw new InvalidOperationException("dead"); });
    }

    [Fact]
    public async Task A_claimer_whose_appender_has_begun_a_new_epoch_has_lost_what_was_there_and_goes_on_when_it_has_taken_over()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisBuffer buffer = await RedisBuffer.OpenAsync(new RedisBufferOptions(server.Address, s_rules, 1), default);
        await buffer.BeginAsync(default);
        await using RedisSpanBuffer appender = buffer.OpenClient(), claimer = buffer.OpenClient();
        var input = new SpanInput();
        await claimer.TakeOverAsync(s_shards, default);
        await AskAsync(server, "FLUSHALL");
        SpanBatch batch = input.Batch(0, new SpanDraft(1, 1000, Root: true));
        await Assert.ThrowsAsync<BufferLostException>(() => appender.AppendAsync(batch, default).AsTask());
        await appender.AppendAsync(batch, default);
        var claim = new ClaimBatch();
        await Assert.ThrowsAsync<BufferLostException>(() => claimer.ClaimAsync(s_shards[0], long.MaxValue, 10, claim, default).AsTask());
        await claimer.TakeOverAsync(s_shards, default);
        await claimer.ClaimAsync(s_shards[0], long.MaxValue, 10, claim, default);
        Assert.Equal(1, claim.TraceCount);
    }

    private static async Task AskAsync(RedisServer server, params string[] words)
    {
        await using RedisClient client = await RedisClient.ConnectAsync(server.Address, new RedisClientOptions(), default);
        RespReply reply = await client.AskAsync(words);
        Assert.False(reply.IsError || (reply.Kind == RespKind.Integer && reply.Integer == 0), $"{words[0]}: {reply.Text()}");
    }
}

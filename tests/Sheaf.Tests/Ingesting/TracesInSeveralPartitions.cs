using System.Text;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit.Running;

namespace Sheaf.Tests.Ingesting;

/// <summary>What docs/from-sentry.md says of a topic that is not keyed by trace.</summary>
public sealed class TracesInSeveralPartitions
{
    [Fact]
    public async Task Each_partition_makes_a_segment_of_its_part_of_a_trace()
    {
        TestMessage[] messages = [.. Enumerable.Range(1, 6).Select(id => new TestMessage(Span(id), 1000, Shard: id % 2))];
        using var run = new PipelineRun(messages, new SegmentRules(), shards: 2);
        await run.RunAsync();
        Assert.Equal(2, run.Sink.Messages.Count);
        run.AssertLedgerAddsUp();
    }

    [Fact]
    public async Task Traces_that_come_in_several_partitions_are_counted_where_they_come_later()
    {
        int trace = Enumerable.Range(1, 1000).First(t => Sheaf.Ingesting.TraceScatter.IsLookedAt(new TraceKey(1, new TraceId(0, (ulong)t))));
        TestMessage[] messages = [.. Enumerable.Range(1, 6).Select(id => new TestMessage(Span(id, trace), 1000 * id, Shard: id % 2))];
        using var run = new PipelineRun(messages, new SegmentRules(), shards: 2);
        await run.RunAsync();
        Assert.Equal((1, 0), (run.Counters.Scatter.Torn(new ShardId(0)), run.Counters.Scatter.Torn(new ShardId(1))));
        Assert.Equal(1, run.Counters.Scatter.Scattered);
    }

    /// <summary>A root and its children.</summary>
    private static byte[] Span(int id, int trace = 7) => Encoding.UTF8.GetBytes(
        $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"{trace:x32}\",\"span_id\":\"{id:x16}\","
        + $"\"parent_span_id\":{(id == 1 ? "null" : $"\"{1:x16}\"")},\"start_timestamp\":1,\"end_timestamp\":2,\"received\":3,"
        + "\"retention_days\":30,\"status\":\"ok\"}");
}

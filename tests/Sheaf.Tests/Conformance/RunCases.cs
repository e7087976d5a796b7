using System.Text.Json;
using Sheaf.Segments;
using Sheaf.TestKit;
using Sheaf.TestKit.Running;
using Xunit;

namespace Sheaf.Tests.Conformance;

/// <summary>
/// Every conformance case gives exactly its expected segments through the whole way (parser, pipeline, buffer, workers, writer), whatever the cut
/// into blocks, the number of workers and lanes, and delays in between.
/// </summary>
public class RunCases
{
    public static TheoryData<string> Names => [.. ConformanceCase.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Whole(string name)
    {
        await CheckAsync(name, workers: 1, lanes: 1, chance: null);
        for (int seed = 1; seed <= 3; seed++) await CheckAsync(name, workers: seed, lanes: 4 - seed, new Random(seed));
    }

    private static async Task CheckAsync(string name, int workers, int lanes, Random? chance)
    {
        ConformanceCase c = ConformanceCase.All[name];
        int shards = c.Spans.Max(s => s.Shard) + 1;
        long end = c.Spans.Max(s => s.StreamTimeMs) + 10_000_000;
        using var run = new PipelineRun(
            [.. c.Spans.Select(s => new TestMessage(s.ToMessage(), s.StreamTimeMs, s.Shard))], c.Rules, shards, workers, lanes, chance);
        await run.RunAsync(end);

        run.AssertLedgerAddsUp();
        Assert.Equal(
            c.Expected.Select(s => s.ToString()).Order(StringComparer.Ordinal),
            run.Sink.Messages.Select(m => Segment(m, c.Rules).ToString()).Order(StringComparer.Ordinal));
    }

    private static ConformanceSegment Segment(ProducedMessage message, SegmentRules rules)
    {
        using JsonDocument body = JsonDocument.Parse(message.Body);
        string segmentId = message.Header.SegmentId.ToString();
        JsonElement[] spans = [.. body.RootElement.GetProperty("spans").EnumerateArray()];
        string[] ids = [.. spans.Select(s => s.GetProperty("span_id").GetString()!)];
        Assert.Equal(ids.Select(id => id == segmentId), spans.Select(s => s.GetProperty("is_segment").GetBoolean()));
        long quiet = message.Header.Reason switch
        {
            FlushReason.RootTimeout => rules.RootTimeoutMs,
            FlushReason.IdleTimeout => rules.TimeoutMs,
            _ => throw new InvalidOperationException($"a case does not close for {message.Header.Reason}"),
        };
        return new ConformanceSegment(
            message.Header.Trace.ProjectId, message.Header.Trace.TraceId.ToString(), segmentId,
            [.. ids.Distinct().Order(StringComparer.Ordinal)], message.Header.HasRoot, (message.Header.LastStoredMs + quiet) / 1000.0);
    }
}

using System.Collections.Frozen;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Running;
using Sheaf.Tests.Supervision;

namespace Sheaf.Tests.Telemetry;

/// <summary>The equation of docs/metrics.md, as an exporter sees it.</summary>
public class MetricConservation
{
    private const int Shards = 3;
    private static readonly string[] WhereSpansGo =
        [SheafMetrics.Names.ProducedSpans, SheafMetrics.Names.BufferedSpans, SheafMetrics.Names.DeadLetters, SheafMetrics.Names.DuplicateSpans, SheafMetrics.Names.DroppedSpans];

    [Fact]
    public async Task Every_span_received_is_somewhere_in_the_middle_of_a_run_and_at_its_end()
    {
        TestMessage[] input = RandomInput.Messages(seed: 21, count: 2000, Shards);
        for (int i = 0; i < input.Length; i += 25) input[i] = input[i] with { Bytes = "bad"u8.ToArray() };
        var source = new MessageListSource(input, new Random(1)) { HoldAt = 1200 };
        var drops = DropRules.None with { Traces = new[] { new TraceId(0, 3), new TraceId(1, 3), new TraceId(2, 3) }.ToFrozenSet() };
        using var run = new PipelineRun(input, new SegmentRules(), Shards, workers: 2, lanes: 1, new Random(2))
        {
            Source = source,
            IngestRules = new(drops, new DeadLetterLimits(MaxRatio: 1)),
        };
        run.Metrics.Observe(run.Counters, run.Control, run.Buffer.Measure, () => run.Buffer.Load);
        using var recorder = new MetricRecorder(run.Metrics);

        Task running = run.RunAsync();
        await source.Held; // the only lane waits: what was read is stored
        await Eventually.TrueAsync(() => EveryShard(run, cells => cells.FlushedThroughMs == cells.ClockMs), "the workers to have nothing to do");
        Dictionary<string, double> middle = AssertConserved(recorder);
        source.GoOn();
        await running;
        Dictionary<string, double> end = AssertConserved(recorder);

        Assert.All(WhereSpansGo, name => Assert.True(middle[name] > 0, $"{name}: the test does not test"));
        Assert.Equal(1200, middle[SheafMetrics.Names.CountSpans]);
        Assert.Equal(2000, end[SheafMetrics.Names.CountSpans]);
        Assert.Equal(0, end[SheafMetrics.Names.BufferedSpans]);
        Assert.Equal(run.Sink.Messages.Sum(m => m.Header.SpanCount), end[SheafMetrics.Names.ProducedSpans]);
    }

    // Returns the sums over all shards.
    private static Dictionary<string, double> AssertConserved(MetricRecorder recorder)
    {
        IReadOnlyList<RecordedMetric> all = recorder.Collect();
        for (int s = 0; s < Shards; s++)
        {
            Dictionary<string, double> shard = all
                .Where(m => m.Tags.GetValueOrDefault("shard") == new ShardId(s).ToString())
                .GroupBy(m => m.Name)
                .ToDictionary(same => same.Key, same => same.Sum(m => m.Value));
            Assert.Equal(shard[SheafMetrics.Names.CountSpans], WhereSpansGo.Sum(name => shard[name]));
        }
        return all.GroupBy(m => m.Name).ToDictionary(same => same.Key, same => same.Sum(m => m.Value));
    }

    private static bool EveryShard(PipelineRun run, Func<ShardCells, bool> holds) =>
        Enumerable.Range(0, Shards).All(s => holds(run.Control.Shard(new ShardId(s))));
}

using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Sheaf.TestKit;

namespace Sheaf.Tests.Telemetry;

public class MetricValues
{
    [Fact]
    public void Every_observable_reads_its_own_number_of_its_own_shard()
    {
        var ingest = new IngestCounters(2);
        var control = new ControlBlock(1, 2);
        using var metrics = new SheafMetrics();
        using var recorder = new MetricRecorder(metrics);
        metrics.Observe(
            ingest, control, shard => new BufferDepth(Spans: Number(shard, 41), Traces: Number(shard, 42), PayloadBytes: Number(shard, 43), EarliestDeadlineMs: 5), () => 0.25);
        for (int s = 0; s < 2; s++)
        {
            var shard = new ShardId(s);
            ingest.CountStored(shard, spans: Number(shard, 50), bytes: Number(shard, 60), segmentRoots: Number(shard, 3));
            ingest.CountDeadLetter(shard, SpanFaultKind.Missing, bytes: 1);
            ingest.CountDropped(shard, spans: 2, bytes: 1);
            ingest.CountFarAhead(shard, Number(shard, 4));
            ShardCells cells = control.Shard(shard);
            cells.ClockMs = Number(shard, 7) + 5;
            cells.ProducedSpans = Number(shard, 8);
            cells.ProducedBytes = Number(shard, 9);
            cells.DuplicateSpans = Number(shard, 10);
            cells.OversizedSegments = Number(shard, 11);
            cells.RepeatedSegments = Number(shard, 12);
            cells.Losses = Number(shard, 13);
            foreach (FlushReason reason in Enum.GetValues<FlushReason>()) cells.AddSegments(reason, Number(shard, 20 + (int)reason));
            TearTraces(ingest.Scatter, shard, Number(shard, 14));
        }

        IReadOnlyList<RecordedMetric> all = recorder.Collect();

        // Counted one by one, and so the same for both shards, where negative.
        (string Name, int Number)[] expected =
        [
            ("process_spans.count_spans", 53), ("process_spans.count_bytes", 62), ("process_spans.num_is_root_spans", 3),
            ("process_spans.torn_traces", 14),
            ("far_ahead", 4), ("dead_letters", -1), ("dropped_spans", -2), ("duplicate_spans", 10),
            ("flush_segments.produced_spans", 8), ("flush_segments.produced_bytes", 9), ("flush_segments.oversized_segments", 11),
            ("flush_segments.repeated_segments", 12), ("losses", 13),
            ("buffered_spans", 41), ("flush_segments.queue_size", 42), ("buffered_bytes", 43), ("flush_segments.lag", 7),
            ("flush_segments.num_segments root_timeout", 20), ("flush_segments.num_segments idle_timeout", 21), ("flush_segments.num_segments max_age", 22),
            ("flush_segments.num_segments max_bytes", 23), ("flush_segments.num_segments buffer_full", 24), ("flush_segments.num_segments shutdown", 25),
        ];
        Assert.Equal(
            expected
                .SelectMany(e => new[] { 0, 1 }.Select(s => (e.Name, Shard: $"{s}", Value: (double)(e.Number < 0 ? -e.Number : Number(new ShardId(s), e.Number)))))
                .Append((Name: "load", Shard: "", Value: 0.25))
                .Order(),
            all.Select(m => (
                Name: m.Name["spans.buffer.".Length..] + (m.Tags.TryGetValue("reason", out string? reason) ? " " + reason : ""),
                Shard: m.Tags.GetValueOrDefault("shard", ""),
                m.Value)).Order());
    }

    [Fact]
    public void A_lag_is_never_negative_and_there_is_none_before_the_first_span()
    {
        var control = new ControlBlock(1, 2);
        control.Shard(new ShardId(0)).ClockMs = 1000;
        using var metrics = new SheafMetrics();
        using var recorder = new MetricRecorder(metrics);
        metrics.Observe(new IngestCounters(2), control, _ => new BufferDepth(1, 1, 1, EarliestDeadlineMs: 5000), () => 0);

        Assert.All(recorder.Collect().Where(m => m.Name == SheafMetrics.Names.Lag), m => Assert.Equal(0, m.Value));
    }

    [Theory]
    [InlineData(long.MinValue, 5000, 0)]
    [InlineData(7000, 5000, 2000)]
    [InlineData(5000, 5000, 0)]
    [InlineData(7000, long.MaxValue, 0)]
    [InlineData(1_700_000_000_000, 0, 0)] // a trace that is too large: it is to be looked at now, and no deadline has passed
    public void A_lag_is_that_of_a_deadline(long clock, long earliest, long lag) =>
        Assert.Equal(lag, new BufferDepth(1, 1, 1, earliest).LagMs(clock));

    [Fact]
    public void Each_produced_message_is_measured_once_and_each_wait_in_seconds()
    {
        using var metrics = new SheafMetrics();
        using var recorder = new MetricRecorder(metrics);
        SegmentBatch batch = SegmentBatches.Numbered(1, 3, bytes: 100);

        metrics.Produced("1,3", batch, TimeSpan.FromMilliseconds(1500));

        IReadOnlyList<RecordedMetric> all = recorder.Collect();
        Assert.All(all, m => Assert.Equal("1,3", m.Tags["shard"]));
        Assert.Equal(batch.Messages.ToArray().Select(m => (double)m.BodyLength), Values(SheafMetrics.Names.SegmentSize));
        Assert.Equal([1, 1, 1], Values(SheafMetrics.Names.SpansPerSegment));
        Assert.Equal([1.5], Values(SheafMetrics.Names.WaitProduce));

        IEnumerable<double> Values(string name) => all.Where(m => m.Name == name).Select(m => m.Value);
    }

    private static int Number(ShardId shard, int number) => (1000 * (shard.Value + 1)) + number;

    /// <summary>So many traces come in another shard, and then in this one.</summary>
    private static void TearTraces(TraceScatter scatter, ShardId shard, long count)
    {
        for (ulong id = 1; scatter.Torn(shard) < count; id++)
        {
            var trace = new TraceKey(shard.Value, new TraceId(0, id));
            scatter.Look(trace, new ShardId(1 - shard.Value), 1000);
            scatter.Look(trace, shard, 2000);
        }
    }
}

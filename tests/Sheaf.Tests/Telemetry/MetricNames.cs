using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Sheaf.TestKit;

namespace Sheaf.Tests.Telemetry;

public class MetricNames
{
    [Fact]
    public void Names_and_tag_keys_are_frozen()
    {
        Assert.Equal(
            [
                "spans.buffer.buffered_bytes{shard}",
                "spans.buffer.buffered_spans{shard}",
                "spans.buffer.dead_letters{shard}",
                "spans.buffer.dropped_spans{shard}",
                "spans.buffer.duplicate_spans{shard}",
                "spans.buffer.far_ahead{shard}",
                "spans.buffer.flush_segments.lag{shard}",
                "spans.buffer.flush_segments.num_segments{reason,shard}",
                "spans.buffer.flush_segments.num_spans_per_segment{shard}",
                "spans.buffer.flush_segments.oversized_segments{shard}",
                "spans.buffer.flush_segments.produced_bytes{shard}",
                "spans.buffer.flush_segments.produced_spans{shard}",
                "spans.buffer.flush_segments.queue_size{shard}",
                "spans.buffer.flush_segments.repeated_segments{shard}",
                "spans.buffer.flusher.backpressure{shard}",
                "spans.buffer.flusher.wait_produce{shard}",
                "spans.buffer.flusher_unhealthy{cause,shard}",
                "spans.buffer.load{}",
                "spans.buffer.losses{shard}",
                "spans.buffer.process_spans.count_bytes{shard}",
                "spans.buffer.process_spans.count_spans{shard}",
                "spans.buffer.process_spans.num_is_root_spans{shard}",
                "spans.buffer.process_spans.torn_traces{shard}",
                "spans.buffer.progress.failed_commits{}",
                "spans.buffer.segment_size_bytes{shard}",
            ],
            EverythingOnce().Select(m => $"{m.Name}{{{string.Join(',', m.Tags.Keys)}}}").Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>The original system has one metric that says <c>shards</c>, which splits every query by shard in two.</summary>
    [Fact]
    public void No_tag_is_named_shards() => Assert.DoesNotContain(EverythingOnce(), m => m.Tags.ContainsKey("shards"));

    private static IReadOnlyList<RecordedMetric> EverythingOnce()
    {
        using var metrics = new SheafMetrics();
        using var recorder = new MetricRecorder(metrics);
        metrics.Observe(new IngestCounters(2), new ControlBlock(1, 2), _ => new BufferDepth(0, 0, 0, SegmentRules.Never), () => 0);
        metrics.ObserveProgress(() => 0);
        metrics.Produced("0,1", SegmentBatches.Numbered(1, 1, 10), TimeSpan.Zero);
        metrics.FlusherUnhealthy("hang", new ShardId(0));
        metrics.Backpressure("0,1");
        return recorder.Collect();
    }
}

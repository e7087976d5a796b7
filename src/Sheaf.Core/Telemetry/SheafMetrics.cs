using System.Diagnostics.Metrics;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Telemetry;

/// <summary>
/// Every instrument of Sheaf. Names as in the original system where it has them; the tag is always <c>shard</c>: one shard's id, or for a
/// worker the ids of its shards joined by commas. Any thread.
/// </summary>
/// <remarks>
/// To add one: (1) a constant in <see cref="Names"/>, (2) the instrument in the constructor, in <see cref="Observe"/> or in <see cref="ObserveProgress"/> with unit and meaning,
/// (3) a method named after what happened, (4) its row in docs/metrics.md, which a test compares with this file.
/// </remarks>
public sealed class SheafMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Sheaf";

    /// <summary>Every name that leaves the process. Frozen by a test.</summary>
    public static class Names
    {
        public const string CountSpans = "spans.buffer.process_spans.count_spans";
        public const string CountBytes = "spans.buffer.process_spans.count_bytes";
        public const string RootSpans = "spans.buffer.process_spans.num_is_root_spans";
        public const string FarAhead = "spans.buffer.far_ahead";
        public const string TornTraces = "spans.buffer.process_spans.torn_traces";
        public const string DeadLetters = "spans.buffer.dead_letters";
        public const string DroppedSpans = "spans.buffer.dropped_spans";
        public const string DuplicateSpans = "spans.buffer.duplicate_spans";
        public const string ProducedSpans = "spans.buffer.flush_segments.produced_spans";
        public const string ProducedBytes = "spans.buffer.flush_segments.produced_bytes";
        public const string Segments = "spans.buffer.flush_segments.num_segments";
        public const string OversizedSegments = "spans.buffer.flush_segments.oversized_segments";
        public const string RepeatedSegments = "spans.buffer.flush_segments.repeated_segments";
        public const string Losses = "spans.buffer.losses";
        public const string BufferedSpans = "spans.buffer.buffered_spans";
        public const string BufferedBytes = "spans.buffer.buffered_bytes";
        public const string QueueSize = "spans.buffer.flush_segments.queue_size";
        public const string Lag = "spans.buffer.flush_segments.lag";
        public const string Load = "spans.buffer.load";
        public const string SegmentSize = "spans.buffer.segment_size_bytes";
        public const string SpansPerSegment = "spans.buffer.flush_segments.num_spans_per_segment";
        public const string WaitProduce = "spans.buffer.flusher.wait_produce";
        public const string FlusherUnhealthy = "spans.buffer.flusher_unhealthy";
        public const string Backpressure = "spans.buffer.flusher.backpressure";
        public const string FailedProgressCommits = "spans.buffer.progress.failed_commits";
    }

    private readonly Meter _meter;
    private readonly Histogram<long> _segmentSize;
    private readonly Histogram<long> _spansPerSegment;
    private readonly Histogram<double> _waitProduce;
    private readonly Counter<long> _flusherUnhealthy;
    private readonly Counter<long> _backpressure;

    public SheafMetrics()
    {
        _meter = new Meter(MeterName);
        _segmentSize = _meter.CreateHistogram<long>(Names.SegmentSize, "By", "Size of a produced message.");
        _spansPerSegment = _meter.CreateHistogram<long>(Names.SpansPerSegment, "{span}", "Spans in a produced message.");
        _waitProduce = _meter.CreateHistogram<double>(Names.WaitProduce, "s", "Time from handing a batch of messages to the output to its acknowledgement.");
        _flusherUnhealthy = _meter.CreateCounter<long>(
            Names.FlusherUnhealthy, "{event}", "A flusher worker was found dead or hung; counted once for each of its shards, with the cause.");
        _backpressure = _meter.CreateCounter<long>(Names.Backpressure, "{event}", "The input was paused because a flusher worker could not keep up.");
    }

    /// <summary>
    /// Is given what <see cref="Produced(string, SegmentBatch, TimeSpan)"/> measures, on its thread: to log it and, in a worker process, to hand it on, since whoever
    /// listens listens to the parent.
    /// </summary>
    public Action<SegmentBatch, TimeSpan>? Relay { get; init; }

    /// <summary>Somebody listens to what is measured per batch or message.</summary>
    public bool MeasuresMessages => _waitProduce.Enabled || _segmentSize.Enabled || _spansPerSegment.Enabled;

    /// <summary>A worker's batch was acknowledged.</summary>
    public void Produced(string shardTag, SegmentBatch batch, TimeSpan waited)
    {
        Relay?.Invoke(batch, waited);
        var shard = new KeyValuePair<string, object?>("shard", shardTag);
        _waitProduce.Record(waited.TotalSeconds, shard);
        if (!_segmentSize.Enabled && !_spansPerSegment.Enabled) return;
        foreach (ref readonly SegmentMessage message in batch.Messages)
        {
            _segmentSize.Record(message.BodyLength, shard);
            _spansPerSegment.Record(message.SpanCount, shard);
        }
    }

    /// <summary>A batch of a worker process was acknowledged, or it tells of more messages of it.</summary>
    /// <param name="waited">Null where it was told before.</param>
    /// <param name="sizes">Bytes of each message.</param>
    /// <param name="spans">Spans of each message; as many as sizes.</param>
    public void Produced(string shardTag, TimeSpan? waited, ReadOnlySpan<int> sizes, ReadOnlySpan<int> spans)
    {
        var shard = new KeyValuePair<string, object?>("shard", shardTag);
        if (waited is { } time) _waitProduce.Record(time.TotalSeconds, shard);
        foreach (int size in sizes) _segmentSize.Record(size, shard);
        foreach (int count in spans) _spansPerSegment.Record(count, shard);
    }

    /// <summary>A worker of this shard was found dead (<c>no_process_…</c>) or hung (<c>hang</c>).</summary>
    public void FlusherUnhealthy(string cause, ShardId shard) =>
        _flusherUnhealthy.Add(1, new KeyValuePair<string, object?>("cause", cause), new KeyValuePair<string, object?>("shard", shard.ToString()));

    /// <summary>The input was paused for a worker that falls behind.</summary>
    public void Backpressure(string shardTag) => _backpressure.Add(1, new KeyValuePair<string, object?>("shard", shardTag));

    /// <summary>Publishes what a run counts. The counters are read when somebody collects; nothing is counted twice.</summary>
    /// <param name="depth">What is buffered for a shard now.</param>
    /// <param name="load">Share of the memory that the buffer may use.</param>
    public void Observe(IngestCounters ingest, ControlBlock control, Func<ShardId, BufferDepth> depth, Func<double> load)
    {
        ShardId[] shards = [.. Enumerable.Range(0, control.ShardCount).Select(s => new ShardId(s))];

        void Counter(string name, string unit, string description, Func<ShardId, long> read) =>
            _meter.CreateObservableCounter(name, () => PerShard(shards, read), unit, description);
        void Gauge(string name, string unit, string description, Func<ShardId, long> read) =>
            _meter.CreateObservableGauge(name, () => PerShard(shards, read), unit, description);

        Counter(Names.CountSpans, "{span}", "Messages received, good or bad.", ingest.Received);
        Counter(Names.CountBytes, "By", "Bytes of the messages received.", ingest.ReceivedBytes);
        Counter(Names.RootSpans, "{span}", "Segment roots among the spans stored.", ingest.SegmentRoots);
        Counter(
            Names.FarAhead, "{message}", "Messages with timestamps more than a minute ahead of those of most others: the clock of their producer is ahead. They count among the others as ever.",
            ingest.FarAhead);
        Counter(Names.TornTraces, "{trace}", "Traces with spans in this partition and others; one of 16 traces is looked at.", ingest.Scatter.Torn);
        Counter(Names.DeadLetters, "{message}", "Messages that cannot be used, stored as dead letters.", ingest.DeadLetters);
        Counter(Names.DroppedSpans, "{span}", "Spans dropped by a configured rule.", ingest.Dropped);
        Counter(Names.DuplicateSpans, "{span}", "Copies of buffered spans, not produced.", s => control.Shard(s).DuplicateSpans);
        Counter(Names.ProducedSpans, "{span}", "Spans produced and acknowledged.", s => control.Shard(s).ProducedSpans);
        Counter(Names.ProducedBytes, "By", "Bytes of messages produced and acknowledged.", s => control.Shard(s).ProducedBytes);
        Counter(Names.OversizedSegments, "{segment}", "Segments that left as several messages because of max-segment-bytes.", s => control.Shard(s).OversizedSegments);
        Counter(
            Names.RepeatedSegments, "{segment}", "Segments produced again after a crash, with the flush ids that they had; not counted as produced again.",
            s => control.Shard(s).RepeatedSegments);
        Counter(Names.Losses, "{event}", "How often something was lost for good: a journal and the memory of its worker at the same moment.", s => control.Shard(s).Losses + ingest.Losses(s));
        _meter.CreateObservableCounter(
            Names.Segments,
            () => shards.SelectMany(s => Enum.GetValues<FlushReason>().Select(reason => new Measurement<long>(
                control.Shard(s).Segments(reason),
                new KeyValuePair<string, object?>("shard", s.ToString()),
                new KeyValuePair<string, object?>("reason", reason.Name())))),
            "{segment}", "Segments produced, by the reason they closed.");
        Gauge(Names.BufferedSpans, "{span}", "Spans in the buffer.", s => depth(s).Spans);
        Gauge(Names.BufferedBytes, "By", "Bytes of payloads in the buffer.", s => depth(s).PayloadBytes);
        Gauge(Names.QueueSize, "{trace}", "Traces in the buffer.", s => depth(s).Traces);
        Gauge(Names.Lag, "ms", "How far the oldest deadline lies behind the shard's clock; 0 when nothing is due.", s => depth(s).LagMs(control.Shard(s).ClockMs));
        _meter.CreateObservableGauge(Names.Load, load, "1", "Share of the memory that the buffer may use: 1 is full.");
    }

    /// <summary>Publishes what only a run counts that keeps its progress in a topic.</summary>
    public void ObserveProgress(Func<long> failedCommits) => _meter.CreateObservableCounter(
        Names.FailedProgressCommits, failedCommits, "{event}", "Transactions with how far the buffer in memory is that did not count; the next one makes up for it.");

    internal Meter Meter => _meter;

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<long>> PerShard(ShardId[] shards, Func<ShardId, long> read) =>
        shards.Select(s => new Measurement<long>(read(s), new KeyValuePair<string, object?>("shard", s.ToString())));
}

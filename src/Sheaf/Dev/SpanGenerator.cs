namespace Sheaf.Dev;

/// <summary>
/// Generates a load of spans: seeded, so that the same options give the same bytes on every machine, and in order of arrival. Pull blocks of
/// lines from it until one is empty. One thread.
/// </summary>
public sealed class SpanGenerator
{
    /// <summary>How much later than the span its copy comes at most.</summary>
    private const int LatestCopyUs = 1_000_000;

    private const int BlockBytes = 1 << 18;

    private readonly LoadOptions _options;
    private readonly TraceShape _shape;
    private readonly SpanPayloads _payloads;
    private readonly ArrivalQueue _queue;
    private readonly ExpectedSegments? _expected;
    private readonly LineBuffer _block = new(BlockBytes + (1 << 16));
    private SeededRandom _random;
    private double _nextTraceUs;
    private long _planned;
    private long _takenMs;
    private bool _allTaken;

    /// <param name="options">Without faults.</param>
    /// <param name="expected">Where to note the segments that the spans make, or null.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public SpanGenerator(LoadOptions options, ExpectedSegments? expected = null)
    {
        IReadOnlyList<string> faults = options.Faults();
        if (faults.Count > 0) throw new ArgumentException(string.Join(' ', faults), nameof(options));
        _options = options;
        _expected = expected;
        _shape = new TraceShape(options);
        _payloads = new SpanPayloads(options);
        _random = new SeededRandom(SeededRandom.Mix((ulong)options.Seed ^ 0xC0B1E5));
        double horizonSeconds = options.LongestSegmentSeconds + 0.01 + LatestCopyUs / 1e6;
        // A trace is drawn as soon as its start is within reach, however slowly time runs.
        _queue = new ArrivalQueue((int)(horizonSeconds * 1000) + 2);
    }

    /// <summary>Distinct spans written so far.</summary>
    public long SpansWritten { get; private set; }

    /// <summary>Second deliveries written so far.</summary>
    public long CopiesWritten { get; private set; }

    /// <summary>Unusable lines written so far.</summary>
    public long InvalidWritten { get; private set; }

    /// <summary>The next lines: whole lines, each with its end. Empty when everything was given.</summary>
    /// <param name="mostSpans">
    /// Stop behind about this many spans, a millisecond of stream time more at most. At least 1.
    /// </param>
    /// <returns>Valid until the next call.</returns>
    public ReadOnlyMemory<byte> NextBlock(long mostSpans = long.MaxValue)
    {
        _block.Clear();
        long last = SpansWritten > long.MaxValue - mostSpans ? long.MaxValue : SpansWritten + mostSpans;
        while (_block.Length < BlockBytes && SpansWritten < last && !_allTaken) WriteMillisecond();
        return _block.Written;
    }

    private void WriteMillisecond()
    {
        // Later traces only have later spans, so everything up to the next trace's start can be put in order.
        while (_planned < _options.Spans && _nextTraceUs < (_takenMs + 1) * 1000.0) PlanTrace();
        foreach (int slot in _queue.TakeMillisecond()) Write(in _queue[slot]);
        _takenMs++;
        _allTaken = _planned >= _options.Spans && _queue.Count == 0;
    }

    private void PlanTrace()
    {
        int count = _shape.Draw((long)_nextTraceUs, _options.Spans - _planned);
        ReadOnlySpan<PlannedSpan> spans = _shape.Spans;
        foreach (PlannedSegment segment in _shape.Segments)
        {
            ref readonly PlannedSpan root = ref spans[segment.First];
            _expected?.AddSegment(new Spans.TraceKey(root.ProjectId, root.Trace), root.SpanId, !segment.RootMissing);
            int first = segment.RootMissing ? segment.First + 1 : segment.First;
            foreach (ref readonly PlannedSpan span in spans[first..(segment.First + segment.Count)])
            {
                _queue.Add(span);
                _expected?.AddSpan(span.SpanId);
                if (!_random.Chance(_options.Duplicates)) continue;
                PlannedSpan copy = span;
                copy.ArrivalUs += 1 + _random.Next(LatestCopyUs);
                _queue.Add(copy);
            }
        }
        _planned += count;
        _nextTraceUs += count * 1_000_000.0 / _options.StreamRate;
    }

    private void Write(in PlannedSpan span)
    {
        _payloads.Write(span, _block);
        if (span.ArrivalUs == span.ReceivedUs) SpansWritten++;
        else CopiesWritten++;
        if (_random.Chance(_options.Invalid)) InvalidLines.Write(InvalidWritten++, _block);
    }
}

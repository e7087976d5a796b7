using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// Draws traces: trees of services as recorded systems show them. A trace is a few segments, each of one service (project) and rooted in a
/// span of another; a segment is wide, deep or mixed; children end before their parents, but for some that outlast them. One thread.
/// </summary>
internal sealed class TraceShape
{
    /// <summary>Longest time from a trace's start to the end of its last span.</summary>
    public const double LongestTraceSeconds = 3.5;

    private const double MeanSegmentsPerTrace = 3;
    private const int MostSegmentsPerTrace = 12;
    private const long LongestTraceUs = (long)(LongestTraceSeconds * 1_000_000);
    private const long SegmentBytesLimit = 8 * LoadOptions.LargestMeanSegmentBytes;

    private readonly LoadOptions _options;
    private readonly int _mostSpansPerSegment;
    private readonly long _latenessByTraceUs;
    private readonly long _latenessBySpanUs;
    private readonly List<PlannedSpan> _spans = [];
    private readonly List<PlannedSegment> _segments = [];
    private SeededRandom _random;

    public TraceShape(LoadOptions options)
    {
        _options = options;
        _random = new SeededRandom(SeededRandom.Mix((ulong)options.Seed));
        _mostSpansPerSegment = (int)Math.Min(int.MaxValue, SegmentBytesLimit / options.BytesPerSpan);
        _latenessByTraceUs = (long)(options.LatenessSeconds * 600_000);
        _latenessBySpanUs = (long)(options.LatenessSeconds * 400_000);
    }

    /// <summary>The spans of the trace drawn last, roots that never come among them.</summary>
    public ReadOnlySpan<PlannedSpan> Spans => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_spans);

    /// <summary>The segments of the trace drawn last.</summary>
    public ReadOnlySpan<PlannedSegment> Segments => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_segments);

    /// <summary>Draws the next trace.</summary>
    /// <param name="startUs">When it starts.</param>
    /// <param name="mostSpans">At most this many spans that come, at least 1.</param>
    /// <returns>Number of spans that come.</returns>
    public int Draw(long startUs, long mostSpans)
    {
        _spans.Clear();
        _segments.Clear();
        var trace = new TraceId(_random.Next(), _random.Next());
        int segments = Math.Min(MostSegmentsPerTrace, _random.Geometric(MeanSegmentsPerTrace));
        int coming = 0;
        for (int i = 0; i < segments && coming < mostSpans; i++)
        {
            int size = Math.Min(_mostSpansPerSegment, _random.Geometric(_options.SpansPerSegment));
            bool rootMissing = size > 1 && _random.Chance(_options.RootsMissing);
            int missing = rootMissing ? 1 : 0;
            size = (int)Math.Min(size, mostSpans - coming + missing);
            AddSegment(trace, startUs, size, rootMissing);
            coming += size - missing;
        }
        return coming;
    }

    private void AddSegment(TraceId trace, long traceStartUs, int size, bool rootMissing)
    {
        int first = _spans.Count;
        int parent = first == 0 ? -1 : _random.Next(first);
        int project = first == 0 ? 1 + _random.Next(_options.Projects) : OtherProject(_spans[parent].ProjectId);
        long sharedDelayUs = 2000 + (long)(_random.NextDouble() * _latenessByTraceUs);
        var style = (TreeStyle)(_random.Next(5) / 2);
        var segmentId = new SpanId(NextId());
        for (int i = 0; i < size; i++)
        {
            if (i > 0) parent = first + ParentWithin(style, i);
            var span = new PlannedSpan
            {
                Trace = trace,
                ProjectId = project,
                SpanId = i == 0 ? segmentId : new SpanId(NextId()),
                SegmentId = segmentId,
            };
            if (parent < 0)
            {
                span.StartUs = traceStartUs;
                span.EndUs = traceStartUs + 2000 + (long)Math.Min(_random.Exponential(600_000), LongestTraceUs - 500_000);
            }
            else
            {
                PlannedSpan above = _spans[parent];
                span.ParentId = above.SpanId;
                long available = above.EndUs - above.StartUs;
                span.StartUs = above.StartUs + (long)(available * _random.NextDouble() * (style == TreeStyle.Deep ? 0.1 : 0.8));
                double length = (above.EndUs - span.StartUs) * (style == TreeStyle.Deep ? 0.85 + 0.15 * _random.NextDouble() : _random.NextDouble());
                if (_random.Chance(0.05)) length *= 1.5; // some outlast their parent
                span.EndUs = Math.Min(span.StartUs + Math.Max(50, (long)length), traceStartUs + LongestTraceUs);
            }
            span.ReceivedUs = span.EndUs + sharedDelayUs + (long)(_random.NextDouble() * _latenessBySpanUs);
            span.ArrivalUs = span.ReceivedUs;
            _spans.Add(span);
        }
        _segments.Add(new PlannedSegment(first, size, rootMissing));
    }

    private int ParentWithin(TreeStyle style, int index) => style switch
    {
        TreeStyle.Wide => _random.Chance(0.8) ? 0 : _random.Next(index),
        TreeStyle.Mixed => _random.Next(index),
        TreeStyle.Deep => _random.Chance(0.8) ? index - 1 : _random.Next(index),
    };

    private int OtherProject(int project) =>
        _options.Projects == 1 ? project : 1 + (project + _random.Next(_options.Projects - 1)) % _options.Projects;

    // 0 would read as "no id".
    private ulong NextId() => Math.Max(1UL, _random.Next());

    private enum TreeStyle
    {
        Wide,
        Mixed,
        Deep,
    }
}

/// <summary>A segment of the trace drawn last.</summary>
/// <param name="First">Index of its root in <see cref="TraceShape.Spans"/>; the others follow.</param>
/// <param name="Count">Spans, a root that never comes among them.</param>
/// <param name="RootMissing">Its root never comes.</param>
internal readonly record struct PlannedSegment(int First, int Count, bool RootMissing);

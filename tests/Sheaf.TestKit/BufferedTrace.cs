using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>
/// Builds the buffered spans of one trace. Ids are small numbers, times are seconds. Source offsets count up from 1; every span has a payload
/// of its own, unless told otherwise.
/// </summary>
public sealed class BufferedTrace
{
    private readonly List<BufferedSpan> _spans = [];

    public BufferedSpan[] Spans => [.. _spans];

    /// <summary>A segment root.</summary>
    public BufferedTrace Root(ulong id, double at, ulong? payload = null, int bytes = 100, long? offset = null) =>
        Add(id, id, isRoot: true, at, payload, bytes, offset);

    /// <summary>A span that is no segment root, below its effective parent.</summary>
    public BufferedTrace Child(ulong id, ulong of, double at, ulong? payload = null, int bytes = 100, long? offset = null) =>
        Add(id, of, isRoot: false, at, payload, bytes, offset);

    /// <summary>A copy of the span at this index, delivered once more from another source offset.</summary>
    public BufferedTrace Copy(int of, double at) => Add(_spans[of] with { StreamTimeMs = Ms(at), SourceOffset = _spans.Count + 1 });

    /// <summary>The delivery at this index, read once more from the same source offset.</summary>
    public BufferedTrace Redelivery(int of, double at) => Add(_spans[of] with { StreamTimeMs = Ms(at) });

    private BufferedTrace Add(ulong id, ulong parent, bool isRoot, double at, ulong? payload, int bytes, long? offset) => Add(new BufferedSpan
    {
        SpanId = new SpanId(id),
        EffectiveParent = new SpanId(parent),
        IsSegmentRoot = isRoot,
        StreamTimeMs = Ms(at),
        PayloadHash = payload ?? (1UL << 40) + (ulong)_spans.Count,
        PayloadLength = bytes,
        SourceOffset = offset ?? _spans.Count + 1,
    });

    private BufferedTrace Add(BufferedSpan span)
    {
        _spans.Add(span);
        return this;
    }

    private static long Ms(double seconds) => (long)(seconds * 1000);
}

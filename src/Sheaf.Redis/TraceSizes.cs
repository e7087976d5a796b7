using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>
/// Notices traces that have grown past <see cref="SegmentRules.MaxSegmentBytes"/>, so that they are looked at before their deadline. In a fixed amount of memory: traces
/// share places, and of those that do, the one with the most bytes keeps it. Only when to look depends on it; what closes is the assembler's
/// decision. Owner: whoever appends to the shard.
/// </summary>
internal sealed class TraceSizes(long maxSegmentBytes)
{
    private const int Places = 1 << 13;

    private readonly Place[] _places = new Place[Places];

    private struct Place
    {
        public TraceKey Trace;
        public long Bytes;
        public long LookAt;
    }

    /// <summary>Adds to a trace. True where it is to be looked at now; if nothing closes, the next look is an eighth of the limit later, not at each span.</summary>
    public bool Add(in TraceKey trace, long bytes)
    {
        ref Place place = ref _places[(uint)trace.GetHashCode() % Places];
        if (place.Trace != trace)
        {
            place.Bytes -= bytes;
            if (place.Bytes >= 0) return bytes > maxSegmentBytes;
            place = new Place { Trace = trace, LookAt = maxSegmentBytes };
        }
        place.Bytes += bytes;
        if (place.Bytes <= place.LookAt) return false;
        place.LookAt = place.Bytes + (maxSegmentBytes / 8);
        return true;
    }
}

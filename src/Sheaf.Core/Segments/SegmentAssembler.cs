using Sheaf.Buffering;

namespace Sheaf.Segments;

/// <summary>
/// The rules of design.md as one pure function: the spans of a trace in input order with their stream times, and the time now, give the
/// segments that have closed and the time to look again. No clock, no I/O. Running it again on what stayed open gives the same as running
/// it on the whole history. The instance only holds scratch memory: one thread at a time.
/// </summary>
public sealed class SegmentAssembler(SegmentRules rules)
{
    /// <summary>Assembles one trace.</summary>
    /// <param name="spans">The buffered spans of one trace in input order; stream times never decrease.</param>
    /// <param name="clockMs">The shard's stream time: a segment closes when this is past its deadline.</param>
    /// <param name="closeAll">When given, whatever is still open closes too, for this reason.</param>
    public void Assemble(ReadOnlySpan<BufferedSpan> spans, long clockMs, FlushReason? closeAll, AssembledTrace result)
    {
        _ = rules;
        throw new NotImplementedException();
    }
}

namespace Sheaf.Buffering.Memory;

/// <summary>A buffered span; <see cref="Link"/> is the next span of its trace in input order.</summary>
internal struct SpanSlot : ISlot
{
    public BufferedSpan Span;

    public int Link { get; set; }
}

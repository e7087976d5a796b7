namespace Sheaf.Spans;

/// <summary>
/// Reads the fields that Sheaf needs from a span in JSON (design.md, "Input rules"), and remembers where its payload is to be edited. The whole
/// grammar and the UTF-8 are checked; nothing is allocated per span. The instance holds scratch memory: one thread at a time.
/// </summary>
public sealed class JsonSpanParser
{
    /// <summary>Deepest nesting of objects and arrays that is accepted.</summary>
    public const int MaxDepth = 1024;

    /// <summary>
    /// Reads one message. On success fills everything of <paramref name="span"/> but the source offset, the stream time and where the
    /// payload lies; on failure says why, and <paramref name="span"/> is not to be used.
    /// </summary>
    public bool TryParse(ReadOnlySpan<byte> message, ref TraceSpan span, out SpanFault fault) => throw new NotImplementedException();
}

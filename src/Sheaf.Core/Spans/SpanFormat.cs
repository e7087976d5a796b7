namespace Sheaf.Spans;

/// <summary>How spans are written in the input's messages.</summary>
public enum SpanFormat
{
    /// <summary>One span per message, JSON as Sentry's <c>ingest-spans</c> topic has it.</summary>
    SentryJson,
}

/// <summary>Reads messages of one format. The instance holds scratch memory: one thread at a time.</summary>
public interface ISpanParser
{
    /// <summary>
    /// Reads one message. On success fills everything of <paramref name="span"/> but the source offset, the stream time and where the payload lies; on failure says why, and
    /// <paramref name="span"/> is not to be used. Allocates nothing.
    /// </summary>
    bool TryParse(ReadOnlySpan<byte> message, ref TraceSpan span, out SpanFault fault);
}

/// <summary>The one place where a format's name becomes its parser: another format is another member, another case, and another choice of <c>--input-format</c>.</summary>
/// <remarks>
/// A format with several spans in a message (OTLP) needs more than that: a delivery is known by its message's offset (rule 7), and would have to be known by offset and index.
/// </remarks>
public static class SpanFormats
{
    /// <summary>A parser of its own for one thread.</summary>
    public static ISpanParser CreateParser(this SpanFormat format) => format switch
    {
        SpanFormat.SentryJson => new JsonSpanParser(),
    };
}

using System.IO.Hashing;

namespace Sheaf.Spans;

/// <summary>
/// Reads the fields that Sheaf needs from a span in JSON (ARCHITECTURE.md, "Input rules"), and remembers where its payload is to
/// be edited. The whole grammar and the UTF-8 are checked, and what strict readers refuse besides; nothing is allocated per span.
/// The instance holds scratch memory: one thread at a time.
/// </summary>
public sealed class JsonSpanParser : ISpanParser
{
    /// <summary>Deepest nesting that is accepted. Strict readers stop at 1024 levels, and the output message adds some.</summary>
    public const int MaxDepth = 1000;

    /// <summary>Longest message that is accepted, in bytes: 1 GiB.</summary>
    public const int MaxLength = 1 << 30;

    private readonly JsonQuotes _quotes = new();
    private readonly ulong[] _nesting = new ulong[(MaxDepth + 63) / 64];

    /// <inheritdoc/>
    /// <remarks>Faults of the grammar and of UTF-8 come before faults of fields, and of these the first in the order of <see cref="SpanField"/> counts.</remarks>
    public bool TryParse(ReadOnlySpan<byte> message, ref TraceSpan span, out SpanFault fault)
    {
        if (!TryReadFields(message, ref span, out fault)) return false;
        span.PayloadHash = XxHash3.HashToUInt64(message);
        return true;
    }

    /// <summary><see cref="TryParse"/> without the hash, to be measured apart.</summary>
    internal bool TryReadFields(ReadOnlySpan<byte> message, ref TraceSpan span, out SpanFault fault)
    {
        if (message.Length > MaxLength)
        {
            fault = new SpanFault(SpanFaultKind.TooLarge, SpanField.None, MaxLength);
            return false;
        }
        if (_quotes.TryRead(message))
        {
            var walk = new JsonSpanWalk(message, _quotes, _nesting);
            if (walk.TryWalk()) return JsonSpanFields.TryRead(in walk, ref span, out fault);
        }
        fault = JsonGrammar.FindFault(message);
        // Both ways of reading know one grammar, and a test compares them on every mutation. If they ever differ, the stricter one counts.
        if (fault.Kind == SpanFaultKind.None) fault = new SpanFault(SpanFaultKind.InvalidJson, SpanField.None, 0);
        return false;
    }
}

using System.Text.Json;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>
/// The edits of a payload found in the plain way, with the platform's reader: what the parser and the writer are compared with.
/// </summary>
public static class ReferenceEdits
{
    /// <param name="payload">A valid JSON object.</param>
    public static PayloadEdits Of(ReadOnlySpan<byte> payload)
    {
        var reader = new Utf8JsonReader(payload, new JsonReaderOptions { MaxDepth = JsonSpanParser.MaxDepth + 1 });
        reader.Read();
        int top = (int)reader.BytesConsumed;
        var edits = new PayloadEdits(top, top, IsSegmentForm.Absent, SegmentIdForm.AttributesAbsent, Irregular: false);
        bool hasIsSegment = false;
        bool hasAttributes = false;
        bool irregular = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isSegment = reader.ValueTextEquals("is_segment");
            bool attributes = reader.ValueTextEquals("attributes");
            irregular |= (isSegment || attributes) && reader.ValueIsEscaped;
            irregular |= (isSegment && hasIsSegment) || (attributes && hasAttributes);
            hasIsSegment |= isSegment;
            hasAttributes |= attributes;
            reader.Read();
            int at = (int)reader.TokenStartIndex;
            if (isSegment)
            {
                IsSegmentForm form = reader.TokenType switch
                {
                    JsonTokenType.True => IsSegmentForm.True,
                    JsonTokenType.False => IsSegmentForm.False,
                    JsonTokenType.Null => IsSegmentForm.Null,
                    _ => throw new ArgumentException($"is_segment is a {reader.TokenType}"),
                };
                edits = edits with { IsSegmentAt = at, IsSegment = form };
            }
            if (!attributes)
            {
                reader.Skip();
            }
            else if (reader.TokenType == JsonTokenType.Null)
            {
                edits = edits with { SegmentIdAt = at, SegmentId = SegmentIdForm.AttributesNull };
            }
            else
            {
                edits = InAttributes(ref reader, edits, ref irregular);
            }
        }
        return edits with { Irregular = irregular };
    }

    private static PayloadEdits InAttributes(ref Utf8JsonReader reader, PayloadEdits edits, ref bool irregular)
    {
        edits = edits with { SegmentIdAt = (int)reader.BytesConsumed, SegmentId = SegmentIdForm.AttributesEmpty };
        bool found = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool segmentId = reader.ValueTextEquals("sentry.segment.id");
            irregular |= segmentId && (reader.ValueIsEscaped || found);
            found |= segmentId;
            reader.Read();
            if (segmentId)
            {
                SegmentIdForm form = reader.TokenType == JsonTokenType.Null ? SegmentIdForm.Null
                    : HasValue(reader) ? SegmentIdForm.Present : SegmentIdForm.WithoutValue;
                irregular |= form == SegmentIdForm.WithoutValue;
                edits = edits with { SegmentIdAt = (int)reader.TokenStartIndex, SegmentId = form };
            }
            else if (!found)
            {
                edits = edits with { SegmentId = SegmentIdForm.Absent };
            }
            reader.Skip();
        }
        return edits;
    }

    /// <summary>Looks on with a reader of its own.</summary>
    private static bool HasValue(Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) return true;
        bool hasValue = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isValue = reader.ValueTextEquals("value");
            reader.Read();
            bool isEmptyText = reader.TokenType == JsonTokenType.String && reader.GetString() == "";
            if (isValue) hasValue = reader.TokenType != JsonTokenType.Null && !isEmptyText;
            reader.Skip();
        }
        return hasValue;
    }
}

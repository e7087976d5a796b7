using System.Text.Json;
using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>One edit of an irregular payload.</summary>
/// <param name="At">Byte offset in the payload.</param>
/// <param name="Cut">Bytes that are left out there.</param>
/// <param name="IsSegment">What is put there, where <paramref name="SegmentId"/> is null.</param>
internal readonly record struct PayloadEdit(int At, int Cut, IsSegmentForm IsSegment, SegmentIdForm? SegmentId);

/// <summary>
/// The slow way to the edits of rule 5, for payloads whose keys occur more than once or whose segment id is an object without a
/// value: every occurrence is edited, so that readers of the first one and readers of the last one see the same. Used again: one
/// thread at a time.
/// </summary>
internal sealed class IrregularPayload
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = JsonSpanParser.MaxDepth + 1 };

    private readonly List<PayloadEdit> _edits = [];

    /// <summary>The edits of the payload scanned last, in order of position.</summary>
    public ReadOnlySpan<PayloadEdit> Edits => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_edits);

    /// <param name="payload">An object that the parser has accepted.</param>
    public void Scan(ReadOnlySpan<byte> payload)
    {
        _edits.Clear();
        bool hasIsSegment = false;
        bool hasAttributes = false;

        var reader = new Utf8JsonReader(payload, Options);
        reader.Read();
        int inside = (int)reader.BytesConsumed;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (KeyIs(reader.ValueSpan, "is_segment"u8))
            {
                hasIsSegment = true;
                reader.Read();
                int start = (int)reader.TokenStartIndex;
                reader.Skip();
                _edits.Add(new PayloadEdit(start, (int)reader.BytesConsumed - start, IsSegmentForm.False, null));
            }
            else if (KeyIs(reader.ValueSpan, "attributes"u8))
            {
                hasAttributes = true;
                reader.Read();
                ScanAttributes(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }
        if (!hasAttributes) _edits.Insert(0, new PayloadEdit(inside, 0, default, SegmentIdForm.AttributesAbsent));
        if (!hasIsSegment) _edits.Insert(0, new PayloadEdit(inside, 0, IsSegmentForm.Absent, null));
    }

    private void ScanAttributes(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            AddSegmentId((int)reader.TokenStartIndex, "null"u8.Length, SegmentIdForm.AttributesNull);
            return;
        }
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }
        int inside = (int)reader.BytesConsumed;
        bool empty = true;
        bool found = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            empty = false;
            bool isSegmentId = KeyIs(reader.ValueSpan, "sentry.segment.id"u8);
            reader.Read();
            if (isSegmentId)
            {
                found = true;
                int start = (int)reader.TokenStartIndex;
                if (!HasValue(ref reader)) AddSegmentId(start, (int)reader.BytesConsumed - start, SegmentIdForm.WithoutValue);
            }
            else
            {
                reader.Skip();
            }
        }
        if (!found) AddSegmentId(inside, 0, empty ? SegmentIdForm.AttributesEmpty : SegmentIdForm.Absent);
    }

    /// <summary>Whether the segment id at the reader's place has a value (of two, the last). Moves to its end.</summary>
    private static bool HasValue(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return reader.TokenType != JsonTokenType.Null;
        }
        bool hasValue = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isValue = KeyIs(reader.ValueSpan, "value"u8);
            reader.Read();
            bool isEmpty = reader.TokenType == JsonTokenType.String && reader.ValueSpan.IsEmpty;
            if (isValue) hasValue = !isEmpty && reader.TokenType != JsonTokenType.Null;
            reader.Skip();
        }
        return hasValue;
    }

    private void AddSegmentId(int at, int cut, SegmentIdForm form) => _edits.Add(new PayloadEdit(at, cut, default, form));

    /// <summary>Compares a key as it stands in the payload with an ASCII name. (The reader's own way throws on half a surrogate pair.)</summary>
    private static bool KeyIs(ReadOnlySpan<byte> key, ReadOnlySpan<byte> name)
    {
        foreach (byte expected in name)
        {
            int length = 1;
            if (key.IsEmpty) return false;
            int actual = key[0];
            if (actual == '\\')
            {
                // A short escape stands for no character of a name. Four hex digits may.
                length = 6;
                if (key.Length < length || key[1] != 'u' || !System.Buffers.Text.Utf8Parser.TryParse(key.Slice(2, 4), out ushort unit, out _, 'x')) return false;
                actual = unit;
            }
            if (actual != expected) return false;
            key = key[length..];
        }
        return key.IsEmpty;
    }
}

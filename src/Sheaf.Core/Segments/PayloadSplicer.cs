using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>
/// Copies payloads with the two edits of design.md, rule 5: every other byte stays as it is. Where the edits go was found by the parser
/// (<see cref="PayloadEdits"/>); only irregular payloads are scanned again (<see cref="IrregularPayload"/>). Holds the texts of one segment
/// at a time: one thread at a time.
/// </summary>
internal sealed class PayloadSplicer
{
    // By IsSegmentForm: what to cut at the position, and what to put there.
    private static readonly int[] IsSegmentCuts = [0, 4, 5, 4];
    private static readonly byte[][] TrueTexts = [.. TextsOf("true"u8)];
    private static readonly byte[][] FalseTexts = [.. TextsOf("false"u8)];

    // By SegmentIdForm, the same; the zeros stand for the segment's id.
    private static readonly int[] SegmentIdCuts = [0, 0, 4, 0, 0, 4];
    private readonly byte[][] _segmentIdTexts =
    [
        [],
        [.. "\"attributes\":{\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"}},"u8],
        [.. "{\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"}}"u8],
        [.. "\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"}"u8],
        [.. "\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"},"u8],
        [.. "{\"type\":\"string\",\"value\":\"0000000000000000\"}"u8],
    ];
    private readonly int[] _idPlaces;
    private readonly IrregularPayload _irregular = new();

    public PayloadSplicer() => _idPlaces = [.. _segmentIdTexts.Select(text => text.AsSpan().IndexOf("0000000000000000"u8))];

    /// <summary>The segment that the next payloads belong to.</summary>
    public void Begin(SpanId segmentId)
    {
        for (int form = 0; form < _segmentIdTexts.Length; form++)
        {
            if (_idPlaces[form] >= 0) segmentId.WriteTo(_segmentIdTexts[form].AsSpan(_idPlaces[form]));
        }
    }

    /// <summary>Bytes that the edits of a regular payload add; less than 0 where they shorten it.</summary>
    public int GrowthOf(in PayloadEdits edits, bool isSegment) =>
        (isSegment ? TrueTexts : FalseTexts)[(int)edits.IsSegment].Length - IsSegmentCuts[(int)edits.IsSegment]
        + _segmentIdTexts[(int)edits.SegmentId].Length - SegmentIdCuts[(int)edits.SegmentId];

    /// <summary>Bytes that the edits of an irregular payload add.</summary>
    public int GrowthOfIrregular(ReadOnlySpan<byte> payload, bool isSegment)
    {
        _irregular.Scan(payload);
        int growth = 0;
        foreach (PayloadEdit edit in _irregular.Edits) growth += TextOf(edit, isSegment).Length - edit.Cut;
        return growth;
    }

    /// <summary>Copies a payload with its edits, and returns the number of bytes written: its length and its growth.</summary>
    public int Copy(ReadOnlySpan<byte> payload, in PayloadEdits edits, bool isSegment, Span<byte> destination)
    {
        if (edits.Irregular) return CopyIrregular(payload, isSegment, destination);

        int firstAt = edits.IsSegmentAt;
        int firstCut = IsSegmentCuts[(int)edits.IsSegment];
        byte[] firstText = (isSegment ? TrueTexts : FalseTexts)[(int)edits.IsSegment];
        int secondAt = edits.SegmentId == SegmentIdForm.Present ? payload.Length : edits.SegmentIdAt;
        int secondCut = SegmentIdCuts[(int)edits.SegmentId];
        byte[] secondText = _segmentIdTexts[(int)edits.SegmentId];
        // Two insertions at one position: is_segment goes first.
        if (secondAt < firstAt)
        {
            (firstAt, secondAt) = (secondAt, firstAt);
            (firstCut, secondCut) = (secondCut, firstCut);
            (firstText, secondText) = (secondText, firstText);
        }

        payload[..firstAt].CopyTo(destination);
        int written = firstAt;
        firstText.CopyTo(destination[written..]);
        written += firstText.Length;

        ReadOnlySpan<byte> between = payload[(firstAt + firstCut)..secondAt];
        between.CopyTo(destination[written..]);
        written += between.Length;
        secondText.CopyTo(destination[written..]);
        written += secondText.Length;

        ReadOnlySpan<byte> rest = payload[(secondAt + secondCut)..];
        rest.CopyTo(destination[written..]);
        return written + rest.Length;
    }

    private int CopyIrregular(ReadOnlySpan<byte> payload, bool isSegment, Span<byte> destination)
    {
        _irregular.Scan(payload);
        int read = 0;
        int written = 0;
        foreach (PayloadEdit edit in _irregular.Edits)
        {
            payload[read..edit.At].CopyTo(destination[written..]);
            written += edit.At - read;
            read = edit.At + edit.Cut;
            byte[] text = TextOf(edit, isSegment);
            text.CopyTo(destination[written..]);
            written += text.Length;
        }
        payload[read..].CopyTo(destination[written..]);
        return written + payload.Length - read;
    }

    private byte[] TextOf(in PayloadEdit edit, bool isSegment) => edit.SegmentId is { } form
        ? _segmentIdTexts[(int)form]
        : (isSegment ? TrueTexts : FalseTexts)[(int)edit.IsSegment];

    private static byte[][] TextsOf(ReadOnlySpan<byte> literal)
    {
        byte[] value = literal.ToArray();
        return [[.. "\"is_segment\":"u8, .. value, (byte)','], value, value, value];
    }
}

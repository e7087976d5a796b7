using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>
/// Copies payloads with the two edits of ARCHITECTURE.md, rule 5: every other byte stays as it is. Where the edits go was found by the parser
/// (<see cref="PayloadEdits"/>); only irregular payloads are scanned again (<see cref="IrregularPayload"/>). Holds the texts of one segment
/// at a time: one thread at a time.
/// </summary>
internal sealed class PayloadSplicer
{
    /// <summary>Room that a copy needs behind its end.</summary>
    public const int Slack = 96;

    // By IsSegmentForm: what to cut at the position, and what to put there.
    private static readonly int[] IsSegmentCuts = [0, 4, 5, 4];
    private static readonly EditText[] TrueTexts = TextsOf("true"u8);
    private static readonly EditText[] FalseTexts = TextsOf("false"u8);

    // By SegmentIdForm, the same; the zeros stand for the segment's id.
    private static readonly int[] SegmentIdCuts = [0, 0, 4, 0, 0, 4, 0];
    private readonly EditText[] _segmentIdTexts =
    [
        new([]),
        new("\"attributes\":{\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"}},"u8),
        new("{\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"}}"u8),
        new("\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"}"u8),
        new("\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"0000000000000000\"},"u8),
        new("{\"type\":\"string\",\"value\":\"0000000000000000\"}"u8),
        new("{\"type\":\"string\",\"value\":\"0000000000000000\"}"u8), // always irregular, which knows what to cut
    ];
    private readonly int[] _idPlaces;
    private readonly IrregularPayload _irregular = new();

    public PayloadSplicer() => _idPlaces = [.. _segmentIdTexts.Select(text => text.Text.IndexOf("0000000000000000"u8))];

    /// <summary>The segment that the next payloads belong to.</summary>
    public void Begin(SpanId segmentId)
    {
        for (int form = 0; form < _segmentIdTexts.Length; form++)
        {
            if (_idPlaces[form] >= 0) segmentId.WriteTo(_segmentIdTexts[form].Text[_idPlaces[form]..]);
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

    /// <summary>Bytes of a payload as it is written, at most: whether it is its segment's root is decided later.</summary>
    public int MostBytesOf(ReadOnlySpan<byte> payload, in PayloadEdits edits) => payload.Length + (edits.Irregular
        ? Math.Max(GrowthOfIrregular(payload, true), GrowthOfIrregular(payload, false))
        : Math.Max(GrowthOf(edits, true), GrowthOf(edits, false)));

    /// <summary>Copies a payload with its edits, and returns the number of bytes written: its length and its growth.</summary>
    /// <param name="destination">Has room for <see cref="Slack"/> bytes more, whose content is lost.</param>
    public int Copy(ReadOnlySpan<byte> payload, in PayloadEdits edits, bool isSegment, Span<byte> destination)
    {
        if (edits.Irregular) return CopyIrregular(payload, isSegment, destination);

        int firstAt = edits.IsSegmentAt;
        int firstCut = IsSegmentCuts[(int)edits.IsSegment];
        EditText firstText = (isSegment ? TrueTexts : FalseTexts)[(int)edits.IsSegment];
        int secondAt = edits.SegmentId == SegmentIdForm.Present ? payload.Length : edits.SegmentIdAt;
        int secondCut = SegmentIdCuts[(int)edits.SegmentId];
        EditText secondText = _segmentIdTexts[(int)edits.SegmentId];
        // Two insertions at one position: is_segment goes first.
        if (secondAt < firstAt)
        {
            (firstAt, secondAt) = (secondAt, firstAt);
            (firstCut, secondCut) = (secondCut, firstCut);
            (firstText, secondText) = (secondText, firstText);
        }

        payload[..firstAt].CopyTo(destination);
        int written = firstAt;
        written += firstText.CopyTo(destination[written..]);

        ReadOnlySpan<byte> between = payload[(firstAt + firstCut)..secondAt];
        between.CopyTo(destination[written..]);
        written += between.Length;
        written += secondText.CopyTo(destination[written..]);

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
            written += TextOf(edit, isSegment).CopyTo(destination[written..]);
        }
        payload[read..].CopyTo(destination[written..]);
        return written + payload.Length - read;
    }

    private EditText TextOf(in PayloadEdit edit, bool isSegment) => edit.SegmentId is { } form
        ? _segmentIdTexts[(int)form]
        : (isSegment ? TrueTexts : FalseTexts)[(int)edit.IsSegment];

    private static EditText[] TextsOf(ReadOnlySpan<byte> literal)
    {
        var value = new EditText(literal);
        return [new EditText([.. "\"is_segment\":"u8, .. literal, (byte)',']), value, value, value];
    }

    /// <summary>
    /// A text that is always copied with its padding: a copy of one size needs no branch on it, and what comes next overwrites the padding.
    /// </summary>
    private readonly struct EditText
    {
        private readonly byte[] _padded;

        public EditText(ReadOnlySpan<byte> text)
        {
            Length = text.Length;
            _padded = new byte[Slack];
            text.CopyTo(_padded);
        }

        public int Length { get; }

        public Span<byte> Text => _padded.AsSpan(0, Length);

        public int CopyTo(Span<byte> destination)
        {
            _padded.AsSpan(0, Slack).CopyTo(destination[..Slack]);
            return Length;
        }
    }
}

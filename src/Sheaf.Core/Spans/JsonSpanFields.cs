using System.Runtime.CompilerServices;

namespace Sheaf.Spans;

/// <summary>Turns the values that a walk has found into a span, by the input rules of ARCHITECTURE.md. Keeps the first fault it meets. For one message, on the stack.</summary>
internal ref struct JsonSpanFields
{
    private const int MaxIdLength = 36; // a trace id with four dashes
    private const int MinEventIdLength = 32;
    private const int MaxEventIdLength = 36;

    private readonly JsonSpanWalk _walk;
    private SpanFault _fault;

    private JsonSpanFields(in JsonSpanWalk walk) => _walk = walk;

    /// <summary>Fills <paramref name="span"/>, but for the hash and what the parser does not know.</summary>
    public static bool TryRead(in JsonSpanWalk walk, ref TraceSpan span, out SpanFault fault)
    {
        // In the order of SpanField, for the first fault is the one that is reported.
        var fields = new JsonSpanFields(in walk);
        TraceId trace = fields.TraceId();
        SpanId id = fields.Id(SpanField.SpanId, required: true) ?? default;
        long project = fields.Integer(SpanField.ProjectId, long.MaxValue);
        span.OrganizationId = fields.Integer(SpanField.OrganizationId, long.MaxValue);
        fields.NumberFromZero(SpanField.StartTimestamp);
        fields.NumberFromZero(SpanField.EndTimestamp);
        span.ReceivedMs = fields.Milliseconds(SpanField.Received);
        fields.Integer(SpanField.RetentionDays, ushort.MaxValue);
        fields.String(SpanField.Status, required: true);
        SpanId? parent = fields.Parent();
        IsSegmentForm isSegment = fields.IsSegment(out int isSegmentAt);
        fields.String(SpanField.Name, required: false);
        SegmentIdForm segmentId = fields.SegmentId(out int segmentIdAt, out SpanId? explicitSegment);
        if (walk.HasRareFields) fields.RareFields();

        span.Trace = new TraceKey(project, trace);
        span.SpanId = id;
        span.IsSegmentRoot = parent is null || isSegment == IsSegmentForm.True;
        span.EffectiveParent = span.IsSegmentRoot ? id : explicitSegment ?? parent.GetValueOrDefault();
        span.Edits = new PayloadEdits(isSegmentAt, segmentIdAt, isSegment, segmentId,
            Irregular: walk.Repeats || segmentId == SegmentIdForm.WithoutValue);
        fault = fields._fault;
        return fault.Kind == SpanFaultKind.None;
    }

    private TraceId TraceId()
    {
        if (!TryValue(SpanField.TraceId, required: true, (byte)'"', out ReadOnlySpan<byte> text)) return default;
        if (text.Length <= MaxIdLength + 2 && Spans.TraceId.TryParse(text[1..^1], out TraceId id)) return id;
        return EscapedTraceId(text[1..^1]);
    }

    /// <summary>Null where there is none: an empty text and zeros stand for that too.</summary>
    private SpanId? Parent()
    {
        JsonRange value = _walk.Value(SpanField.ParentSpanId);
        bool isEmpty = value.End - value.Start == 2 && _walk.At(value.Start) == '"';
        if (isEmpty || Id(SpanField.ParentSpanId, required: false) is not { Value: not 0 } parent) return null;
        return parent;
    }

    private SpanId? Id(SpanField field, bool required)
    {
        if (!TryValue(field, required, (byte)'"', out ReadOnlySpan<byte> text)) return null;
        return SpanId.TryParse(text[1..^1], out SpanId id) ? id : EscapedId(text[1..^1], field);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TraceId EscapedTraceId(ReadOnlySpan<byte> inside)
    {
        ReadOnlySpan<byte> plain = Unescape(inside, stackalloc byte[MaxIdLength]);
        if (plain.Length <= MaxIdLength && Spans.TraceId.TryParse(plain, out TraceId id)) return id;
        Refuse(JsonText.ContainsAnyExcept(inside, Hex.DigitsAndDash) ? SpanFaultKind.NotHex : SpanFaultKind.WrongLength, SpanField.TraceId);
        return default;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private SpanId? EscapedId(ReadOnlySpan<byte> inside, SpanField field)
    {
        if (TryEscapedId(inside, out SpanId id)) return id;
        Refuse(JsonText.ContainsAnyExcept(inside, Hex.Digits) ? SpanFaultKind.NotHex : SpanFaultKind.WrongLength, field);
        return null;
    }

    private long Integer(SpanField field, long max)
    {
        if (!TryNumber(field, out ReadOnlySpan<byte> text)) return 0;
        if (!JsonNumber.TryReadInteger(text, max, out long value)) Refuse(SpanFaultKind.OutOfRange, field);
        return value;
    }

    private long Milliseconds(SpanField field)
    {
        if (!TryNumber(field, out ReadOnlySpan<byte> text)) return 0;
        if (!JsonNumber.TryReadMilliseconds(text, out long value)) Refuse(SpanFaultKind.OutOfRange, field);
        return value;
    }

    private void NumberFromZero(SpanField field)
    {
        if (TryNumber(field, out ReadOnlySpan<byte> text) && JsonNumber.IsNegative(text)) Refuse(SpanFaultKind.OutOfRange, field);
    }

    private void String(SpanField field, bool required) => TryValue(field, required, (byte)'"', out _);

    /// <summary>Fields that may be absent and decide nothing here, but have a type in the output's schema.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void RareFields()
    {
        JsonRange downsampled = _walk.Value(SpanField.DownsampledRetentionDays);
        if (!downsampled.IsAbsent) Integer(SpanField.DownsampledRetentionDays, ushort.MaxValue);
        if (TryValue(SpanField.EventId, required: false, (byte)'"', out ReadOnlySpan<byte> text)
            && CharactersOf(text[1..^1]) is < MinEventIdLength or > MaxEventIdLength)
        {
            Refuse(SpanFaultKind.WrongLength, SpanField.EventId);
        }
        JsonRange key = _walk.Value(SpanField.KeyId);
        if (!key.IsAbsent && _walk.At(key.Start) != 'n') Integer(SpanField.KeyId, long.MaxValue);
        String(SpanField.Kind, required: false);
        if (TryValue(SpanField.Links, required: false, (byte)'[', out _)
            && _walk.WrongElement(_walk.Value(SpanField.Links).Start) is > 0 and int wrong)
        {
            Refuse(SpanFaultKind.WrongType, SpanField.Links, wrong);
        }
        TryValue(SpanField.Meta, required: false, (byte)'{', out _);
    }

    /// <summary>Characters of a string's inside, behind the escapes; more than any id has where it is too long to look.</summary>
    private static int CharactersOf(ReadOnlySpan<byte> inside)
    {
        Span<byte> plain = stackalloc byte[4 * MaxEventIdLength];
        if (!JsonText.TryUnescape(inside, plain, out int length)) return int.MaxValue;
        int characters = 0;
        foreach (byte b in plain[..length]) characters += (b & 0xC0) == 0x80 ? 0 : 1;
        return characters;
    }

    private IsSegmentForm IsSegment(out int position)
    {
        JsonRange value = _walk.Value(SpanField.IsSegment);
        position = value.IsAbsent ? _walk.OpeningBrace + 1 : value.Start;
        if (value.IsAbsent) return IsSegmentForm.Absent;
        switch (_walk.At(value.Start))
        {
            case (byte)'t': return IsSegmentForm.True;
            case (byte)'f': return IsSegmentForm.False;
            case (byte)'n': return IsSegmentForm.Null;
            default:
                Refuse(SpanFaultKind.WrongType, SpanField.IsSegment);
                return IsSegmentForm.Absent;
        }
    }

    /// <summary>What is under <c>attributes["sentry.segment.id"]</c>, and its value when that is a span id.</summary>
    private SegmentIdForm SegmentId(out int position, out SpanId? value)
    {
        value = null;
        JsonRange attributes = _walk.Value(SpanField.Attributes);
        if (attributes.IsAbsent)
        {
            position = _walk.OpeningBrace + 1;
            return SegmentIdForm.AttributesAbsent;
        }
        position = attributes.Start;
        switch (_walk.At(attributes.Start))
        {
            case (byte)'n': return SegmentIdForm.AttributesNull;
            case (byte)'{': break;
            default:
                Refuse(SpanFaultKind.WrongType, SpanField.Attributes);
                return SegmentIdForm.Present;
        }
        if (_walk.WrongAttributeAt > 0) Refuse(SpanFaultKind.WrongType, SpanField.Attributes, _walk.WrongAttributeAt);
        JsonRange attribute = _walk.SegmentId;
        if (attribute.IsAbsent)
        {
            position = attributes.Start + 1;
            return _walk.AttributesAreEmpty ? SegmentIdForm.AttributesEmpty : SegmentIdForm.Absent;
        }
        position = attribute.Start;
        byte first = _walk.At(attribute.Start);
        if (first == 'n') return SegmentIdForm.Null;
        if (first != '{') return SegmentIdForm.Present; // refused above
        JsonRange member = _walk.Member(attribute.Start, "value"u8);
        if (member.IsAbsent || _walk.At(member.Start) == 'n') return SegmentIdForm.WithoutValue;
        if (_walk.At(member.Start) != '"')
        {
            Refuse(SpanFaultKind.WrongType, SpanField.SegmentId, member.Start);
            return SegmentIdForm.Present;
        }
        ReadOnlySpan<byte> text = _walk.Text(member)[1..^1];
        if (text.IsEmpty) return SegmentIdForm.WithoutValue;
        if (SpanId.TryParse(text, out SpanId id) || TryEscapedId(text, out id)) value = id;
        return SegmentIdForm.Present;
    }

    private bool TryNumber(SpanField field, out ReadOnlySpan<byte> text) => TryValue(field, required: true, (byte)'0', out text);

    /// <summary>The text of a field's value. False where it is absent or null, or of another type.</summary>
    /// <param name="type">First byte of a value of the type; <c>0</c> for any number.</param>
    private bool TryValue(SpanField field, bool required, byte type, out ReadOnlySpan<byte> text)
    {
        text = default;
        JsonRange value = _walk.Value(field);
        if (value.IsAbsent)
        {
            if (required) Refuse(SpanFaultKind.Missing, field);
            return false;
        }
        byte first = _walk.At(value.Start);
        if (first == 'n')
        {
            if (required) Refuse(SpanFaultKind.Null, field);
            return false;
        }
        if (type == '0' ? !(first == '-' || char.IsAsciiDigit((char)first)) : first != type)
        {
            Refuse(SpanFaultKind.WrongType, field);
            return false;
        }
        text = _walk.Text(value);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Refuse(SpanFaultKind kind, SpanField field)
    {
        JsonRange value = _walk.Value(field);
        Refuse(kind, field, value.IsAbsent ? _walk.ClosingBrace : value.Start);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Refuse(SpanFaultKind kind, SpanField field, int position)
    {
        if (_fault.Kind == SpanFaultKind.None) _fault = new SpanFault(kind, field, position);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryEscapedId(ReadOnlySpan<byte> inside, out SpanId id) => SpanId.TryParse(Unescape(inside, stackalloc byte[MaxIdLength]), out id);

    /// <summary>The text behind the escapes; the text itself where it has none, or is too long for an id in any case.</summary>
    private static ReadOnlySpan<byte> Unescape(ReadOnlySpan<byte> inside, Span<byte> room) =>
        inside.Contains((byte)'\\') && JsonText.TryUnescape(inside, room, out int length) ? room[..length] : inside;
}

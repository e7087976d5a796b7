using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Sheaf.Spans;

namespace Sheaf.Tests.Spans;

/// <summary>The input rules written with the platform's reader, slowly: what the parser must agree with.</summary>
internal static class SpanReference
{
    private readonly record struct Member(string? Name, int Start, int End, JsonTokenType Type);

    /// <summary>Whether a strict reader takes a message: an object of JSON in valid UTF-8, at most 1000 levels deep.</summary>
    public static bool IsObject(ReadOnlySpan<byte> message)
    {
        if (!Utf8.IsValid(message)) return false;
        try
        {
            var reader = Reader(message);
            bool isObject = reader.Read() && reader.TokenType == JsonTokenType.StartObject;
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.Number && !double.IsFinite(reader.GetDouble())) return false;
                bool isText = reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName;
                if (isText && Plain(ref reader) is null) return false;
            }
            return isObject;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Reads a message that <see cref="IsObject"/>: the span, or the fault's kind and field.</summary>
    public static (TraceSpan Span, SpanFaultKind Kind, SpanField Field) Read(ReadOnlySpan<byte> message)
    {
        int brace = message.IndexOf((byte)'{');
        List<Member> members = Members(message, brace);
        Member?[] values = new Member?[Enum.GetValues<SpanField>().Length];
        foreach (SpanField field in Enum.GetValues<SpanField>().Where(field => field != SpanField.SegmentId))
            values[(int)field] = Last(members, field.Name());

        TraceSpan span = default;
        foreach (SpanField field in Enum.GetValues<SpanField>()[1..])
        {
            SpanFaultKind kind = ReadField(message, field, values[(int)field], ref span);
            bool isWrong = field == SpanField.SegmentId && HasWrongSegmentId(message, values[(int)SpanField.Attributes]);
            if (isWrong) kind = SpanFaultKind.WrongType;
            if (kind != SpanFaultKind.None) return (default, kind, field);
        }

        Member? parent = values[(int)SpanField.ParentSpanId], isSegment = values[(int)SpanField.IsSegment], attributes = values[(int)SpanField.Attributes];
        IsSegmentForm form = isSegment?.Type switch
        {
            null => IsSegmentForm.Absent,
            JsonTokenType.True => IsSegmentForm.True,
            JsonTokenType.False => IsSegmentForm.False,
            _ => IsSegmentForm.Null,
        };
        bool repeats = members.Count(m => m.Name == "is_segment") > 1 || members.Count(m => m.Name == "attributes") > 1;
        (SegmentIdForm Form, int At) id = (SegmentIdForm.AttributesAbsent, brace + 1);
        SpanId? segment = null;
        if (attributes is { Type: JsonTokenType.Null } nothing) id = (SegmentIdForm.AttributesNull, nothing.Start);
        if (attributes is { Type: JsonTokenType.StartObject } some)
        {
            List<Member> inside = Members(message, some.Start);
            repeats |= inside.Count(m => m.Name == "sentry.segment.id") > 1;
            Member? attribute = Last(inside, "sentry.segment.id");
            bool isObject = attribute is { Type: JsonTokenType.StartObject };
            Member? value = isObject ? Last(Members(message, attribute!.Value.Start), "value") : null;
            string text = value is { Type: JsonTokenType.String } given ? String(message, given) : "";
            id = attribute switch
            {
                null => (inside.Count == 0 ? SegmentIdForm.AttributesEmpty : SegmentIdForm.Absent, some.Start + 1),
                { Type: JsonTokenType.Null } => (SegmentIdForm.Null, attribute.Value.Start),
                _ => (text.Length == 0 ? SegmentIdForm.WithoutValue : SegmentIdForm.Present, attribute.Value.Start),
            };
            if (IsHex(text, 16)) segment = new SpanId(ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        }
        repeats |= id.Form == SegmentIdForm.WithoutValue;
        bool hasParent = parent is { Type: JsonTokenType.String } named && String(message, named).Trim('0').Length > 0;
        span.IsSegmentRoot = !hasParent || form == IsSegmentForm.True;
        span.EffectiveParent = span.IsSegmentRoot
            ? span.SpanId
            : segment ?? new SpanId(ulong.Parse(String(message, parent!.Value), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        span.Edits = new PayloadEdits(isSegment?.Start ?? brace + 1, id.At, form, id.Form, repeats);
        span.PayloadHash = System.IO.Hashing.XxHash3.HashToUInt64(message);
        return (span, SpanFaultKind.None, SpanField.None);
    }

    private static bool HasWrongSegmentId(ReadOnlySpan<byte> message, Member? attributes) =>
        attributes is { Type: JsonTokenType.StartObject } some
        && Last(Members(message, some.Start), "sentry.segment.id") is { Type: JsonTokenType.StartObject } attribute
        && Last(Members(message, attribute.Start), "value") is { Type: not (JsonTokenType.String or JsonTokenType.Null) };

    private static SpanFaultKind ReadField(ReadOnlySpan<byte> message, SpanField field, Member? found, ref TraceSpan span)
    {
        if (field == SpanField.SegmentId) return SpanFaultKind.None; // with the attributes
        bool optional = field >= SpanField.ParentSpanId;
        if (found is not { } value) return optional ? SpanFaultKind.None : SpanFaultKind.Missing;
        optional &= field != SpanField.DownsampledRetentionDays;
        if (value.Type == JsonTokenType.Null) return optional ? SpanFaultKind.None : SpanFaultKind.Null;
        bool rightType = field switch
        {
            SpanField.TraceId or SpanField.SpanId or SpanField.ParentSpanId or SpanField.Status or SpanField.Name or SpanField.EventId or SpanField.Kind
                => value.Type == JsonTokenType.String,
            SpanField.IsSegment => value.Type is JsonTokenType.True or JsonTokenType.False,
            SpanField.Attributes => value.Type == JsonTokenType.StartObject && Members(message, value.Start).TrueForAll(IsObjectOrNull),
            SpanField.Meta => value.Type == JsonTokenType.StartObject,
            SpanField.Links => value.Type == JsonTokenType.StartArray && Elements(message, value.Start).TrueForAll(IsObjectOrNull),
            _ => value.Type == JsonTokenType.Number,
        };
        if (!rightType) return SpanFaultKind.WrongType;
        string text = value.Type == JsonTokenType.String ? String(message, value) : Encoding.UTF8.GetString(message[value.Start..value.End]);
        switch (field)
        {
            case SpanField.TraceId:
                string plain = text.Replace("-", "", StringComparison.Ordinal);
                if (plain.Any(c => !char.IsAsciiHexDigit(c))) return SpanFaultKind.NotHex;
                if (plain.Length != 32 || text.Length > 36) return SpanFaultKind.WrongLength;
                UInt128 id = UInt128.Parse(plain, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                span.Trace = new TraceKey(0, new TraceId((ulong)(id >> 64), (ulong)id));
                return SpanFaultKind.None;
            case SpanField.SpanId or SpanField.ParentSpanId:
                if (text.Any(c => !char.IsAsciiHexDigit(c))) return SpanFaultKind.NotHex;
                if (text.Length == 0 && field == SpanField.ParentSpanId) return SpanFaultKind.None;
                if (text.Length != 16) return SpanFaultKind.WrongLength;
                if (field == SpanField.SpanId) span.SpanId = new SpanId(ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                return SpanFaultKind.None;
            case SpanField.EventId:
                return text.EnumerateRunes().Count() is >= 32 and <= 36 ? SpanFaultKind.None : SpanFaultKind.WrongLength;
            case SpanField.ProjectId or SpanField.OrganizationId or SpanField.RetentionDays or SpanField.DownsampledRetentionDays or SpanField.KeyId:
                if (text.Any(c => c is '.' or 'e' or 'E') || !long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer)
                    || integer < 0 || (field is SpanField.RetentionDays or SpanField.DownsampledRetentionDays && integer > 65535)) return SpanFaultKind.OutOfRange;
                if (field == SpanField.ProjectId) span.Trace = span.Trace with { ProjectId = integer };
                if (field == SpanField.OrganizationId) span.OrganizationId = integer;
                return SpanFaultKind.None;
            case SpanField.StartTimestamp or SpanField.EndTimestamp:
                return double.Parse(text, CultureInfo.InvariantCulture) >= 0 ? SpanFaultKind.None : SpanFaultKind.OutOfRange;
            case SpanField.Received:
                return Milliseconds(text) is { } ms && (span.ReceivedMs = ms) >= 0 ? SpanFaultKind.None : SpanFaultKind.OutOfRange;
            default:
                return SpanFaultKind.None;
        }
    }

    /// <summary>Exact arithmetic on fractions.</summary>
    private static long? Milliseconds(string number)
    {
        string[] parts = number.Split('e', 'E');
        string[] mantissa = parts[0].Split('.');
        BigInteger digits = BigInteger.Parse(string.Concat(mantissa), CultureInfo.InvariantCulture);
        if (digits.IsZero) return 0;
        if (digits.Sign < 0) return null;
        BigInteger exponent = parts.Length > 1 ? BigInteger.Parse(parts[1], CultureInfo.InvariantCulture) : 0;
        exponent -= mantissa.Length > 1 ? mantissa[1].Length : 0;
        if (exponent > 100) return null;
        if (exponent < -100_000) return 0;
        BigInteger numerator = digits * 1000, denominator = 1;
        if (exponent >= 0) numerator *= BigInteger.Pow(10, (int)exponent);
        else denominator = BigInteger.Pow(10, (int)-exponent);
        return numerator > JsonNumber.MaxSeconds * 1000 * denominator ? null : (long)(numerator / denominator);
    }

    private static List<Member> Members(ReadOnlySpan<byte> message, int start)
    {
        var members = new List<Member>();
        var reader = Reader(message[start..]);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string? name = Plain(ref reader);
            reader.Read();
            int at = start + (int)reader.TokenStartIndex;
            JsonTokenType type = reader.TokenType;
            reader.Skip();
            members.Add(new Member(name, at, start + (int)reader.BytesConsumed, type));
        }
        return members;
    }

    private static List<Member> Elements(ReadOnlySpan<byte> message, int start)
    {
        var elements = new List<Member>();
        var reader = Reader(message[start..]);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            elements.Add(new Member(null, 0, 0, reader.TokenType));
            reader.Skip();
        }
        return elements;
    }

    private static Member? Last(List<Member> members, string name) => members.FindLastIndex(m => m.Name == name) is >= 0 and var at ? members[at] : null;

    private static string String(ReadOnlySpan<byte> message, Member member)
    {
        var reader = Reader(message[member.Start..member.End]);
        reader.Read();
        return Plain(ref reader) ?? "a lone surrogate";
    }

    /// <summary>The text of a string; null when it has a lone surrogate, which the platform cannot show.</summary>
    private static string? Plain(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsHex(string text, int length) => text.Length == length && text.All(char.IsAsciiHexDigit);

    private static bool IsObjectOrNull(Member member) => member.Type is JsonTokenType.StartObject or JsonTokenType.Null;

    private static Utf8JsonReader Reader(ReadOnlySpan<byte> text) =>
        new(text, new JsonReaderOptions { MaxDepth = JsonSpanParser.MaxDepth, CommentHandling = JsonCommentHandling.Disallow, AllowTrailingCommas = false });
}

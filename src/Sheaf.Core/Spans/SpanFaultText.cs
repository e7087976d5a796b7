using System.Buffers;
using System.Globalization;
using System.Text;

namespace Sheaf.Spans;

/// <summary>Faults in words, for people: what, what it needs, the value and its place. Stateless; for dead letters, not for hot paths.</summary>
internal static class SpanFaultText
{
    private const int MaxExcerpt = 60;

    private static readonly SearchValues<byte> EndsOfScalars = SearchValues.Create(" \t\r\n,}]"u8);

    public static string Describe(SpanFault fault, ReadOnlySpan<byte> message) => fault.Kind switch
    {
        SpanFaultKind.None => "no fault",
        SpanFaultKind.Empty => message.IsEmpty ? "empty message" : "empty message: only white space",
        SpanFaultKind.InvalidJson when message.StartsWith("\uFEFF"u8) => "not JSON: begins with a byte order mark, which JSON does not allow",
        SpanFaultKind.InvalidJson => $"not JSON: {Excerpt(message, fault.Position)} is not expected at byte {Number(fault.Position)}",
        SpanFaultKind.Truncated => $"cut off: the message ends inside a value, after {Number(message.Length)} bytes",
        SpanFaultKind.InvalidUtf8 => $"not UTF-8: {Excerpt(message, fault.Position)} at byte {Number(fault.Position)}",
        SpanFaultKind.NotAnObject => $"not an object: the message is {TypeOf(message, fault.Position)}, {Value(message, fault.Position)}",
        SpanFaultKind.TooDeep =>
            $"{In(fault.Field)}nested deeper than {Number(JsonSpanParser.MaxDepth)} levels at byte {Number(fault.Position)}",
        SpanFaultKind.LoneSurrogate =>
            $"{In(fault.Field)}half a surrogate pair, {Excerpt(message.Slice(fault.Position, 6), 0)} "
            + $"at byte {Number(fault.Position)}, which strict readers of JSON refuse",
        SpanFaultKind.NumberTooLarge =>
            $"{In(fault.Field)}a number that no 64-bit float holds, {Value(message, fault.Position)}, "
            + "which strict readers of JSON refuse",
        SpanFaultKind.TooLarge => $"{Number(message.Length)} bytes, {Number(fault.Position)} are allowed",
        SpanFaultKind.TooLargeForOutput => $"{Number(message.Length)} bytes: with is_segment and its segment's id more than the {Number(fault.Position)} bytes that the output takes of one span "
            + "(max.message.bytes of its topics, less what stands around a span)",
        SpanFaultKind.TooLargeForBuffer => $"{Number(message.Length)} bytes: more than the server of the buffer takes in one command (proto-max-bulk-len, or the limit of a managed one)",
        SpanFaultKind.Missing => $"{fault.Field.Name()}: missing, needs {Needs(fault.Field)}",
        SpanFaultKind.Null => $"{fault.Field.Name()}: null at byte {Number(fault.Position)}, needs {Needs(fault.Field)}",
        SpanFaultKind.WrongType =>
            $"{fault.Field.Name()}: {TypeOf(message, fault.Position)}, needs {Needs(fault.Field)} ({Value(message, fault.Position)})",
        SpanFaultKind.WrongLength when fault.Field == SpanField.EventId =>
            $"{fault.Field.Name()}: of another length, needs {Needs(fault.Field)} ({Value(message, fault.Position)})",
        SpanFaultKind.WrongLength =>
            $"{fault.Field.Name()}: {Number(HexDigits(message, fault.Position))} hex digits, needs {Digits(fault.Field)} ({Value(message, fault.Position)})",
        SpanFaultKind.NotHex => $"{fault.Field.Name()}: not only hex digits, needs {Digits(fault.Field)} ({Value(message, fault.Position)})",
        SpanFaultKind.OutOfRange => $"{fault.Field.Name()}: out of range, needs {Needs(fault.Field)} ({Value(message, fault.Position)})",
    };

    private static string In(SpanField field) => field == SpanField.None ? "" : $"{field.Name()}: ";

    private static string Needs(SpanField field) => field switch
    {
        SpanField.None => "an object",
        SpanField.TraceId => "32 hex digits",
        SpanField.SpanId or SpanField.ParentSpanId => "16 hex digits",
        SpanField.ProjectId or SpanField.OrganizationId or SpanField.KeyId => "an integer from 0 to 9223372036854775807",
        SpanField.StartTimestamp or SpanField.EndTimestamp => "a number from 0",
        SpanField.Received => "a number from 0 to 253402300799",
        SpanField.RetentionDays or SpanField.DownsampledRetentionDays => "an integer from 0 to 65535",
        SpanField.Status or SpanField.Name or SpanField.Kind or SpanField.SegmentId => "a string",
        SpanField.EventId => "a string of 32 to 36 characters",
        SpanField.IsSegment => "true or false",
        SpanField.Attributes => "an object of objects",
        SpanField.Links => "an array of objects",
        SpanField.Meta => "an object",
    };

    private static string Digits(SpanField field) => field == SpanField.TraceId ? "32" : "16";

    private static string TypeOf(ReadOnlySpan<byte> message, int position) => position >= message.Length ? "nothing" : message[position] switch
    {
        (byte)'{' => "an object",
        (byte)'[' => "an array",
        (byte)'"' => "a string",
        (byte)'t' or (byte)'f' => "a boolean",
        (byte)'n' => "null",
        _ => "a number",
    };

    private static string Value(ReadOnlySpan<byte> message, int position) =>
        $"value {Excerpt(message[..ValueEnd(message, position)], position)} at byte {Number(position)}";

    /// <summary>Hex digits of the string at a position, its escapes taken into account.</summary>
    private static int HexDigits(ReadOnlySpan<byte> message, int position)
    {
        ReadOnlySpan<byte> inside = message[position..ValueEnd(message, position)].Trim((byte)'"');
        byte[] plain = new byte[inside.Length];
        if (!JsonText.TryUnescape(inside, plain, out int length)) return 0;
        int digits = 0;
        foreach (byte b in plain.AsSpan(0, length)) digits += char.IsAsciiHexDigit((char)b) ? 1 : 0;
        return digits;
    }

    /// <summary>Where the value ends. What is behind a fault was not read, so it may not be JSON: a value without an end goes up to the message's.</summary>
    private static int ValueEnd(ReadOnlySpan<byte> message, int position)
    {
        if (position >= message.Length) return message.Length;
        byte first = message[position];
        if (first is (byte)'{' or (byte)'[')
        {
            int depth = 0;
            for (int i = position; i < message.Length; i++)
            {
                if (message[i] == '"') i = StringEnd(message, i) - 1;
                else if (message[i] is (byte)'{' or (byte)'[') depth++;
                else if (message[i] is (byte)'}' or (byte)']' && --depth == 0) return i + 1;
            }
            return message.Length;
        }
        if (first == '"') return StringEnd(message, position);
        int length = message[position..].IndexOfAny(EndsOfScalars);
        return length < 0 ? message.Length : position + length;
    }

    private static int StringEnd(ReadOnlySpan<byte> message, int position)
    {
        for (int i = position + 1; i < message.Length; i++)
        {
            if (message[i] == '\\') i++;
            else if (message[i] == '"') return i + 1;
        }
        return message.Length;
    }

    /// <summary>Up to 60 characters of a text as they stand there; what cannot be printed is escaped.</summary>
    private static string Excerpt(ReadOnlySpan<byte> text, int position)
    {
        var excerpt = new StringBuilder();
        text = text[Math.Min(position, text.Length)..];
        while (!text.IsEmpty)
        {
            string shown = PrintableText.First(text, out int bytes);
            if (excerpt.Length + shown.Length > MaxExcerpt) return excerpt.Append('…').ToString();
            excerpt.Append(shown);
            text = text[bytes..];
        }
        return excerpt.ToString();
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}

using System.Text;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Spans;

/// <summary>What is refused, with which reason and place, and how it is told.</summary>
public sealed class SpanFaultTests
{
    [Theory]
    [InlineData("", SpanFaultKind.Empty, 0)]
    [InlineData(" \r\n", SpanFaultKind.Empty, 3)]
    [InlineData("{", SpanFaultKind.Truncated, 1)]
    [InlineData("{\"a\"", SpanFaultKind.Truncated, 4)]
    [InlineData("{\"a\":", SpanFaultKind.Truncated, 5)]
    [InlineData("{\"a\":tru", SpanFaultKind.Truncated, 8)]
    [InlineData("{\"a\":1", SpanFaultKind.Truncated, 6)]
    [InlineData("{\"a\":-", SpanFaultKind.Truncated, 6)]
    [InlineData("{\"a\":1.", SpanFaultKind.Truncated, 7)]
    [InlineData("{\"a\":{\"b\":1}", SpanFaultKind.Truncated, 12)]
    [InlineData("{\"attributes\":{\"b\":1}", SpanFaultKind.Truncated, 21)]
    [InlineData("{\"attributes\":{}", SpanFaultKind.Truncated, 16)]
    [InlineData("{\"a\":[", SpanFaultKind.Truncated, 6)]
    [InlineData("{\"a\":\"b", SpanFaultKind.Truncated, 7)]
    [InlineData("{\"a\":\"b}", SpanFaultKind.Truncated, 8)]
    [InlineData("{\"a\":\"b\\u00", SpanFaultKind.Truncated, 11)]
    [InlineData("{\"a\":\"b\\", SpanFaultKind.Truncated, 8)]
    [InlineData("[1]", SpanFaultKind.NotAnObject, 0)]
    [InlineData(" 12", SpanFaultKind.NotAnObject, 1)]
    [InlineData("\"x\"", SpanFaultKind.NotAnObject, 0)]
    [InlineData("null", SpanFaultKind.NotAnObject, 0)]
    [InlineData("\uFEFF{}", SpanFaultKind.InvalidJson, 0)]
    [InlineData("{}{}", SpanFaultKind.InvalidJson, 2)]
    [InlineData("{}}", SpanFaultKind.InvalidJson, 2)]
    [InlineData("{,}", SpanFaultKind.InvalidJson, 1)]
    [InlineData("{\"a\":1,}", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\":[1,]}", SpanFaultKind.InvalidJson, 8)]
    [InlineData("{\"a\":[1}}", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\" 1}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\"::1}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":1 2}", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\":\"b\"\"c\"}", SpanFaultKind.InvalidJson, 8)]
    [InlineData("{a:1}", SpanFaultKind.InvalidJson, 1)]
    [InlineData("{'a':1}", SpanFaultKind.InvalidJson, 1)]
    [InlineData("{\"a\":NaN}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":Infinity}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":-Infinity}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":01}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":-01}", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\":1.}", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\":.5}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":+1}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":1e}", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\":0x10}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":truE}", SpanFaultKind.InvalidJson, 8)]
    [InlineData("{\"a\":True}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":1/**/}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":1}//", SpanFaultKind.InvalidJson, 7)]
    [InlineData("{\"a\":\"\t\"}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":\"\0\"}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":\f1}", SpanFaultKind.InvalidJson, 5)]
    [InlineData("{\"a\":\"\\x\"}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\"a\":\"\\u00g0\"}", SpanFaultKind.InvalidJson, 6)]
    [InlineData("{\\\"a\":1}", SpanFaultKind.InvalidJson, 1)]
    public void A_message_that_is_not_an_object_of_JSON_is_refused_with_the_place(string message, SpanFaultKind kind, int position) =>
        Assert.Equal(new SpanFault(kind, SpanField.None, position), Parsing.Refuse(message));

    [Theory]
    [InlineData(new byte[] { 0xFF })]
    [InlineData(new byte[] { 0xC0, 0x80 })] // overlong
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })] // a surrogate
    [InlineData(new byte[] { 0xF4, 0x90, 0x80, 0x80 })] // beyond U+10FFFF
    [InlineData(new byte[] { 0xE6, 0xBC })] // cut by the quote
    public void What_is_not_UTF8_is_refused_within_strings_and_outside(byte[] bytes)
    {
        Assert.Equal(new SpanFault(SpanFaultKind.InvalidUtf8, SpanField.None, 6), Parsing.Refuse([.. "{\"a\":\""u8, .. bytes, .. "\"}"u8]));
        Assert.Equal(new SpanFault(SpanFaultKind.InvalidUtf8, SpanField.None, 5), Parsing.Refuse([.. "{\"a\":"u8, .. bytes, .. "}"u8]));
    }

    [Theory]
    [InlineData("trace_id", "null", SpanFaultKind.Null)]
    [InlineData("trace_id", "1", SpanFaultKind.WrongType)]
    [InlineData("trace_id", "\"\"", SpanFaultKind.WrongLength)]
    [InlineData("trace_id", "\"0123456789abcdef0123456789abcde\"", SpanFaultKind.WrongLength)]
    [InlineData("trace_id", "\"0123456789abcdef0123456789abcdef0\"", SpanFaultKind.WrongLength)]
    [InlineData("trace_id", "\"0123456789abcdef0123456789abcdeg\"", SpanFaultKind.NotHex)]
    [InlineData("trace_id", "\"0123456789abcdef\\u00300123456789abcdef01234567\"", SpanFaultKind.WrongLength)] // too long also behind its escapes
    [InlineData("trace_id", "\"0123456789abcdef\\u00670123456789abcdef01234567\"", SpanFaultKind.NotHex)]
    [InlineData("span_id", "\"0123456789abcdef\\u00300123456789abcdef01234567\"", SpanFaultKind.WrongLength)]
    [InlineData("span_id", "\"0123456789abcdef0123456789abcdef01234567\\u20ac\"", SpanFaultKind.NotHex)]
    [InlineData("span_id", "\"00000000-0000-00aa\"", SpanFaultKind.NotHex)]
    [InlineData("span_id", "\"aa\"", SpanFaultKind.WrongLength)]
    [InlineData("span_id", "{}", SpanFaultKind.WrongType)]
    [InlineData("project_id", "null", SpanFaultKind.Null)]
    [InlineData("project_id", "\"7\"", SpanFaultKind.WrongType)]
    [InlineData("project_id", "true", SpanFaultKind.WrongType)]
    [InlineData("project_id", "-1", SpanFaultKind.OutOfRange)]
    [InlineData("project_id", "1.0", SpanFaultKind.OutOfRange)]
    [InlineData("project_id", "1e3", SpanFaultKind.OutOfRange)]
    [InlineData("project_id", "9223372036854775808", SpanFaultKind.OutOfRange)]
    [InlineData("project_id", "99999999999999999999", SpanFaultKind.OutOfRange)]
    [InlineData("organization_id", "-1", SpanFaultKind.OutOfRange)]
    [InlineData("start_timestamp", "\"1\"", SpanFaultKind.WrongType)]
    [InlineData("start_timestamp", "1e400", SpanFaultKind.NumberTooLarge)]
    [InlineData("start_timestamp", "-0.001", SpanFaultKind.OutOfRange)]
    [InlineData("end_timestamp", "-1e400", SpanFaultKind.NumberTooLarge)]
    [InlineData("end_timestamp", "-1", SpanFaultKind.OutOfRange)]
    [InlineData("end_timestamp", "null", SpanFaultKind.Null)]
    [InlineData("received", "-1", SpanFaultKind.OutOfRange)]
    [InlineData("received", "-1e-9", SpanFaultKind.OutOfRange)]
    [InlineData("received", "1e400", SpanFaultKind.NumberTooLarge)]
    [InlineData("received", "1e99999999999999999999", SpanFaultKind.NumberTooLarge)]
    [InlineData("received", "1e300", SpanFaultKind.OutOfRange)]
    [InlineData("received", "253402300799.0001", SpanFaultKind.OutOfRange)]
    [InlineData("received", "253402300800", SpanFaultKind.OutOfRange)]
    [InlineData("received", "999999999999.123", SpanFaultKind.OutOfRange)]
    [InlineData("received", "99999999999999999999999999999999999999", SpanFaultKind.OutOfRange)]
    [InlineData("retention_days", "65536", SpanFaultKind.OutOfRange)]
    [InlineData("retention_days", "[]", SpanFaultKind.WrongType)]
    [InlineData("status", "null", SpanFaultKind.Null)]
    [InlineData("status", "1", SpanFaultKind.WrongType)]
    [InlineData("trace_id", "\"0-1-2-3-4-56789abcdef0123456789abcdef\"", SpanFaultKind.WrongLength)] // 37 characters
    [InlineData("parent_span_id", "\"0\"", SpanFaultKind.WrongLength)]
    [InlineData("parent_span_id", "7", SpanFaultKind.WrongType)]
    [InlineData("parent_span_id", "\"00000000000000xx\"", SpanFaultKind.NotHex)]
    [InlineData("is_segment", "0", SpanFaultKind.WrongType)]
    [InlineData("is_segment", "\"true\"", SpanFaultKind.WrongType)]
    [InlineData("name", "7", SpanFaultKind.WrongType)]
    [InlineData("attributes", "[]", SpanFaultKind.WrongType)]
    [InlineData("attributes", "\"x\"", SpanFaultKind.WrongType)]
    [InlineData("attributes", "1", SpanFaultKind.WrongType)]
    [InlineData("downsampled_retention_days", "null", SpanFaultKind.Null)]
    [InlineData("downsampled_retention_days", "\"30\"", SpanFaultKind.WrongType)]
    [InlineData("downsampled_retention_days", "30.0", SpanFaultKind.OutOfRange)]
    [InlineData("downsampled_retention_days", "65536", SpanFaultKind.OutOfRange)]
    [InlineData("event_id", "7", SpanFaultKind.WrongType)]
    [InlineData("event_id", "\"\"", SpanFaultKind.WrongLength)]
    [InlineData("event_id", "\"0123456789abcdef0123456789abcde\"", SpanFaultKind.WrongLength)]
    [InlineData("event_id", "\"0123456789abcdef0123456789abcdef01234\"", SpanFaultKind.WrongLength)]
    [InlineData("key_id", "\"x\"", SpanFaultKind.WrongType)]
    [InlineData("key_id", "-1", SpanFaultKind.OutOfRange)]
    [InlineData("kind", "1", SpanFaultKind.WrongType)]
    [InlineData("links", "{}", SpanFaultKind.WrongType)]
    [InlineData("_meta", "5", SpanFaultKind.WrongType)]
    public void A_field_that_breaks_the_rules_is_named_with_the_place_of_its_value(string key, string value, SpanFaultKind kind)
    {
        byte[] message = new SpanMessage().With(key, value).ToBytes("  ");
        SpanFault fault = Parsing.Refuse(message);
        Assert.Equal(kind, fault.Kind);
        Assert.Equal(key, fault.Field.Name());
        Assert.Equal(Encoding.UTF8.GetString(message).IndexOf($"\"{key}\"  :  ", StringComparison.Ordinal) + key.Length + 7, fault.Position);
    }

    [Theory]
    [InlineData("attributes", "{\"k\":<5>}", SpanField.Attributes)]
    [InlineData("attributes", "{\"a\":{},\"k\" : <\"x\"> }", SpanField.Attributes)]
    [InlineData("attributes", "{\"k\":<true>,\"l\":[]}", SpanField.Attributes)]
    [InlineData("attributes", "{\"k\":<[{}]>}", SpanField.Attributes)]
    [InlineData("attributes", "{\"sentry.segment.id\":<\"00000000000000cc\">}", SpanField.Attributes)]
    [InlineData("attributes", "{\"sentry.segment.id\":{\"type\":\"integer\",\"value\":<5>}}", SpanField.SegmentId)]
    [InlineData("attributes", "{\"sentry.segment.id\":{\"value\":<true>}}", SpanField.SegmentId)]
    [InlineData("attributes", "{\"sentry.segment.id\":{\"value\":<[]>}}", SpanField.SegmentId)]
    [InlineData("attributes", "{\"sentry\\u002esegment.id\":{ \"v\\u0061lue\" : <{}> }}", SpanField.SegmentId)]
    [InlineData("links", "[{},<5>]", SpanField.Links)]
    [InlineData("links", "[ null , <[]> ]", SpanField.Links)]
    public void A_wrong_value_within_a_field_is_named_with_its_place(string key, string marked, SpanField field) =>
        AssertRefused(SpanFaultKind.WrongType, key, marked, field);

    [Theory]
    [InlineData("name", "\"a<\\ud800>b\"", SpanField.Name)]
    [InlineData("name", "\"<\\ude00>\\ud83d\"", SpanField.Name)] // the wrong way round
    [InlineData("name", "\"\\ud83d\\ude00<\\ude00>\"", SpanField.Name)]
    [InlineData("name", "\"<\\uD83D>\\ud83d\\ude00\"", SpanField.Name)]
    [InlineData("name", "\"<\\uDBFF>\\\\uDFFF\"", SpanField.Name)] // an escaped backslash
    [InlineData("name", "\"<\\uDBFF>\\nuDFFF\"", SpanField.Name)]
    [InlineData("status", "\"<\\uDBFF>uDFFF\"", SpanField.Status)]
    [InlineData("other", "[{\"<\\udc00>\":1}]", SpanField.None)]
    [InlineData("attributes", "{\"a\":{\"value\":\"<\\ud800>\"}}", SpanField.Attributes)]
    [InlineData("attributes", "{\"<\\ud800>\":{}}", SpanField.Attributes)]
    [InlineData("\\u0061ttributes", "{\"<\\ud800>\":{}}", SpanField.Attributes)]
    public void Half_a_surrogate_pair_is_refused_with_field_and_place(string key, string marked, SpanField field) =>
        AssertRefused(SpanFaultKind.LoneSurrogate, key, marked, field);

    [Fact]
    public void Half_a_surrogate_pair_is_refused_in_the_key_of_a_field_and_over_the_edge_of_a_block()
    {
        Assert.Equal(new SpanFault(SpanFaultKind.LoneSurrogate, SpanField.None, 2), Parsing.Refuse("{\"\\ud800\":1}"));
        for (int length = 0; length < 140; length++)
        {
            string before = new('x', length);
            Parsing.Parse(new SpanMessage().With("name", $"\"{before}\\ud83d\\ude00\""));
            AssertRefused(SpanFaultKind.LoneSurrogate, "name", $"\"{before}<\\ud83d>\\\\ude00\"", SpanField.Name);
            AssertRefused(SpanFaultKind.LoneSurrogate, "name", $"\"{before}\\\\ud83d<\\ude00>\"", SpanField.Name);
        }
    }

    [Theory]
    [InlineData("other", "<1e400>", SpanField.None)]
    [InlineData("other", "[{\"a\":<-1.8e308>}]", SpanField.None)]
    [InlineData("other", "<1E+309>", SpanField.None)]
    [InlineData("other", "[<1e999999999999999999999>]", SpanField.None)]
    [InlineData("attributes", "{\"a\":{\"type\":\"double\",\"value\":<1e309>}}", SpanField.Attributes)]
    [InlineData("attributes", "{\"a\":{\"value\":[<1e309>]}}", SpanField.Attributes)]
    public void A_number_beyond_a_double_is_refused_with_field_and_place(string key, string marked, SpanField field) =>
        AssertRefused(SpanFaultKind.NumberTooLarge, key, marked, field);

    [Fact]
    public void A_number_of_very_many_digits_is_refused_where_no_double_holds_it()
    {
        Parsing.Parse(new SpanMessage().With("other", "1" + new string('0', 308)));
        Parsing.Parse(new SpanMessage().With("other", "0." + new string('9', 1000)));
        AssertRefused(SpanFaultKind.NumberTooLarge, "other", $"<2{new string('0', 308)}>", SpanField.None);
        AssertRefused(SpanFaultKind.NumberTooLarge, "other", $"<{new string('9', 250)}e99>", SpanField.None);
    }

    [Fact]
    public void Nesting_that_is_too_deep_is_refused_with_field_and_place()
    {
        string deep = new('[', JsonSpanParser.MaxDepth - 3);
        string marked = $"{{\"a\":{{\"value\":{deep}<[>{new string(']', deep.Length + 1)}}}}}";
        AssertRefused(SpanFaultKind.TooDeep, "attributes", marked, SpanField.Attributes);
    }

    /// <param name="marked">The field's value, with the place of the fault between &lt; and &gt;.</param>
    private static void AssertRefused(SpanFaultKind kind, string key, string marked, SpanField field)
    {
        string value = marked.Replace("<", "", StringComparison.Ordinal).Replace(">", "", StringComparison.Ordinal);
        byte[] message = new SpanMessage().Without("attributes").With(key, value).ToBytes();
        int start = Encoding.UTF8.GetString(message).IndexOf(value, StringComparison.Ordinal);
        Assert.Equal(new SpanFault(kind, field, start + marked.IndexOf('<', StringComparison.Ordinal)), Parsing.Refuse(message));
    }

    [Theory]
    [InlineData("trace_id")]
    [InlineData("span_id")]
    [InlineData("project_id")]
    [InlineData("organization_id")]
    [InlineData("start_timestamp")]
    [InlineData("end_timestamp")]
    [InlineData("received")]
    [InlineData("retention_days")]
    [InlineData("status")]
    public void A_required_field_that_is_missing_is_named(string key)
    {
        byte[] message = new SpanMessage().Without(key).With("other", $"{{\"{key}\":1}}").ToBytes();
        SpanFault fault = Parsing.Refuse(message);
        Assert.Equal((SpanFaultKind.Missing, key, message.Length - 1), (fault.Kind, fault.Field.Name(), fault.Position));
    }

    [Fact]
    public void Faults_of_the_grammar_come_first_then_the_order_of_the_fields()
    {
        Assert.Equal(SpanFaultKind.InvalidJson, Parsing.Refuse("{\"trace_id\":1,}").Kind);
        Assert.Equal(SpanField.SpanId, Parsing.Refuse(new SpanMessage().With("is_segment", "1").With("received", "-1").Without("span_id").ToBytes()).Field);
    }

    [Fact]
    public void Every_kind_and_field_has_a_frozen_name()
    {
        Assert.Equal(
            "none empty invalid_json truncated invalid_utf8 not_an_object too_deep too_large too_large_for_output too_large_for_buffer missing null wrong_type wrong_length not_hex out_of_range "
            + "lone_surrogate number_too_large",
            string.Join(' ', Enum.GetValues<SpanFaultKind>().Select(kind => kind.Name())));
        Assert.Equal(
            "message trace_id span_id project_id organization_id start_timestamp end_timestamp received retention_days status parent_span_id is_segment name attributes "
            + "sentry.segment.id downsampled_retention_days event_id key_id kind links _meta",
            string.Join(' ', Enum.GetValues<SpanField>().Select(field => field.Name())));
    }

    [Theory]
    [InlineData("{\"trace_id\":\"abc\"}", "trace_id: 3 hex digits, needs 32 (value \"abc\" at byte 12)")]
    [InlineData("{\"trace_id\":\"ab\\u001b[0m\u202e\"}", "trace_id: not only hex digits, needs 32 (value \"ab\\u001b[0m\\u202E\" at byte 12)")]
    [InlineData("{\"trace_id\":7}", "trace_id: a number, needs 32 hex digits (value 7 at byte 12)")]
    [InlineData("{\"trace_id\":[]}", "trace_id: an array, needs 32 hex digits (value [] at byte 12)")]
    [InlineData("{\"trace_id\":{\"a\":\"}\\\"\",\"b\":[1]},\"c\":{}}",
        "trace_id: an object, needs 32 hex digits (value {\"a\":\"}\\\"\",\"b\":[1]} at byte 12)")]
    [InlineData("{\"trace_id\":[\"x", "cut off: the message ends inside a value, after 15 bytes")]
    [InlineData("{\"trace_id\": null}", "trace_id: null at byte 13, needs 32 hex digits")]
    [InlineData("{}", "trace_id: missing, needs 32 hex digits")]
    [InlineData("", "empty message")]
    [InlineData("{\"name\":\"a\\ud800b\"}", "name: half a surrogate pair, \\ud800 at byte 10, which strict readers of JSON refuse")]
    [InlineData("{\"a\":[1e400]}", "a number that no 64-bit float holds, value 1e400 at byte 6, which strict readers of JSON refuse")]
    [InlineData("[1]", "not an object: the message is an array, value [1] at byte 0")]
    [InlineData("{\"a\":'x'}", "not JSON: 'x'} is not expected at byte 5")]
    [InlineData("{\"a\":", "cut off: the message ends inside a value, after 5 bytes")]
    [InlineData("\uFEFF{}", "not JSON: begins with a byte order mark, which JSON does not allow")]
    public void A_fault_is_told_in_words(string message, string expected) =>
        Assert.Equal(expected, Parsing.Refuse(message).Describe(Encoding.UTF8.GetBytes(message)));

    [Fact]
    public void A_long_value_is_cut_and_bad_bytes_are_escaped()
    {
        byte[] large = Encoding.UTF8.GetBytes($"{{\"trace_id\":\"{new string('a', 500)}\"}}");
        Assert.Equal($"trace_id: 500 hex digits, needs 32 (value \"{new string('a', 59)}… at byte 12)", Parsing.Refuse(large).Describe(large));
        byte[] bad = [.. "{\"a\":\""u8, 0xFF, 0x1B, .. "\"}"u8];
        Assert.Equal("not UTF-8: \\xFF\\u001B\"} at byte 6", Parsing.Refuse(bad).Describe(bad));
    }
}

using System.IO.Hashing;
using System.Text;
using Sheaf.Spans;
using Xunit;
using Sheaf.TestKit;

namespace Sheaf.Tests.Spans;

/// <summary>What is read from usable messages.</summary>
public sealed class JsonSpanParserTests
{
    private const string Link = "{\"type\":\"string\",\"value\":\"00000000000000cc\"}";

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("\r\n\t  ")]
    public void All_fields_are_read_whatever_the_white_space(string space)
    {
        byte[] message = [.. Encoding.UTF8.GetBytes(space), .. new SpanMessage().ToBytes(space), .. Encoding.UTF8.GetBytes(space)];
        TraceSpan span = Parsing.Parse(message);
        Assert.Equal(new TraceKey(7, new TraceId(0x0123456789abcdef, 0x0123456789abcdef)), span.Trace);
        Assert.Equal(new SpanId(0xaa), span.SpanId);
        Assert.Equal(new SpanId(0xbb), span.EffectiveParent);
        Assert.False(span.IsSegmentRoot);
        Assert.Equal(3, span.OrganizationId);
        Assert.Equal(1674578015159, span.ReceivedMs);
        Assert.Equal(XxHash3.HashToUInt64(message), span.PayloadHash);
    }

    [Fact]
    public void A_dashed_trace_id_and_upper_case_are_the_same_ids()
    {
        TraceSpan span = Parsing.Parse(new SpanMessage().With("trace_id", "\"01234567-89AB-CDEF-0123-456789abcdef\"").With("span_id", "\"ABCDEFabcdef0123\""));
        Assert.Equal(new TraceId(0x0123456789abcdef, 0x0123456789abcdef), span.Trace.TraceId);
        Assert.Equal(new SpanId(0xabcdefabcdef0123), span.SpanId);
    }

    [Fact]
    public void Keys_and_ids_may_be_escaped()
    {
        TraceSpan span = Parsing.Parse(new SpanMessage()
            .Renamed("trace_id", "trace\\u005fid").Renamed("attributes", "\\u0061ttributes")
            .With("span_id", "\"\\u00300000000000000\\u0061a\"")
            .With("\\u0061ttributes", "{\"sentry\\u002esegment.id\":{\"type\":\"string\",\"val\\u0075e\":\"00000000000000\\u0063c\"}}"));
        Assert.Equal(0x0123456789abcdefUL, span.Trace.TraceId.High);
        Assert.Equal(new SpanId(0xaa), span.SpanId);
        Assert.Equal(new SpanId(0xcc), span.EffectiveParent);
        Assert.Equal(SegmentIdForm.Present, span.Edits.SegmentId);
        Assert.True(Parsing.Parse(new SpanMessage().With("parent_span_id", "\"000000000000000\\u0030\"")).IsSegmentRoot);
    }

    [Theory]
    [InlineData(null, "false", null, true, 0xaa)] // no parent: a root
    [InlineData("null", "false", null, true, 0xaa)]
    [InlineData("\"\"", "false", null, true, 0xaa)] // a parent that is none
    [InlineData("\"\"", null, Link, true, 0xaa)]
    [InlineData("\"0000000000000000\"", "false", null, true, 0xaa)]
    [InlineData("\"0000000000000000\"", "null", Link, true, 0xaa)]
    [InlineData(null, "false", Link, true, 0xaa)] // the attribute does not matter for a root
    [InlineData("\"00000000000000bb\"", "true", Link, true, 0xaa)] // marked
    [InlineData("\"00000000000000bb\"", "false", Link, false, 0xcc)]
    [InlineData("\"00000000000000bb\"", null, Link, false, 0xcc)]
    [InlineData("\"00000000000000bb\"", "null", null, false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "null", false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "{\"value\":null}", false, 0xbb)] // no value, and values that are no span id
    [InlineData("\"00000000000000bb\"", "false", "{\"value\":\"\"}", false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "{\"value\":5,\"value\":null}", false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "{\"value\":\"cc\"}", false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "{\"value\":\"00000000000000cg\"}", false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "{}", false, 0xbb)]
    [InlineData("\"00000000000000bb\"", "false", "{ \"value\" : \"00000000000000cc\" , \"type\" : \"string\" }", false, 0xcc)]
    [InlineData("\"00000000000000bb\"", "false", "{\"value\":\"00000000000000dd\",\"value\":\"00000000000000cc\"}", false, 0xcc)] // the last one
    [InlineData("\"00000000000000bb\"", "false", "{\"x\":{\"value\":\"00000000000000cc\"}}", false, 0xbb)] // nested deeper
    public void The_effective_parent_is_itself_for_a_root_else_the_attribute_else_the_parent(
        string? parent, string? isSegment, string? attribute, bool isRoot, ulong expected)
    {
        var message = new SpanMessage();
        if (parent is null) message.Without("parent_span_id"); else message.With("parent_span_id", parent);
        if (isSegment is null) message.Without("is_segment"); else message.With("is_segment", isSegment);
        if (attribute is not null) message.With("attributes", $"{{\"sentry.segment.id\":{attribute}}}");
        TraceSpan span = Parsing.Parse(message);
        Assert.Equal(isRoot, span.IsSegmentRoot);
        Assert.Equal(new SpanId(expected), span.EffectiveParent);
    }

    [Theory]
    [InlineData("\"x\":1,", "true", IsSegmentForm.True, "true")]
    [InlineData("", "false", IsSegmentForm.False, "false")]
    [InlineData("", "null", IsSegmentForm.Null, "null")]
    public void The_place_of_is_segment_is_its_literal(string _, string value, IsSegmentForm form, string at)
    {
        byte[] message = [.. "  "u8, .. new SpanMessage().With("links", "[{\"is_segment\":7,\"attributes\":1}]").With("is_segment", value).ToBytes(" ")];
        PayloadEdits edits = Parsing.Parse(message).Edits;
        Assert.Equal(form, edits.IsSegment);
        Assert.StartsWith(at, Encoding.UTF8.GetString(message.AsSpan(edits.IsSegmentAt)), StringComparison.Ordinal);
        Assert.False(edits.Irregular);
    }

    [Fact]
    public void Without_is_segment_its_place_is_behind_the_opening_brace()
    {
        byte[] message = [.. "  "u8, .. new SpanMessage().Without("is_segment").ToBytes(" ")];
        PayloadEdits edits = Parsing.Parse(message).Edits;
        Assert.Equal(IsSegmentForm.Absent, edits.IsSegment);
        Assert.Equal(3, edits.IsSegmentAt);
    }

    [Theory]
    [InlineData("null", SegmentIdForm.AttributesNull, "null")]
    [InlineData("{}", SegmentIdForm.AttributesEmpty, "}")]
    [InlineData("{ \n }", SegmentIdForm.AttributesEmpty, " \n }")]
    [InlineData("{\"a\":null}", SegmentIdForm.Absent, "\"a\"")]
    [InlineData("{ \"a\":{\"sentry.segment.id\":1}}", SegmentIdForm.Absent, " \"a\"")]
    [InlineData("{\"a\":{},\"sentry.segment.id\": null}", SegmentIdForm.Null, "null")]
    [InlineData("{\"sentry.segment.id\":{\"value\":\"x\"}}", SegmentIdForm.Present, "{\"value\"")]
    [InlineData("{\"sentry.segment.id\":{\"type\":\"string\",\"value\":\"00000000000000cc\"}}", SegmentIdForm.Present, "{\"type\"")]
    public void The_place_of_the_segment_id_fits_what_was_found(string attributes, SegmentIdForm form, string at)
    {
        byte[] message = new SpanMessage().With("attributes", attributes).ToBytes();
        PayloadEdits edits = Parsing.Parse(message).Edits;
        Assert.Equal(form, edits.SegmentId);
        Assert.StartsWith(at, Encoding.UTF8.GetString(message.AsSpan(edits.SegmentIdAt)), StringComparison.Ordinal);
        Assert.False(edits.Irregular);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{ }")]
    [InlineData("{\"type\":\"string\"}")]
    [InlineData("{\"type\":\"string\",\"value\":null}")]
    [InlineData("{\"type\":\"string\" , \"val\\u0075e\" : \"\"}")]
    [InlineData("{\"value\":\"00000000000000cc\",\"value\":null}")]
    public void A_segment_id_without_a_value_is_to_be_replaced_as_a_whole(string attribute)
    {
        byte[] message = new SpanMessage().With("attributes", $"{{\"sentry.segment.id\":{attribute}}}").ToBytes();
        PayloadEdits edits = Parsing.Parse(message).Edits;
        Assert.Equal((SegmentIdForm.WithoutValue, true), (edits.SegmentId, edits.Irregular));
        Assert.StartsWith(attribute, Encoding.UTF8.GetString(message.AsSpan(edits.SegmentIdAt)), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_attributes_the_place_is_behind_the_opening_brace()
    {
        PayloadEdits edits = Parsing.Parse(new SpanMessage().Without("attributes")).Edits;
        Assert.Equal((SegmentIdForm.AttributesAbsent, 1), (edits.SegmentId, edits.SegmentIdAt));
    }

    [Fact]
    public void Of_repeated_keys_the_last_one_counts_and_those_to_be_edited_are_marked()
    {
        Assert.False(Parsing.Parse(new SpanMessage().Also("name", "\"x\"").Also("status", "\"y\"")).Edits.Irregular);
        Assert.Equal(9, Parsing.Parse(new SpanMessage().Also("project_id", "9")).Trace.ProjectId);

        TraceSpan marked = Parsing.Parse(new SpanMessage().Also("is_segment", "true"));
        Assert.True(marked.Edits.Irregular && marked.IsSegmentRoot);
        Assert.True(Parsing.Parse(new SpanMessage().Also("is_se\\u0067ment", "true")).Edits.Irregular);

        TraceSpan twice = Parsing.Parse(new SpanMessage().With("attributes", $"{{\"sentry.segment.id\":{Link}}}").Also("attributes", "null"));
        Assert.True(twice.Edits.Irregular);
        Assert.Equal(SegmentIdForm.AttributesNull, twice.Edits.SegmentId);
        Assert.Equal(new SpanId(0xbb), twice.EffectiveParent);

        TraceSpan ids = Parsing.Parse(new SpanMessage().With("attributes", $"{{\"sentry.segment.id\":{{}},\"sentry.segment.id\":{Link}}}"));
        Assert.True(ids.Edits.Irregular);
        Assert.Equal(new SpanId(0xcc), ids.EffectiveParent);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("-0", 0)]
    [InlineData("-0.0e5", 0)]
    [InlineData("1", 1000)]
    [InlineData("0.0009", 0)]
    [InlineData("0.001", 1)]
    [InlineData("1674578015.159908", 1674578015159)]
    [InlineData("1.674578015159908E9", 1674578015159)]
    [InlineData("1.674578015160e+9", 1674578015160)]
    [InlineData("1674578015160e-3", 1674578015160)]
    [InlineData("16745780151599999999999999999999999999999e-31", 1674578015159)]
    [InlineData("1e-400", 0)]
    [InlineData("0e400", 0)]
    [InlineData("0.1", 100)]
    [InlineData("0.12", 120)]
    [InlineData("253402300799", 253402300799000)]
    [InlineData("253402300799.000", 253402300799000)]
    [InlineData("253402300798.9999999999", 253402300798999)]
    public void Received_is_exact_milliseconds_however_it_is_written(string received, long expected) =>
        Assert.Equal(expected, Parsing.Parse(new SpanMessage().With("received", received)).ReceivedMs);

    [Theory]
    [InlineData("project_id", "9223372036854775807")]
    [InlineData("organization_id", "0")]
    [InlineData("retention_days", "65535")]
    [InlineData("start_timestamp", "-0.0")]
    [InlineData("end_timestamp", "1.7976931348623157e308")]
    [InlineData("trace_id", "\"01234567-89ab-cdef-0123-456789abcdef\"")]
    [InlineData("downsampled_retention_days", "0")]
    [InlineData("downsampled_retention_days", "65535")]
    [InlineData("event_id", "null")]
    [InlineData("event_id", "\"\\u00e9123456789abcdef0123456789abcdeé\"")] // 32 characters
    [InlineData("event_id", "\"01234567-89ab-cdef-0123-456789abcdef\"")]
    [InlineData("key_id", "9223372036854775807")]
    [InlineData("kind", "null")]
    [InlineData("links", "null")]
    [InlineData("links", " [ ] ")]
    [InlineData("links", "[{\"trace_id\":[1]}, null , {}]")]
    [InlineData("_meta", "{\"a\":[1]}")]
    [InlineData("name", "null")]
    [InlineData("is_segment", "null")]
    [InlineData("attributes", "null")]
    [InlineData("other", "[1,{\"a\":[[],{}]},\"\\ud83d\\uDE00 \\\\ud800\",-0.5E-7,true,false,null]")]
    [InlineData("other", "[1e-400,-1e-99999,0e999,1.7976931348623158e308]")] // beyond the smallest, not beyond the largest
    [InlineData("other", "\"\\\\\\\"\\/\\b\\f\\n\\r\\t\\u00ff é 漢 😀\"")]
    public void Values_at_the_edge_are_accepted(string key, string value) => Parsing.Parse(new SpanMessage().With(key, value));

    [Fact]
    public void Nesting_is_accepted_to_a_thousand_levels_and_not_beyond()
    {
        Assert.Equal(1000, JsonSpanParser.MaxDepth);
        static string Arrays(int depth) => new string('[', depth) + new string(']', depth);
        Parsing.Parse(new SpanMessage().With("other", Arrays(JsonSpanParser.MaxDepth - 1)));
        SpanFault fault = Parsing.Refuse(new SpanMessage().With("other", Arrays(JsonSpanParser.MaxDepth)).ToBytes());
        Assert.Equal(SpanFaultKind.TooDeep, fault.Kind);
        string objects = string.Concat(Enumerable.Repeat("{\"a\":", JsonSpanParser.MaxDepth - 1)) + "1" + new string('}', JsonSpanParser.MaxDepth - 1);
        Parsing.Parse(new SpanMessage().With("other", objects));
        Parsing.Parse(new SpanMessage().With("attributes", $"{{\"a\":{{\"value\":{Arrays(JsonSpanParser.MaxDepth - 3)}}}}}"));
        Assert.Equal(SpanFaultKind.TooDeep, Parsing.Refuse(new SpanMessage().With("attributes", $"{{\"a\":{{\"value\":{Arrays(JsonSpanParser.MaxDepth - 2)}}}}}").ToBytes()).Kind);
    }

    [Fact]
    public void A_span_of_many_megabytes_is_read_and_small_ones_after_it()
    {
        var parser = new JsonSpanParser();
        TraceSpan span = default;
        foreach (int size in new[] { 10, 20_000_000, 10 })
        {
            byte[] message = new SpanMessage().With("other", $"\"{new string('x', size)}\"").ToBytes();
            Assert.True(parser.TryParse(message, ref span, out _));
            Assert.Equal(new SpanId(0xaa), span.SpanId);
        }
    }

    [Fact]
    public void Nothing_is_allocated_for_a_span()
    {
        byte[][] messages =
        [
            new SpanMessage().ToBytes(),
            new SpanMessage().ToBytes(" \n"),
            new SpanMessage().Renamed("trace_id", "trace\\u005fid").With("received", "1.6E9").With("start_timestamp", "1e9").ToBytes(),
            new SpanMessage().With("attributes", $"{{\"sentry.segment.id\":{Link},\"é\":{{\"type\":\"double\",\"value\":1.5}}}}").ToBytes(),
        ];
        var parser = new JsonSpanParser();
        TraceSpan span = default;
        bool all = true;
        Assert.Equal(0, Garbage.Of(() =>
        {
            for (int i = 0; i < 2_000; i++) all &= parser.TryParse(messages[i & 3], ref span, out _);
        }));
        Assert.True(all);
    }
}

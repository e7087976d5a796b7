using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>ARCHITECTURE.md, rule 5: two edits per span, every other byte as it came.</summary>
public class PayloadEditTests
{
    private static readonly SpanId Segment = new(0xABCDEF0123456789);
    private static readonly SpanId Child = new(1);

    private const string Value = """{"type":"string","value":"abcdef0123456789"}""";

    // Input, and what comes out: <seg> stands for true or false, <value> for the id's value, <attr> for key and value.
    public static TheoryData<string, string> Forms => new()
    {
        // is_segment: absent, true, false, null; the attribute is there.
        { """{"a":1,"attributes":{"sentry.segment.id":0}}""", """{"is_segment":<seg>,"a":1,"attributes":{"sentry.segment.id":0}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{"value":"a"}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":{"value":"a"}}}""" },
        { """{"is_segment":false,"attributes":{"sentry.segment.id":{"value":"a"}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":{"value":"a"}}}""" },
        { """{"is_segment":null,"attributes":{"sentry.segment.id":{"value":"a"}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":{"value":"a"}}}""" },
        // The attribute: attributes absent, null, empty; absent from others; null.
        { """{"is_segment":true,"a":1}""", """{"attributes":{<attr>},"is_segment":<seg>,"a":1}""" },
        { """{"is_segment":true,"attributes":null}""", """{"is_segment":<seg>,"attributes":{<attr>}}""" },
        { """{"is_segment":true,"attributes":{}}""", """{"is_segment":<seg>,"attributes":{<attr>}}""" },
        { """{"is_segment":true,"attributes":{"b":2}}""", """{"is_segment":<seg>,"attributes":{<attr>,"b":2}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":null}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>}}""" },
        // Both absent: is_segment first.
        { """{"a":1}""", """{"is_segment":<seg>,"attributes":{<attr>},"a":1}""" },
        // The attribute before is_segment.
        { """{"attributes":{"b":2},"is_segment":false}""", """{"attributes":{<attr>,"b":2},"is_segment":<seg>}""" },
        { """{"attributes":null,"is_segment":null,"z":0}""", """{"attributes":{<attr>},"is_segment":<seg>,"z":0}""" },
        { """{"attributes":{"b":{"is_segment":true},"sentry.segment.id":null},"a":1}""", """{"is_segment":<seg>,"attributes":{"b":{"is_segment":true},"sentry.segment.id":<value>},"a":1}""" },
        // White space everywhere, also behind the object.
        { " \t{ \"is_segment\" : true , \"attributes\" : { } } \r ", " \t{ \"is_segment\" : <seg> , \"attributes\" : {<attr> } } \r " },
        { "{\r\"attributes\"\t:\r{ \"b\" : 2 } , \"a\" : 1 }", "{\"is_segment\":<seg>,\r\"attributes\"\t:\r{<attr>, \"b\" : 2 } , \"a\" : 1 }" },
        // Names and braces inside of strings, names in nested objects, numbers that no type holds, half a surrogate pair.
        { """{"a":"\"is_segment\":true,{\\","is_segment":false,"attributes":{"b":"}\"","sentry.segment.id":1}}""", """{"a":"\"is_segment\":true,{\\","is_segment":<seg>,"attributes":{"b":"}\"","sentry.segment.id":1}}""" },
        { """{"x":{"is_segment":true,"attributes":null},"n":-1234567890123456789012345678901234567890.5e+4000}""", """{"is_segment":<seg>,"attributes":{<attr>},"x":{"is_segment":true,"attributes":null},"n":-1234567890123456789012345678901234567890.5e+4000}""" },
        { """{"\ud800":"\udfff","sentry.segment.id":null,"attributes":{"attributes":{"sentry.segment.id":7}}}""", """{"is_segment":<seg>,"\ud800":"\udfff","sentry.segment.id":null,"attributes":{<attr>,"attributes":{"sentry.segment.id":7}}}""" },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_form_is_edited_in_place_and_all_else_is_kept(string payload, string expected)
    {
        AssertWritten(payload, expected);
    }

    public static TheoryData<string, string> IrregularForms => new()
    {
        // The attribute is an object without a value: it is replaced as a whole.
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>}}""" },
        { """{"attributes":{"b":{},"sentry.segment.id": { } },"a":1}""", """{"is_segment":<seg>,"attributes":{"b":{},"sentry.segment.id": <value> },"a":1}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{"type":"string"},"c":{}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>,"c":{}}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{"type":"string","value": null }}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{"value":"","type":"string"}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment\u002eid":{"v\u0061lue":""}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment\u002eid":<value>}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{"x":{"value":"a"}}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{"value":"a","value":null}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>}}""" },
        { """{"is_segment":true,"attributes":{"sentry.segment.id":{},"sentry.segment.id":{"value":"a"}}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>,"sentry.segment.id":{"value":"a"}}}""" },
        { """{"is_segment":true,"attributes":{},"attributes":{"sentry.segment.id":{"value":""}}}""", """{"is_segment":<seg>,"attributes":{<attr>},"attributes":{"sentry.segment.id":<value>}}""" },
        // Twice: every occurrence.
        { """{"is_segment":true,"is_segment":false,"attributes":{"sentry.segment.id":1}}""", """{"is_segment":<seg>,"is_segment":<seg>,"attributes":{"sentry.segment.id":1}}""" },
        { """{"attributes":{},"b":1,"attributes":null,"attributes":{"c":1}}""", """{"is_segment":<seg>,"attributes":{<attr>},"b":1,"attributes":{<attr>},"attributes":{<attr>,"c":1}}""" },
        { """{"attributes":{"sentry.segment.id":null,"sentry.segment.id":{"value":1},"sentry.segment.id":null}}""", """{"is_segment":<seg>,"attributes":{"sentry.segment.id":<value>,"sentry.segment.id":{"value":1},"sentry.segment.id":<value>}}""" },
        { """{"attributes":{"sentry.segment.id":1},"is_segment":null,"attributes":{"a":2}}""", """{"attributes":{"sentry.segment.id":1},"is_segment":<seg>,"attributes":{<attr>,"a":2}}""" },
        // An earlier occurrence of a type that the field cannot have.
        { """{"is_segment":{"a":[1]},"is_segment":true,"attributes":5,"attributes":{}}""", """{"is_segment":<seg>,"is_segment":<seg>,"attributes":5,"attributes":{<attr>}}""" },
        // Escaped names, and names that only look like them.
        { """{"is\u005Fsegment":true,"\u0061ttributes":{"sentry\u002esegment.id":null}}""", """{"is\u005Fsegment":<seg>,"\u0061ttributes":{"sentry\u002esegment.id":<value>}}""" },
        { """{"is_segment\u0000":true,"is_segmen\ud800":1,"is\nsegment":2,"attributes":{"sentry.segment.i":1},"attributes":{"sentry.segment.id":1}}""", """{"is_segment":<seg>,"is_segment\u0000":true,"is_segmen\ud800":1,"is\nsegment":2,"attributes":{<attr>,"sentry.segment.i":1},"attributes":{"sentry.segment.id":1}}""" },
        { """{"is_segment":true,"is_segment":true,"a":1}""", """{"attributes":{<attr>},"is_segment":<seg>,"is_segment":<seg>,"a":1}""" },
    };

    [Theory]
    [MemberData(nameof(IrregularForms))]
    public void Irregular_payloads_have_every_occurrence_edited(string payload, string expected)
    {
        AssertWritten(payload, expected, new PayloadEdits(0, 0, default, default, Irregular: true));
    }

    [Fact]
    public void Deep_irregular_payloads_are_edited_too()
    {
        string deep = string.Concat(Enumerable.Repeat("[", JsonSpanParser.MaxDepth - 1)) + string.Concat(Enumerable.Repeat("]", JsonSpanParser.MaxDepth - 1));
        AssertWritten(
            $$"""{"is_segment":true,"d":{{deep}},"is_segment":true,"attributes":{"sentry.segment.id":1} }""",
            $$"""{"is_segment":<seg>,"d":{{deep}},"is_segment":<seg>,"attributes":{"sentry.segment.id":1} }""",
            new PayloadEdits(0, 0, default, default, Irregular: true));
    }

    [Fact]
    public void Every_span_with_the_id_of_the_segment_is_marked()
    {
        string written = Assert.Single(new PayloadClaim()
            .Add("""{"is_segment":true,"n":1,"attributes":{"sentry.segment.id":1}}""", Child)
            .Add("""{"is_segment":false,"n":2,"attributes":{"sentry.segment.id":1}}""", Segment)
            .Add("""{"is_segment":null,"n":3,"attributes":{"sentry.segment.id":1}}""", Segment)
            .Write(Segment));
        Assert.Contains("""{"is_segment":false,"n":1,""", written, StringComparison.Ordinal);
        Assert.Contains("""{"is_segment":true,"n":2,""", written, StringComparison.Ordinal);
        Assert.Contains("""{"is_segment":true,"n":3,""", written, StringComparison.Ordinal);
    }

    private static void AssertWritten(string payload, string expected, PayloadEdits? edits = null)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(payload);
        foreach (SpanId id in (SpanId[])[Segment, Child])
        {
            string written = Assert.Single(new PayloadClaim().Add(bytes, id, edits: edits).Write(Segment));
            int from = written.IndexOf('[') + 1;
            string edited = expected
                .Replace("<seg>", id == Segment ? "true" : "false", StringComparison.Ordinal)
                .Replace("<attr>", "\"sentry.segment.id\":<value>", StringComparison.Ordinal)
                .Replace("<value>", Value, StringComparison.Ordinal);
            Assert.Equal(edited, written[from..^2]);
        }
    }
}

using System.Text;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Spans;

/// <summary>A usable span as JSON text whose fields a test replaces, by their raw JSON.</summary>
internal sealed class SpanMessage
{
    private readonly List<(string Key, string Value)> _fields =
    [
        ("trace_id", "\"0123456789abcdef0123456789abcdef\""),
        ("span_id", "\"00000000000000aa\""),
        ("project_id", "7"),
        ("organization_id", "3"),
        ("start_timestamp", "1674578015.1"),
        ("end_timestamp", "1674578015.2"),
        ("received", "1674578015.159908"),
        ("retention_days", "90"),
        ("status", "\"ok\""),
        ("parent_span_id", "\"00000000000000bb\""),
        ("is_segment", "false"),
        ("name", "\"op\""),
        ("attributes", "{}"),
    ];

    /// <summary>Replaces a field's value by raw JSON, or appends the field.</summary>
    public SpanMessage With(string key, string value)
    {
        int at = _fields.FindIndex(field => field.Key == key);
        if (at < 0) _fields.Add((key, value));
        else _fields[at] = (key, value);
        return this;
    }

    public SpanMessage Without(string key)
    {
        _fields.RemoveAll(field => field.Key == key);
        return this;
    }

    /// <summary>Writes a key differently, for instance with escapes.</summary>
    public SpanMessage Renamed(string key, string written)
    {
        int at = _fields.FindIndex(field => field.Key == key);
        _fields[at] = (written, _fields[at].Value);
        return this;
    }

    /// <summary>Adds a field though there may be one of this key.</summary>
    public SpanMessage Also(string key, string value)
    {
        _fields.Add((key, value));
        return this;
    }

    public byte[] ToBytes(string space = "") => Encoding.UTF8.GetBytes(
        $"{{{space}{string.Join($"{space},{space}", _fields.Select(f => $"\"{f.Key}\"{space}:{space}{f.Value}"))}{space}}}");
}

/// <summary>Parsing as tests want it.</summary>
internal static class Parsing
{
    public static TraceSpan Parse(byte[] message)
    {
        TraceSpan span = default;
        Assert.True(new JsonSpanParser().TryParse(message, ref span, out SpanFault fault), fault.Describe(message));
        Assert.Equal(default, fault);
        return span;
    }

    public static TraceSpan Parse(SpanMessage message) => Parse(message.ToBytes());

    public static SpanFault Refuse(byte[] message)
    {
        TraceSpan span = default;
        Assert.False(new JsonSpanParser().TryParse(message, ref span, out SpanFault fault));
        return fault;
    }

    public static SpanFault Refuse(string message) => Refuse(Encoding.UTF8.GetBytes(message));
}

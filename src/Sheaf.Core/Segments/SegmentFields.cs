using System.Globalization;
using System.Text;
using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>
/// The fields that travel beside a segment's message (ARCHITECTURE.md, "What travels with a segment"), in one order and two
/// forms: the text of the Kafka header <c>sheaf</c>, and the JSON object of a file with <c>--with-headers</c>. Frozen: readers
/// downstream know names and forms; a new field goes to the end.
/// </summary>
public static class SegmentFields
{
    /// <summary>Room for the fields of any message, in either form.</summary>
    public const int MostBytes = 512;

    /// <summary>Writes <c>name=value;name=value</c>. No value holds <c>;</c> or <c>=</c>.</summary>
    /// <param name="room"><see cref="MostBytes"/> or more.</param>
    /// <returns>The bytes that were written.</returns>
    public static int WriteText(in SegmentMessage message, Span<byte> room) => Write(message, new Writer(room, asJson: false));

    /// <summary>Writes <c>{"name":value,"name":value}</c>: numbers and booleans as such, ids and the reason as strings.</summary>
    /// <inheritdoc cref="WriteText"/>
    public static int WriteJson(in SegmentMessage message, Span<byte> room) => Write(message, new Writer(room, asJson: true));

    private static int Write(in SegmentMessage message, Writer fields)
    {
        Span<byte> text = stackalloc byte[32];
        fields.Number("project_id"u8, message.Trace.ProjectId);
        message.Trace.TraceId.WriteTo(text);
        fields.Text("trace_id"u8, text);
        message.SegmentId.WriteTo(text);
        fields.Text("segment_id"u8, text[..SpanId.TextLength]);
        message.FlushId.TryFormat(text, out _, "x32", CultureInfo.InvariantCulture);
        fields.Text("flush_id"u8, text);
        fields.Text("flush_reason"u8, text[..Encoding.ASCII.GetBytes(message.Reason.Name(), text)]);
        fields.Boolean("has_root"u8, message.HasRoot);
        fields.Number("span_count"u8, message.SpanCount);
        fields.Number("first_stored"u8, message.FirstStoredMs);
        fields.Number("last_stored"u8, message.LastStoredMs);
        fields.Number("shard"u8, message.Shard.Value);
        fields.Number("lowest_offset"u8, message.LowestOffset);
        fields.Number("highest_offset"u8, message.HighestOffset);
        fields.Number("missing_parents"u8, message.MissingParents);
        return fields.End();
    }

    /// <summary>Writes fields one behind the other. Names and texts need no escaping in either form.</summary>
    private ref struct Writer(Span<byte> room, bool asJson)
    {
        private readonly Span<byte> _room = room;
        private int _length;

        public void Number(scoped ReadOnlySpan<byte> name, long value)
        {
            Name(name);
            value.TryFormat(_room[_length..], out int length, provider: CultureInfo.InvariantCulture);
            _length += length;
        }

        public void Boolean(scoped ReadOnlySpan<byte> name, bool value)
        {
            Name(name);
            Add(value ? "true"u8 : "false"u8);
        }

        public void Text(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            Name(name);
            if (asJson) Add("\""u8);
            Add(value);
            if (asJson) Add("\""u8);
        }

        public int End()
        {
            if (asJson) Add("}"u8);
            return _length;
        }

        private void Name(scoped ReadOnlySpan<byte> name)
        {
            bool isFirst = _length == 0;
            if (asJson) Add(isFirst ? "{\""u8 : ",\""u8);
            else if (!isFirst) Add(";"u8);
            Add(name);
            Add(asJson ? "\":"u8 : "="u8);
        }

        private void Add(scoped ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_room[_length..]);
            _length += bytes.Length;
        }
    }
}

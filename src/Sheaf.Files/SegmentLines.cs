using System.Buffers;
using System.Text.Json;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Files;

/// <summary>Makes JSON lines of a batch. Owner: one client of an output.</summary>
/// <param name="withHeaders">Lines are <c>{"headers":{…},"value":MESSAGE}</c> (ARCHITECTURE.md, "What travels with a segment").</param>
internal sealed class SegmentLines(bool withHeaders) : IDisposable
{
    private const byte LineFeed = (byte)'\n';

    private readonly bool _withHeaders = withHeaders;
    private readonly ArrayBufferWriter<byte> _lines = new();
    private Utf8JsonWriter? _json;

    /// <summary>
    /// The batch as it is, if nothing has to be added and every line feed in it ends a message. Payloads from other sources than files may hold line
    /// feeds between their tokens; in lines they become spaces. (Inside strings JSON has none.)
    /// </summary>
    /// <returns>Good until the next call, and as long as the batch is.</returns>
    public ReadOnlyMemory<byte> Of(SegmentBatch batch)
    {
        bool isPretty = batch.Bytes.Span.Count(LineFeed) != batch.Messages.Length;
        if (!_withHeaders && !isPretty) return batch.Bytes;

        _lines.ResetWrittenCount();
        foreach (ref readonly SegmentMessage message in batch.Messages)
        {
            ReadOnlySpan<byte> body = batch.BodyOf(message);
            if (_withHeaders) WriteHeaders(message);
            Span<byte> line = _lines.GetSpan(body.Length + 2);
            if (isPretty) body.Replace(line, LineFeed, (byte)' ');
            else body.CopyTo(line);
            _lines.Advance(body.Length);
            _lines.Write(_withHeaders ? "}\n"u8 : "\n"u8);
        }
        return _lines.WrittenMemory;
    }

    public void Dispose() => _json?.Dispose();

    private void WriteHeaders(in SegmentMessage message)
    {
        _json ??= new Utf8JsonWriter(_lines, new JsonWriterOptions { SkipValidation = true });
        _json.Reset();
        Span<byte> hex = stackalloc byte[32];

        _json.WriteStartObject();
        _json.WriteStartObject("headers"u8);
        _json.WriteNumber("project_id"u8, message.Trace.ProjectId);
        message.Trace.TraceId.WriteTo(hex);
        _json.WriteString("trace_id"u8, hex);
        message.SegmentId.WriteTo(hex);
        _json.WriteString("segment_id"u8, hex[..SpanId.TextLength]);
        message.FlushId.TryFormat(hex, out _, "x32", null);
        _json.WriteString("flush_id"u8, hex);
        _json.WriteString("flush_reason"u8, message.Reason.Name());
        _json.WriteBoolean("has_root"u8, message.HasRoot);
        _json.WriteNumber("span_count"u8, message.SpanCount);
        _json.WriteNumber("first_stored"u8, message.FirstStoredMs);
        _json.WriteNumber("last_stored"u8, message.LastStoredMs);
        _json.WriteNumber("shard"u8, message.Shard.Value);
        _json.WriteNumber("lowest_offset"u8, message.LowestOffset);
        _json.WriteNumber("highest_offset"u8, message.HighestOffset);
        _json.WriteNumber("missing_parents"u8, message.MissingParents);
        _json.WriteEndObject();
        _json.WritePropertyName("value"u8);
        _json.Flush(); // the message itself follows as it is
    }
}

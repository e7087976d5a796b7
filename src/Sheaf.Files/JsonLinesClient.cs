using System.Buffers;
using System.Text.Json;
using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Files;

/// <summary>
/// One worker's client of a <see cref="JsonLinesSink"/>. Used by its worker only, but for <see cref="Fence"/>. Where a write to a pipe was
/// cancelled, the batch may still be read: neither it nor the client is to be used again.
/// </summary>
public sealed class JsonLinesClient : ISegmentSink
{
    private const byte LineFeed = (byte)'\n';

    private readonly JsonLinesSink _sink;
    private readonly bool _withHeaders;
    private readonly ArrayBufferWriter<byte> _lines = new();
    private readonly Action _mayWrite;
    private Utf8JsonWriter? _json;
    private volatile bool _fenced;

    internal JsonLinesClient(JsonLinesSink sink, bool withHeaders)
    {
        _sink = sink;
        _withHeaders = withHeaders;
        _mayWrite = ThrowIfFenced;
    }

    /// <summary>
    /// Takes from this client the right to produce. Any thread; does not wait: a batch that is being written is written whole, and its spans come
    /// again from the next owner, with the same flush ids.
    /// </summary>
    public void Fence() => _fenced = true;

    /// <inheritdoc/>
    /// <exception cref="ClaimLapsedException">The client was fenced; nothing is written.</exception>
    public ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel)
    {
        ThrowIfFenced();
        return batch.Length == 0 ? default : _sink.WriteAsync(LinesOf(batch), _mayWrite, cancel);
    }

    public ValueTask DisposeAsync() => _json is null ? default : _json.DisposeAsync();

    private void ThrowIfFenced()
    {
        if (_fenced) throw new ClaimLapsedException($"{_sink.Name}: this worker was replaced and may not produce any more");
    }

    /// <summary>
    /// The batch as it is, if nothing has to be added and every line feed in it ends a message. Payloads from other sources than files may hold line
    /// feeds between their tokens; in lines they become spaces. (Inside strings JSON has none.)
    /// </summary>
    private ReadOnlyMemory<byte> LinesOf(SegmentBatch batch)
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

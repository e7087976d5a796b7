using System.Globalization;
using Sheaf.Kafka.Native;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>
/// The headers of a segment's message (ARCHITECTURE.md, "What travels with a segment"): the names that a file has with <c>--with-headers</c>, the
/// values as text. Frozen: readers downstream know them.
/// </summary>
internal static class SegmentHeaders
{
    private const int Count = 13;

    /// <summary>All headers of a message, in the order of the names in a file.</summary>
    public static MessageHeaders Of(in SegmentMessage message)
    {
        var headers = new MessageHeaders(Count);
        Span<byte> hex = stackalloc byte[32];
        headers.Add("project_id"u8, message.Trace.ProjectId);
        message.Trace.TraceId.WriteTo(hex);
        headers.Add("trace_id"u8, hex);
        message.SegmentId.WriteTo(hex);
        headers.Add("segment_id"u8, hex[..SpanId.TextLength]);
        message.FlushId.TryFormat(hex, out _, "x32", CultureInfo.InvariantCulture);
        headers.Add("flush_id"u8, hex);
        headers.Add("flush_reason"u8, NameOf(message.Reason));
        headers.Add("has_root"u8, message.HasRoot);
        headers.Add("span_count"u8, message.SpanCount);
        headers.Add("first_stored"u8, message.FirstStoredMs);
        headers.Add("last_stored"u8, message.LastStoredMs);
        headers.Add("shard"u8, message.Shard.Value);
        headers.Add("lowest_offset"u8, message.LowestOffset);
        headers.Add("highest_offset"u8, message.HighestOffset);
        headers.Add("missing_parents"u8, message.MissingParents);
        return headers;
    }

    // As FlushReasonNames has them, in bytes; a test compares the two.
    private static ReadOnlySpan<byte> NameOf(FlushReason reason) => reason switch
    {
        FlushReason.RootTimeout => "root_timeout"u8,
        FlushReason.IdleTimeout => "idle_timeout"u8,
        FlushReason.MaxAge => "max_age"u8,
        FlushReason.MaxBytes => "max_bytes"u8,
        FlushReason.BufferFull => "buffer_full"u8,
        FlushReason.Shutdown => "shutdown"u8,
    };
}

using System.Buffers.Binary;
using System.IO.Hashing;
using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>
/// The id of an output message, from its content (ARCHITECTURE.md, rule 7): whoever produces the same spans of the same segment again gives the
/// same id, so that a repetition can be recognised downstream.
/// </summary>
/// <remarks>
/// XxHash128 (seed 0) over little-endian integers, frozen because it leaves the process:
/// project id (8 bytes), trace id (high 8, low 8), segment id (8); then for each span of the message, in input order: span id (8),
/// XxHash3 of the payload (8), length of the payload (4). The instance only holds scratch memory: one thread at a time.
/// </remarks>
internal sealed class FlushId
{
    private const int HeadSize = 32;
    private const int SpanSize = 20;

    private byte[] _canonical = new byte[HeadSize + 64 * SpanSize];
    private int _length;

    /// <summary>Begins the id of another message of up to <paramref name="spans"/> spans.</summary>
    public void Begin(in TraceKey trace, SpanId segmentId, int spans)
    {
        int needed = HeadSize + spans * SpanSize;
        if (_canonical.Length < needed) _canonical = new byte[Math.Max(needed, 2 * _canonical.Length)];
        BinaryPrimitives.WriteInt64LittleEndian(_canonical, trace.ProjectId);
        BinaryPrimitives.WriteUInt64LittleEndian(_canonical.AsSpan(8), trace.TraceId.High);
        BinaryPrimitives.WriteUInt64LittleEndian(_canonical.AsSpan(16), trace.TraceId.Low);
        BinaryPrimitives.WriteUInt64LittleEndian(_canonical.AsSpan(24), segmentId.Value);
        _length = HeadSize;
    }

    /// <summary>Adds the next span of the message.</summary>
    public void Add(in BufferedSpan span)
    {
        Span<byte> room = _canonical.AsSpan(_length, SpanSize);
        BinaryPrimitives.WriteInt32LittleEndian(room[16..], span.PayloadLength);
        BinaryPrimitives.WriteUInt64LittleEndian(room[8..], span.PayloadHash);
        BinaryPrimitives.WriteUInt64LittleEndian(room, span.SpanId.Value);
        _length += SpanSize;
    }

    /// <summary>The id of what was added.</summary>
    public UInt128 End() => XxHash128.HashToUInt128(_canonical.AsSpan(0, _length));

    /// <summary>Writes an id as 32 lower-case hex digits, the highest first.</summary>
    public static void Write(UInt128 id, Span<byte> destination)
    {
        Hex.WriteUInt64((ulong)(id >> 64), destination);
        Hex.WriteUInt64((ulong)id, destination[16..]);
    }
}

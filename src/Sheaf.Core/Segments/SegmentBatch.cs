using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>One output message with what travels beside it (ARCHITECTURE.md, "What travels with a segment").</summary>
public readonly record struct SegmentMessage
{
    public required TraceKey Trace { get; init; }
    public required SpanId SegmentId { get; init; }

    /// <summary>From the content: the same spans give the same id, whenever and however often they are produced. Text form: 32 hex digits.</summary>
    public required UInt128 FlushId { get; init; }
    public required FlushReason Reason { get; init; }
    public required bool HasRoot { get; init; }

    /// <summary>A part of an oversized segment.</summary>
    public required bool SkipEnrichment { get; init; }

    /// <summary>The only message of its segment, or the first of its parts.</summary>
    public required bool BeginsSegment { get; init; }
    public required int SpanCount { get; init; }

    /// <summary>Sum of the lengths that its spans' payloads had when they came.</summary>
    public required long PayloadBytes { get; init; }
    public required int MissingParents { get; init; }

    /// <summary>Stream time of its oldest span, in ms.</summary>
    public required long FirstStoredMs { get; init; }

    /// <summary>Stream time of its newest span, in ms.</summary>
    public required long LastStoredMs { get; init; }
    public required ShardId Shard { get; init; }
    public required long LowestOffset { get; init; }
    public required long HighestOffset { get; init; }

    /// <summary>Where the message lies in <see cref="SegmentBatch.Bytes"/>.</summary>
    public required int BodyStart { get; init; }
    public required int BodyLength { get; init; }
}

/// <summary>
/// Messages on their way to a sink, one behind the other, each ended by a line feed that is not part of it. Used again for the next batch.
/// Owner: one flusher worker.
/// </summary>
public sealed class SegmentBatch
{
    private readonly List<SegmentMessage> _messages = [];
    private byte[] _bytes = new byte[1 << 20];

    public ReadOnlySpan<SegmentMessage> Messages => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_messages);

    /// <summary>All messages, each followed by a line feed.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, Length);

    /// <summary>Number of bytes in <see cref="Bytes"/>.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> BodyOf(in SegmentMessage message) => _bytes.AsSpan(message.BodyStart, message.BodyLength);

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        _messages.Clear();
        Length = 0;
    }

    /// <summary>Room for at least <paramref name="size"/> more bytes behind <see cref="Length"/>; what was written is kept by <see cref="Advance"/>.</summary>
    internal Span<byte> GetSpan(int size)
    {
        if (_bytes.Length - Length < size)
        {
            if ((long)Length + size > Array.MaxLength)
                throw new InvalidOperationException($"a batch of {Length} bytes has no room for a message of {size} more: produce it before the next segment");
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max(2L * _bytes.Length, (long)Length + size)));
        }
        return _bytes.AsSpan(Length);
    }

    internal void Advance(int written) => Length += written;

    internal void Add(in SegmentMessage message) => _messages.Add(message);
}

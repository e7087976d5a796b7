using System.Buffers.Binary;
using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>
/// What a record is called in its trace's hash: everything that is known of its spans but their payloads, so that one <c>HKEYS</c> tells what assembling
/// needs. The same spans of the same batch always give the same name, and so storing a batch again changes nothing. Stateless.
/// </summary>
/// <remarks>
/// Format, frozen because processes of different versions meet in one Redis: a byte 3, or 4 where payloads of spans that have gone lie between those
/// that are left; the number of spans; then for each span: source offset, stream time in ms and how much of it was leapt over, each less that of the span before (earlier versions
/// wrote 1 and 2, without what was leapt over); for version 4 the bytes of payloads to be skipped before its own; a byte of flags (1 segment root, 2 is its own effective parent, 4 irregular, 8 × <see cref="IsSegmentForm"/>,
/// 32 × <see cref="SegmentIdForm"/>); its id (8 bytes, big-endian); its effective parent (likewise, left out where it is itself); the hash of its
/// payload (8 bytes, little-endian); the payload's length; the two positions of <see cref="PayloadEdits"/>. Numbers are LEB128, those that may be negative in zigzag.
/// </remarks>
internal static class RecordName
{
    private const byte WholeOfBefore = 1;
    private const byte WithGapsOfBefore = 2;
    private const byte Whole = 3;
    private const byte WithGaps = 4;
    private const int LongestSpan = 4 * LongestNumber + 1 + 24 + 3 * 5;
    private const int LongestNumber = 10;

    /// <summary>Room that the name of so many spans needs at most.</summary>
    public static int MaxLength(int spans) => 1 + LongestNumber + (spans * LongestSpan);

    /// <summary>Begins a name.</summary>
    /// <param name="withGaps">Spans of the record have gone: see <see cref="Writer.Add(in BufferedSpan, int)"/>.</param>
    public static Writer Write(Span<byte> destination, int spans, bool withGaps = false) => new(destination, spans, withGaps);

    /// <summary>Begins to read a name.</summary>
    /// <exception cref="InvalidDataException">It is none, or one of a later version.</exception>
    public static Reader Read(ReadOnlySpan<byte> name) => new(name);

    /// <summary>Writes the spans of a name, one after the other.</summary>
    public ref struct Writer
    {
        private readonly Span<byte> _destination;
        private readonly bool _withGaps;
        private long _offset;
        private long _timeMs;
        private long _leaptMs;

        public Writer(Span<byte> destination, int spans, bool withGaps)
        {
            _destination = destination;
            _withGaps = withGaps;
            destination[0] = withGaps ? WithGaps : Whole;
            Length = 1;
            WriteNumber((ulong)spans);
        }

        /// <summary>Bytes written until now.</summary>
        public int Length { get; private set; }

        public void Add(in TraceSpan span) => Add(
            span.SourceOffset, span.StreamTimeMs, span.LeaptMs, gap: 0, span.IsSegmentRoot, span.SpanId, span.EffectiveParent, span.PayloadHash, span.PayloadLength, span.Edits);

        /// <param name="gap">Bytes of payloads between the span before and this one.</param>
        public void Add(in BufferedSpan span, int gap) => Add(
            span.SourceOffset, span.StreamTimeMs, span.LeaptMs, gap, span.IsSegmentRoot, span.SpanId, span.EffectiveParent, span.PayloadHash, span.PayloadLength, span.Edits);

        private void Add(
            long offset, long timeMs, long leaptMs, int gap, bool isRoot, SpanId id, SpanId parent, ulong hash, int length, in PayloadEdits edits)
        {
            WriteSigned(offset - _offset);
            WriteSigned(timeMs - _timeMs);
            WriteSigned(leaptMs - _leaptMs);
            _offset = offset;
            _timeMs = timeMs;
            _leaptMs = leaptMs;
            if (_withGaps) WriteNumber((ulong)gap);
            bool ownParent = parent == id;
            _destination[Length++] = (byte)((isRoot ? 1 : 0) | (ownParent ? 2 : 0) | (edits.Irregular ? 4 : 0) | ((int)edits.IsSegment << 3) | ((int)edits.SegmentId << 5));
            BinaryPrimitives.WriteUInt64BigEndian(_destination[Length..], id.Value);
            Length += 8;
            if (!ownParent)
            {
                BinaryPrimitives.WriteUInt64BigEndian(_destination[Length..], parent.Value);
                Length += 8;
            }
            BinaryPrimitives.WriteUInt64LittleEndian(_destination[Length..], hash);
            Length += 8;
            WriteNumber((uint)length);
            WriteNumber((uint)edits.IsSegmentAt);
            WriteNumber((uint)edits.SegmentIdAt);
        }

        private void WriteSigned(long value) => WriteNumber((ulong)((value << 1) ^ (value >> 63)));

        private void WriteNumber(ulong value)
        {
            while (value >= 0x80)
            {
                _destination[Length++] = (byte)(value | 0x80);
                value >>= 7;
            }
            _destination[Length++] = (byte)value;
        }
    }

    /// <summary>Reads the spans of a name, one after the other.</summary>
    public ref struct Reader
    {
        private readonly ReadOnlySpan<byte> _name;
        private readonly bool _withGaps;
        private readonly bool _withLeaps;
        private int _at;
        private int _left;
        private long _offset;
        private long _timeMs;
        private long _leaptMs;
        private long _payloadEnd;

        public Reader(ReadOnlySpan<byte> name)
        {
            if (name.IsEmpty || name[0] is not (Whole or WithGaps or WholeOfBefore or WithGapsOfBefore)) throw Broken(name);
            _name = name;
            _withGaps = name[0] is WithGaps or WithGapsOfBefore;
            _withLeaps = name[0] is Whole or WithGaps;
            _at = 1;
            ulong count = ReadNumber();
            // No span takes less than 20 bytes: a hostile count ends here, not in an allocation.
            if (count > (ulong)name.Length / 20) throw Broken(name);
            Count = _left = (int)count;
        }

        /// <summary>Spans in the record.</summary>
        public int Count { get; }

        /// <summary>Reads the next span; false behind the last.</summary>
        /// <param name="payloadStart">Where its payload begins among the record's payloads.</param>
        public bool TryRead(ref BufferedSpan span, out int payloadStart)
        {
            payloadStart = 0;
            if (_left == 0)
            {
                if (_at != _name.Length) throw Broken(_name);
                return false;
            }
            _left--;
            _offset += ReadSigned();
            _timeMs += ReadSigned();
            if (_withLeaps) _leaptMs += ReadSigned();
            if (_withGaps) _payloadEnd += ReadLength();
            int flags = ReadByte();
            span.SourceOffset = _offset;
            span.StreamTimeMs = _timeMs;
            span.LeaptMs = _leaptMs;
            span.IsSegmentRoot = (flags & 1) != 0;
            span.SpanId = new SpanId(BinaryPrimitives.ReadUInt64BigEndian(ReadBytes(8)));
            span.EffectiveParent = (flags & 2) != 0 ? span.SpanId : new SpanId(BinaryPrimitives.ReadUInt64BigEndian(ReadBytes(8)));
            span.PayloadHash = BinaryPrimitives.ReadUInt64LittleEndian(ReadBytes(8));
            span.PayloadLength = ReadLength();
            span.Edits = new PayloadEdits(ReadLength(), ReadLength(), (IsSegmentForm)((flags >> 3) & 3), (SegmentIdForm)(flags >> 5), (flags & 4) != 0);
            bool isKnownForm = span.Edits.SegmentId <= SegmentIdForm.WithoutValue;
            if (!isKnownForm || _payloadEnd + span.PayloadLength > int.MaxValue) throw Broken(_name);
            payloadStart = (int)_payloadEnd;
            _payloadEnd += span.PayloadLength;
            return true;
        }

        private long ReadSigned()
        {
            ulong value = ReadNumber();
            return (long)(value >> 1) ^ -(long)(value & 1);
        }

        private int ReadLength() => ReadNumber() is <= int.MaxValue and var length ? (int)length : throw Broken(_name);

        private ulong ReadNumber()
        {
            ulong value = 0;
            for (int shift = 0; shift < 64; shift += 7)
            {
                byte next = ReadByte();
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80) return value;
            }
            throw Broken(_name);
        }

        private byte ReadByte() => _at < _name.Length ? _name[_at++] : throw Broken(_name);

        private ReadOnlySpan<byte> ReadBytes(int count)
        {
            if (_name.Length - _at < count) throw Broken(_name);
            _at += count;
            return _name.Slice(_at - count, count);
        }

        private static InvalidDataException Broken(ReadOnlySpan<byte> name) => new(
            $"a record's name of {name.Length} bytes, {Convert.ToHexStringLower(name[..Math.Min(24, name.Length)])}…, is none that this version of Sheaf reads");
    }
}

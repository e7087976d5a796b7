using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Journals;

/// <summary>A message of an entry.</summary>
/// <param name="Start">Where its bytes begin in <see cref="JournalMessages.Bytes"/>.</param>
/// <param name="StreamTimeMs">As <see cref="TraceSpan.StreamTimeMs"/>, like the two behind it.</param>
public readonly record struct JournalMessage(int Start, int Length, long SourceOffset, long StreamTimeMs, long LeaptMs, long AheadMs);

/// <summary>
/// The messages of an entry, and how they lie one behind the other: for each the difference of the offset and of the three times to the message
/// before it, the length (variable-length integers, all but the length signed), and the bytes as they came. The instance is used again for the
/// next entry. Owner: one thread at a time.
/// </summary>
/// <remarks>
/// The form is frozen (a byte at the front names it), since entries outlive the version that wrote them. The times are kept with the messages: a
/// part of a shard's messages would move the shard's clock in another way than all of them did.
/// </remarks>
public sealed class JournalMessages
{
    /// <summary>The form that is written.</summary>
    public const byte Form = 1;

    private const int LongestNumber = 10;

    private readonly List<JournalMessage> _messages = [];
    private byte[] _bytes = [];

    /// <summary>In input order.</summary>
    public ReadOnlySpan<JournalMessage> Messages => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_messages);

    /// <summary>The packed form; messages say which parts of it are theirs.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, Length);

    /// <summary>Bytes in <see cref="Bytes"/>.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> BytesOf(in JournalMessage message) => _bytes.AsSpan(message.Start, message.Length);

    /// <summary>The most bytes that <see cref="Write"/> needs.</summary>
    public static int MostBytes(SpanBatch batch, int start, int count)
    {
        long most = 1;
        foreach (ref readonly TraceSpan span in batch.Spans.Slice(start, count)) most += span.PayloadLength + (5 * LongestNumber);
        return checked((int)most);
    }

    /// <summary>Writes spans of a batch and returns how many bytes that took.</summary>
    /// <param name="start">The first of them.</param>
    /// <param name="destination">At least <see cref="MostBytes"/>.</param>
    public static int Write(SpanBatch batch, int start, int count, Span<byte> destination)
    {
        destination[0] = Form;
        int length = 1;
        (long Offset, long Time, long Leapt, long Ahead) last = default;
        foreach (ref readonly TraceSpan span in batch.Spans.Slice(start, count))
        {
            length += WriteNumber(Fold(unchecked(span.SourceOffset - last.Offset)), destination[length..]);
            length += WriteNumber(Fold(unchecked(span.StreamTimeMs - last.Time)), destination[length..]);
            length += WriteNumber(Fold(span.LeaptMs - last.Leapt), destination[length..]);
            length += WriteNumber(Fold(span.AheadMs - last.Ahead), destination[length..]);
            length += WriteNumber((ulong)span.PayloadLength, destination[length..]);
            batch.PayloadOf(span).CopyTo(destination[length..]);
            length += span.PayloadLength;
            last = (span.SourceOffset, span.StreamTimeMs, span.LeaptMs, span.AheadMs);
        }
        return length;
    }

    /// <summary>Room for a packed form of this length, to be filled and then read by <see cref="Read"/>.</summary>
    public Span<byte> Begin(int length)
    {
        if (_bytes.Length < length) _bytes = GC.AllocateUninitializedArray<byte>(Math.Max(length, 2 * _bytes.Length));
        Length = length;
        _messages.Clear();
        return _bytes.AsSpan(0, length);
    }

    /// <summary>Finds the messages in what <see cref="Begin"/> was filled with.</summary>
    /// <exception cref="InvalidDataException">It is of a form that this version does not know, or damaged.</exception>
    public void Read()
    {
        ReadOnlySpan<byte> packed = _bytes.AsSpan(0, Length);
        if (packed.IsEmpty || packed[0] != Form)
            throw new InvalidDataException($"the entry is of form {(packed.IsEmpty ? 0 : packed[0])}, and this version of Sheaf knows form {Form}");
        long offset = 0, time = 0, leapt = 0, ahead = 0;
        for (int at = 1; at < packed.Length;)
        {
            offset = unchecked(offset + Unfold(ReadNumber(packed, ref at)));
            time = unchecked(time + Unfold(ReadNumber(packed, ref at)));
            leapt = unchecked(leapt + Unfold(ReadNumber(packed, ref at)));
            ahead = unchecked(ahead + Unfold(ReadNumber(packed, ref at)));
            ulong length = ReadNumber(packed, ref at);
            if (length > (ulong)(packed.Length - at)) throw Damaged();
            _messages.Add(new JournalMessage(at, (int)length, offset, time, leapt, ahead));
            at += (int)length;
        }
    }

    private static ulong Fold(long number) => unchecked(((ulong)number << 1) ^ (ulong)(number >> 63));

    private static long Unfold(ulong folded) => unchecked((long)(folded >> 1) ^ -(long)(folded & 1));

    private static int WriteNumber(ulong number, Span<byte> destination)
    {
        int length = 0;
        for (; number >= 0x80; number >>= 7) destination[length++] = (byte)(number | 0x80);
        destination[length++] = (byte)number;
        return length;
    }

    private static ulong ReadNumber(ReadOnlySpan<byte> packed, ref int at)
    {
        ulong number = 0;
        for (int shift = 0; shift < 7 * LongestNumber; shift += 7)
        {
            if (at == packed.Length) throw Damaged();
            byte part = packed[at++];
            number |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80) return number;
        }
        throw Damaged();
    }

    private static InvalidDataException Damaged() => new("the entry is damaged: a length in it leads past its end");
}

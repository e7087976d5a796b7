using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Sheaf.Redis.Resp;

/// <summary>
/// Reads replies as their bytes arrive, and keeps them: the bytes as they came, and a flat table of the values in them. Each byte is looked at once,
/// however the bytes are cut; room grows with what has arrived, never with what was announced. Owner: one exchange at a time, then the readers of its
/// replies. After a <see cref="RespProtocolException"/> only <see cref="Reset"/> may be called.
/// </summary>
/// <remarks>
/// Attributes (<c>|</c>) and, between replies, push messages (<c>&gt;</c>) are skipped; they never count as a reply. Streamed strings and aggregates,
/// which no server sends, are refused, as is whatever follows the last expected reply and is no push message.
/// </remarks>
internal sealed class ReplySet
{
    /// <summary>Levels of values inside of values.</summary>
    internal const int MaxDepth = 32;

    /// <summary>Bytes of a line: of simple strings, errors, numbers and lengths.</summary>
    internal const int MaxLine = 64 << 10;

    private const int SmallestValue = 3; // "_\r\n"
    private const int SmallestRead = 16 << 10;
    private const int TokensKept = 1 << 16;

    private static readonly SearchValues<byte> Marks = SearchValues.Create("+-:$*_#,(!=%~>|"u8);
    private static readonly SearchValues<byte> OfNumbers = SearchValues.Create("0123456789+-.eE"u8);

    private readonly OpenAggregate[] _open = new OpenAggregate[MaxDepth];
    private PooledBytes _bytes;
    private ReplyToken[] _tokens = new ReplyToken[64];
    private int[] _roots = new int[16];
    private long _maxBytes;
    private int _length;      // bytes that have arrived
    private int _at;          // bytes that were read
    private int _searched;    // no line ends before
    private int _blob = -1;   // length of the string or error that begins at _at
    private RespKind _blobKind;
    private int _depth;
    private int _tokenCount;
    private int _generation;

    /// <summary>Whole replies so far.</summary>
    public int Count { get; private set; }

    /// <summary>Whether a reply is an error, or has one inside.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>Room that is kept, in bytes.</summary>
    internal long KeptBytes => _bytes.Capacity + ((long)_tokens.Length * ReplyToken.Size) + ((long)_roots.Length * sizeof(int));

    /// <summary>Forgets every reply.</summary>
    /// <param name="maxBytes">Most that the next replies may take together, their table included.</param>
    public void Reset(long maxBytes)
    {
        if (_length > 0) _bytes.Settle(_length);
        if (_tokens.Length > TokensKept && _tokenCount < _tokens.Length / 4) _tokens = new ReplyToken[_tokens.Length / 2];
        if (_roots.Length > TokensKept && Count < _roots.Length / 4) _roots = new int[_roots.Length / 2];
        _maxBytes = maxBytes;
        _length = _at = _searched = _depth = _tokenCount = 0;
        _blob = -1;
        Count = 0;
        HasErrors = false;
        _generation++;
    }

    /// <summary>Room for the bytes that come next; <see cref="Arrived"/> says how many came.</summary>
    /// <exception cref="RespProtocolException">The replies are larger than allowed.</exception>
    public Memory<byte> Room()
    {
        long most = Math.Min(_maxBytes, Array.MaxLength);
        if (_length >= most) throw TooLarge();
        if (_bytes.Capacity == _length) _bytes.EnsureCapacity((long)_length + SmallestRead > most ? most : _length + SmallestRead, _length);
        return _bytes.Array.AsMemory(_length, (int)Math.Min(_bytes.Capacity - _length, most - _length));
    }

    /// <summary>Bytes have come into <see cref="Room"/>.</summary>
    public void Arrived(int count) => _length += count;

    /// <summary>Reads on in what has arrived. False: more bytes are needed.</summary>
    /// <exception cref="RespProtocolException">It is no reply, or more than the expected ones.</exception>
    public bool TryComplete(int expected)
    {
        while (Count < expected || _depth > 0 || _blob >= 0 || _at < _length)
        {
            if (Count == expected && _depth == 0 && _at < _length && _bytes.Array[_at] != (byte)'>')
                throw new RespProtocolException($"{_length - _at} bytes follow the last of {expected} replies: replies no longer belong to their commands");
            if (!TryReadValue()) return false;
        }
        return true;
    }

    public RespReply Reply(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return new RespReply(this, _roots[index], _generation);
    }

    internal ref readonly ReplyToken TokenAt(int token, int generation)
    {
        if (generation != _generation) throw new InvalidOperationException("the batch of this reply was cleared or executed again");
        return ref _tokens.AsSpan(0, _tokenCount)[token];
    }

    internal ReadOnlySpan<byte> TextOf(ReplyToken token) => _bytes.Array.AsSpan(token.Start, token.Length);

    internal static bool TryParseDouble(ReadOnlySpan<byte> text, out double value)
    {
        value = 0;
        if (text is [(byte)'+' or (byte)'-', .. var unsigned] ? unsigned.SequenceEqual("inf"u8) : text.SequenceEqual("inf"u8))
        {
            value = text[0] == (byte)'-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }
        if (text.SequenceEqual("nan"u8) || text.SequenceEqual("-nan"u8))
        {
            value = double.NaN;
            return true;
        }
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return !text.ContainsAnyExcept(OfNumbers) && double.TryParse(text, Style, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Reads the next value, or the head of an aggregate. False: it is not whole yet.</summary>
    private bool TryReadValue()
    {
        if (_blob >= 0) return TryReadBlob();
        if (_at == _length) return false;
        byte mark = _bytes.Array[_at];
        if (!Marks.Contains(mark)) throw new RespProtocolException($"a reply begins with byte 0x{mark:x2}, which no server sends");
        if (!TryReadLine(out int start, out int length)) return false;

        ReadOnlySpan<byte> line = _bytes.Array.AsSpan(start, length);
        switch (mark)
        {
            case (byte)'+': AddText(RespKind.SimpleString, start, length); break;
            case (byte)'-': AddText(RespKind.Error, start, length); break;
            case (byte)':':
                Require(TryParseInteger(line, out _), "an integer", line);
                AddText(RespKind.Integer, start, length);
                break;
            case (byte)'$' or (byte)'*' when line.SequenceEqual("-1"u8): AddText(RespKind.Null, start, 0); break;
            case (byte)'$': return BeginBlob(RespKind.BulkString, line);
            case (byte)'!': return BeginBlob(RespKind.Error, line);
            case (byte)'=': return BeginBlob(RespKind.Verbatim, line);
            case (byte)'*': Open(RespKind.Array, line, valuesEach: 1); break;
            case (byte)'~': Open(RespKind.Set, line, valuesEach: 1); break;
            case (byte)'%': Open(RespKind.Map, line, valuesEach: 2); break;
            case (byte)'|': Skip(line, valuesEach: 2); break;
            case (byte)'>':
                if (_depth > 0) throw new RespProtocolException("a push message inside of a reply");
                Skip(line, valuesEach: 1);
                break;
            case (byte)'_':
                Require(line.IsEmpty, "a null", line);
                AddText(RespKind.Null, start, 0);
                break;
            case (byte)'#':
                Require(line is [(byte)'t' or (byte)'f'], "a boolean", line);
                AddText(RespKind.Boolean, start, length);
                break;
            case (byte)',':
                Require(TryParseDouble(line, out _), "a double", line);
                AddText(RespKind.Double, start, length);
                break;
            case (byte)'(':
                ReadOnlySpan<byte> digits = line is [(byte)'+' or (byte)'-', ..] ? line[1..] : line;
                Require(!digits.IsEmpty && digits.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0, "a big number", line);
                AddText(RespKind.BigNumber, start, length);
                break;
        }
        return true;
    }

    /// <summary>The text between the mark at <see cref="_at"/> and the end of its line.</summary>
    private bool TryReadLine(out int start, out int length)
    {
        start = _at + 1;
        length = 0;
        int from = Math.Max(start, _searched);
        int until = Math.Min(_length, start + MaxLine + 1);
        int end = _bytes.Array.AsSpan(from, until - from).IndexOfAny((byte)'\r', (byte)'\n');
        if (end < 0)
        {
            if (until - start > MaxLine) throw new RespProtocolException($"a line of more than {MaxLine} bytes in a reply");
            _searched = until;
            return false;
        }
        end += from;
        if (_bytes.Array[end] == (byte)'\n') throw new RespProtocolException("a line in a reply ends without a carriage return");
        if (end + 1 == _length)
        {
            _searched = end;
            return false;
        }
        if (_bytes.Array[end + 1] != (byte)'\n') throw new RespProtocolException("a carriage return inside of a line in a reply");
        length = end - start;
        _at = end + 2;
        return true;
    }

    private bool BeginBlob(RespKind kind, ReadOnlySpan<byte> line)
    {
        long length = ReadCount(line);
        if (length > Math.Min(_maxBytes, Array.MaxLength) - _at - 2) throw TooLarge();
        if (kind == RespKind.Verbatim) Require(length >= 4, "the length of a verbatim string", line);
        _blob = (int)length;
        _blobKind = kind;
        return TryReadBlob();
    }

    private bool TryReadBlob()
    {
        int end = _at + _blob;
        if (_length - 2 < end) return false;
        byte[] bytes = _bytes.Array;
        if (bytes[end] != (byte)'\r' || bytes[end + 1] != (byte)'\n') throw new RespProtocolException($"a string of {_blob} bytes does not end where it should");
        int mark = 0;
        if (_blobKind == RespKind.Verbatim)
        {
            if (bytes[_at + 3] != (byte)':') throw new RespProtocolException("a verbatim string without its format");
            mark = 4;
        }
        (int start, int length) = (_at + mark, _blob - mark);
        _at = end + 2;
        _blob = -1;
        AddText(_blobKind, start, length);
        return true;
    }

    private void AddText(RespKind kind, int start, int length)
    {
        if (kind == RespKind.Error) HasErrors = true;
        ref ReplyToken token = ref AddToken(out int index);
        token = new ReplyToken { Start = start, Length = length, End = index + 1, Kind = kind };
        Completed(index);
    }

    private void Open(RespKind kind, ReadOnlySpan<byte> line, int valuesEach)
    {
        int count = ReadValueCount(line, valuesEach);
        ref ReplyToken token = ref AddToken(out int index);
        token = new ReplyToken { Length = count, End = index + 1, Kind = kind };
        if (count == 0) Completed(index);
        else Open(index, count, isSkipped: false);
    }

    private void Skip(ReadOnlySpan<byte> line, int valuesEach)
    {
        int count = ReadValueCount(line, valuesEach);
        if (count > 0) Open(_tokenCount, count, isSkipped: true);
    }

    private void Open(int token, int count, bool isSkipped)
    {
        if (_depth == MaxDepth) throw new RespProtocolException($"a reply with more than {MaxDepth} levels");
        _open[_depth++] = new OpenAggregate { Token = token, Left = count, IsSkipped = isSkipped };
    }

    /// <summary>A value is whole, and so may be those around it.</summary>
    private void Completed(int token)
    {
        while (_depth > 0)
        {
            ref OpenAggregate around = ref _open[_depth - 1];
            if (--around.Left > 0) return;
            _depth--;
            token = around.Token;
            if (around.IsSkipped)
            {
                _tokenCount = token;
                return;
            }
            _tokens[token].End = _tokenCount;
        }
        if (Count == _roots.Length) Array.Resize(ref _roots, 2 * Count);
        _roots[Count++] = token;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref ReplyToken AddToken(out int index)
    {
        if (_tokenCount == _tokens.Length) GrowTokens();
        index = _tokenCount++;
        return ref _tokens[index];
    }

    private void GrowTokens()
    {
        if (_length + ((long)_tokenCount * ReplyToken.Size) >= _maxBytes) throw TooLarge();
        Array.Resize(ref _tokens, 2 * _tokens.Length);
    }

    private int ReadValueCount(ReadOnlySpan<byte> line, int valuesEach)
    {
        long count = ReadCount(line);
        if (count > (Math.Min(_maxBytes, Array.MaxLength) - _at) / (SmallestValue * valuesEach)) throw TooLarge();
        return (int)count * valuesEach;
    }

    /// <summary>A length or count: digits only.</summary>
    private static long ReadCount(ReadOnlySpan<byte> line)
    {
        long count = 0;
        Require(line is [>= (byte)'0' and <= (byte)'9', ..] && TryParseInteger(line, out count), "a length", line);
        return count;
    }

    private static bool TryParseInteger(ReadOnlySpan<byte> text, out long value) =>
        Utf8Parser.TryParse(text, out value, out int length) && length == text.Length;

    private static void Require(bool isRight, string what, ReadOnlySpan<byte> line)
    {
        if (!isRight) Throw(what, line);

        static void Throw(string what, ReadOnlySpan<byte> line) =>
            throw new RespProtocolException($"not {what}: 0x{Convert.ToHexStringLower(line[..Math.Min(32, line.Length)])} in a reply");
    }

    private RespProtocolException TooLarge() =>
        new($"replies of more than {_maxBytes} bytes in one batch: ask for less at a time, or raise {nameof(RedisClientOptions.MaxReplyBytes)}");

    /// <summary>An aggregate some of whose values are still to come. Fields are public so that it is counted down in place.</summary>
    private struct OpenAggregate
    {
        public int Token;
        public int Left;
        public bool IsSkipped;
    }
}

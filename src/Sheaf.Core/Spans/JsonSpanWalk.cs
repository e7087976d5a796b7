using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sheaf.Spans;

/// <summary>Where a value lies in a message. The default is no value: none begins at 0, where the brace is.</summary>
internal readonly record struct JsonRange(int Start, int End)
{
    public bool IsAbsent => End == 0;
}

/// <summary>
/// Second stage of the parser: goes over a message once, from brace to brace, checks the grammar, and notes where the value of each field lies.
/// Strings it jumps over. For one message, on the stack.
/// </summary>
/// <remarks>
/// Why reading the next byte is always within the message: its last byte that is not white space is a closing brace, which is checked first. The
/// only rule that accepts a closing brace and goes on is the end of an object within another value, and there the end is asked for. Every other
/// rule stops at the brace or in front of it.
/// </remarks>
internal ref struct JsonSpanWalk
{
    private const int MaxKeyLength = 32; // no key that is looked for is longer

    private readonly ref byte _text;
    private readonly ref byte _quotes;
    private readonly int _length;
    private readonly bool _hasEscapes;
    private readonly ulong[] _nesting;
    private int _end;
    private FieldRanges _values;
    private bool _fieldRepeats;
    private bool _segmentIdRepeats;

    /// <param name="quotes">Of the same text, read successfully.</param>
    /// <param name="nesting">Scratch: a bit for each level of nesting.</param>
    public JsonSpanWalk(ReadOnlySpan<byte> text, JsonQuotes quotes, ulong[] nesting)
    {
        _text = ref MemoryMarshal.GetReference(text);
        _length = text.Length;
        _quotes = ref quotes.Bits;
        _hasEscapes = quotes.HasEscapes;
        _nesting = nesting;
    }

    /// <summary>Where the message's opening brace is.</summary>
    public int OpeningBrace { get; private set; }

    /// <summary>Where the message's closing brace is.</summary>
    public readonly int ClosingBrace => _end - 1;

    /// <summary>The value of <c>attributes["sentry.segment.id"]</c>. Of two, the last.</summary>
    public JsonRange SegmentId { get; private set; }

    /// <summary><c>attributes</c> is an object without members.</summary>
    public bool AttributesAreEmpty { get; private set; }

    /// <summary>The first value in <c>attributes</c> that is neither an object nor null; 0 where there is none.</summary>
    public int WrongAttributeAt { get; private set; }

    /// <summary>There are fields behind <see cref="SpanField.SegmentId"/>.</summary>
    public bool HasRareFields { get; private set; }

    /// <summary><c>is_segment</c>, <c>attributes</c> or <c>sentry.segment.id</c> occurs more than once.</summary>
    public readonly bool Repeats => _fieldRepeats | _segmentIdRepeats;

    /// <summary>The value of a field. Of two, the last.</summary>
    public readonly JsonRange Value(SpanField field) => _values[(int)field];

    /// <summary>The byte at a position.</summary>
    public readonly byte At(int at) => Unsafe.Add(ref _text, at);

    /// <summary>The text of a value, strings with their quotes.</summary>
    public readonly ReadOnlySpan<byte> Text(JsonRange value) => Slice(value.Start, value.End - value.Start);

    /// <summary>Checks the grammar of the whole message and notes the fields. False: it is not an object of valid JSON.</summary>
    public bool TryWalk()
    {
        _end = _length;
        while (_end > 0 && JsonText.IsWhiteSpace(At(_end - 1))) _end--;
        if (_end == 0 || At(_end - 1) != '}') return false;
        int at = SkipSpace(0);
        if (At(at) != '{') return false;
        OpeningBrace = at;
        at = SkipSpace(at + 1);
        if (at == _end || At(at) == '}') return at + 1 == _end;
        while (true)
        {
            int key = at;
            at = Key(key, out int keyEnd);
            if (at < 0) return false;
            SpanField field = FindField(key, keyEnd);
            int value = at;
            at = field == SpanField.Attributes ? Attributes(at) : Value(at, depth: 1);
            if (at < 0) return false;
            if (field != SpanField.None)
            {
                ref JsonRange range = ref _values[(int)field];
                if (field is SpanField.IsSegment or SpanField.Attributes) _fieldRepeats |= !range.IsAbsent;
                HasRareFields |= field > SpanField.SegmentId;
                range = new JsonRange(value, at);
            }
            at = SkipSpace(at);
            byte next = At(at++);
            if (next == '}') return at == _end;
            if (next != ',') return false;
            at = SkipSpace(at);
        }
    }

    /// <summary>
    /// The value of a member of the object at <paramref name="at"/>, whose grammar is known to be right. Of two, the last.
    /// </summary>
    public readonly JsonRange Member(int at, ReadOnlySpan<byte> name)
    {
        JsonRange found = default;
        at = SkipSpace(at + 1);
        if (At(at) == '}') return found;
        while (true)
        {
            int key = at;
            int value = Key(key, out int keyEnd);
            at = Value(value, depth: 0);
            if (KeyIs(key, keyEnd, name)) found = new JsonRange(value, at);
            at = SkipSpace(at);
            if (At(at) == '}') return found;
            at = SkipSpace(at + 1);
        }
    }

    /// <summary>
    /// The first element that is neither an object nor null in the array at <paramref name="at"/>, whose grammar is known to be
    /// right; 0 where there is none.
    /// </summary>
    public readonly int WrongElement(int at)
    {
        at = SkipSpace(at + 1);
        while (At(at) != ']')
        {
            if (At(at) is not ((byte)'{' or (byte)'n')) return at;
            at = SkipSpace(Value(at, depth: 0));
            if (At(at) == ',') at = SkipSpace(at + 1);
        }
        return 0;
    }

    /// <summary>The value of <c>attributes</c>. Returns the position behind it, or -1.</summary>
    private int Attributes(int at)
    {
        SegmentId = default;
        AttributesAreEmpty = false;
        WrongAttributeAt = 0;
        _segmentIdRepeats = false;
        if (At(at) != '{') return Value(at, depth: 1);
        at = SkipSpace(at + 1);
        if (At(at) == '}')
        {
            AttributesAreEmpty = true;
            return Behind(at);
        }
        while (true)
        {
            if (At(at) != '"') return -1;
            int key = at;
            int keyEnd = NextQuote(key + 1);
            int value = keyEnd + 2; // where it is in the usual shape
            at = keyEnd < _length - 40 ? UsualAttribute(keyEnd + 1) : 0;
            if (at == 0)
            {
                value = Key(key, out keyEnd);
                if (value < 0) return -1;
                if (WrongAttributeAt == 0 && At(value) is not ((byte)'{' or (byte)'n')) WrongAttributeAt = value;
                at = Value(value, depth: 2);
                if (at < 0) return -1;
            }
            if (KeyIs(key, keyEnd, "sentry.segment.id"u8))
            {
                _segmentIdRepeats |= !SegmentId.IsAbsent;
                SegmentId = new JsonRange(value, at);
            }
            at = SkipSpace(at);
            byte next = At(at);
            if (next == '}') return Behind(at);
            if (next != ',') return -1;
            at = SkipSpace(at + 1);
        }
    }

    /// <summary>
    /// The shape that nearly all attributes have behind their key, compared as a whole. Returns the position behind it; 0 for any other shape,
    /// which says nothing about whether it is valid.
    /// </summary>
    /// <param name="at">Behind the key's closing quote; 40 bytes can be read.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int UsualAttribute(int at)
    {
        if (Slice(at, 26).SequenceEqual(":{\"type\":\"string\",\"value\":"u8)) at += 26;
        else if (Slice(at, 27).SequenceEqual(":{\"type\":\"integer\",\"value\":"u8)) at += 27;
        else if (Slice(at, 26).SequenceEqual(":{\"type\":\"double\",\"value\":"u8)) at += 26;
        else if (Slice(at, 27).SequenceEqual(":{\"type\":\"boolean\",\"value\":"u8)) at += 27;
        else return 0;
        byte first = At(at);
        at = first == '"' ? String(at) : Scalar(at, first);
        return at > 0 && At(at) == '}' && at + 1 < _end ? at + 1 : 0;
    }

    /// <summary>A key and its colon. Returns the position of the value, or -1.</summary>
    /// <param name="end">The key's closing quote.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int Key(int at, out int end)
    {
        end = 0;
        if (At(at) != '"') return -1;
        end = NextQuote(at + 1);
        if (end >= _end) return -1;
        at = SkipSpace(end + 1);
        return At(at) == ':' ? SkipSpace(at + 1) : -1;
    }

    /// <summary>A value with all that is nested in it. Returns the position behind it, or -1.</summary>
    /// <param name="depth">Objects and arrays that are open around it.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int Value(int at, int depth)
    {
        byte first = At(at);
        if (first == '"') return String(at);
        return (first | 0x20) == '{' ? Container(at, depth) : Scalar(at, first);
    }

    /// <summary>Returns the position behind the closing quote, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int String(int at)
    {
        int end = NextQuote(at + 1);
        return end < _end ? end + 1 : -1;
    }

    /// <summary>A number, <c>true</c>, <c>false</c> or <c>null</c>. Returns the position behind it, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int Scalar(int at, byte first)
    {
        switch (first)
        {
            case (byte)'t': return _end - at > 4 && Slice(at, 4).SequenceEqual("true"u8) ? at + 4 : -1;
            case (byte)'f': return _end - at > 5 && Slice(at, 5).SequenceEqual("false"u8) ? at + 5 : -1;
            case (byte)'n': return _end - at > 4 && Slice(at, 4).SequenceEqual("null"u8) ? at + 4 : -1;
        }
        int length = JsonNumber.Length(ref Unsafe.Add(ref _text, at), _length - at);
        return length > 0 ? at + length : -1;
    }

    /// <summary>An object or array with all that is nested in it. Returns the position behind it, or -1.</summary>
    private readonly int Container(int at, int depth)
    {
        int level = depth;
        bool inObject = false;
        while (true)
        {
            if (inObject)
            {
                at = Key(at, out _);
                if (at < 0) return -1;
            }
            byte first = At(at);
            if ((first | 0x20) == '{')
            {
                if (level == JsonSpanParser.MaxDepth) return -1;
                inObject = first == '{';
                SetObject(level++, inObject);
                at = SkipSpace(at + 1);
                if (At(at) != (inObject ? '}' : ']')) continue;
            }
            else
            {
                at = first == '"' ? String(at) : Scalar(at, first);
                if (at < 0) return -1;
                at = SkipSpace(at);
            }
            // Behind a value: end what ends here, or go on to the next member.
            while (At(at) != ',')
            {
                if (At(at) != (inObject ? '}' : ']')) return -1;
                at = Behind(at);
                if (at < 0) return -1;
                if (--level == depth) return at;
                inObject = IsObject(level - 1);
                at = SkipSpace(at);
            }
            at = SkipSpace(at + 1);
        }
    }

    /// <summary>The position behind a closing bracket within the message; -1 when it is the message's last one.</summary>
    private readonly int Behind(int bracket) => bracket + 1 < _end ? bracket + 1 : -1;

    private readonly void SetObject(int level, bool isObject)
    {
        ref ulong word = ref _nesting[level >> 6];
        ulong bit = 1UL << level;
        word = isObject ? word | bit : word & ~bit;
    }

    private readonly bool IsObject(int level) => (_nesting[level >> 6] & (1UL << level)) != 0;

    /// <summary>First unescaped quote at or behind a position, or some position behind the message.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int NextQuote(int from)
    {
        // Any 57 bits can be had with one load; most strings are shorter than that.
        ulong ahead = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref _quotes, from >> 3)) >> (from & 7);
        return ahead != 0 ? from + BitOperations.TrailingZeroCount(ahead) : FarQuote((from & ~7) + 64);
    }

    private readonly int FarQuote(int from)
    {
        ulong ahead;
        while ((ahead = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref _quotes, from >> 3))) == 0) from += 64;
        return from + BitOperations.TrailingZeroCount(ahead);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int SkipSpace(int at) => At(at) > ' ' ? at : SkipSpaces(at);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly int SkipSpaces(int at)
    {
        while (JsonText.IsWhiteSpace(At(at))) at++;
        return at;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly SpanField FindField(int key, int end)
    {
        ReadOnlySpan<byte> name = Slice(key + 1, end - key - 1);
        SpanField field = SpanFieldNames.Find(name);
        return field == SpanField.None && _hasEscapes ? FindEscapedField(name) : field;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly bool KeyIs(int key, int end, ReadOnlySpan<byte> expected)
    {
        ReadOnlySpan<byte> name = Slice(key + 1, end - key - 1);
        // Escapes make a key longer: the characters of the keys that are looked for can only be escaped as \uXXXX.
        return name.Length == expected.Length ? name.SequenceEqual(expected) : name.Length > expected.Length && _hasEscapes && EscapedKeyIs(name, expected);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static SpanField FindEscapedField(ReadOnlySpan<byte> key) => SpanFieldNames.Find(UnescapeKey(key, stackalloc byte[MaxKeyLength]));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool EscapedKeyIs(ReadOnlySpan<byte> key, ReadOnlySpan<byte> expected) =>
        UnescapeKey(key, stackalloc byte[MaxKeyLength]).SequenceEqual(expected);

    /// <summary>The key behind the escapes; nothing where there are none, or it is longer than any that is looked for.</summary>
    private static ReadOnlySpan<byte> UnescapeKey(ReadOnlySpan<byte> key, Span<byte> room) =>
        key.Contains((byte)'\\') && JsonText.TryUnescape(key, room, out int length) ? room[..length] : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly ReadOnlySpan<byte> Slice(int at, int length) => MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _text, at), length);

    [InlineArray((int)SpanField.Meta + 1)]
    private struct FieldRanges
    {
        private JsonRange _first;
    }
}

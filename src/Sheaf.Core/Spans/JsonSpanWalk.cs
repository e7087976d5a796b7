using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sheaf.Spans;

/// <summary>
/// Second stage of the parser: goes over the tokens once, checks the grammar, and notes at which token the value of each field begins. For
/// one message, on the stack.
/// </summary>
/// <remarks>
/// The last token must be a closing brace, which is checked first. No rule of the grammar but one accepts a closing brace and goes on, so looking
/// at the next token is safe everywhere but behind the end of an object, where <c>at == _count</c> is asked. That is why there are no other bounds.
/// </remarks>
internal ref struct JsonSpanWalk
{
    private static ReadOnlySpan<byte> SegmentIdKey => "sentry.segment.id"u8;

    private readonly ref byte _text;
    private readonly int _length;
    private readonly ref int _tokens;
    private readonly int _count;
    private readonly bool _hasEscapes;
    private readonly ulong[] _nesting;
    private FieldTokens _values;
    private bool _fieldRepeats;
    private bool _segmentIdRepeats;

    /// <param name="structure">Of the same text, read successfully.</param>
    /// <param name="nesting">Scratch: a bit for each level of nesting.</param>
    public JsonSpanWalk(ReadOnlySpan<byte> text, JsonStructure structure, ulong[] nesting)
    {
        _text = ref MemoryMarshal.GetReference(text);
        _length = text.Length;
        _tokens = ref structure.Positions;
        _count = structure.Count;
        _hasEscapes = structure.HasEscapes;
        _nesting = nesting;
    }

    /// <summary>Token of the value of <c>attributes["sentry.segment.id"]</c>; 0 = absent. Of two, the last.</summary>
    public int SegmentId { get; private set; }

    /// <summary><c>is_segment</c>, <c>attributes</c> or <c>sentry.segment.id</c> occurs more than once.</summary>
    public readonly bool Repeats => _fieldRepeats | _segmentIdRepeats;

    /// <summary>Token of the value of a field; 0 = absent. Of two, the last.</summary>
    public readonly int Value(SpanField field) => _values[(int)field];

    /// <summary>Where a token begins.</summary>
    public readonly int Start(int token) => Unsafe.Add(ref _tokens, token);

    /// <summary>Where the message's closing brace is.</summary>
    public readonly int End => Start(_count - 1);

    /// <summary>First byte of a token.</summary>
    public readonly byte First(int token) => Unsafe.Add(ref _text, Unsafe.Add(ref _tokens, token));

    /// <summary>The text of a number, a literal or a string with its quotes.</summary>
    public readonly ReadOnlySpan<byte> Text(int token)
    {
        int start = Start(token);
        return MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _text, start), TrimEnd(Start(token + 1)) - start);
    }

    /// <summary>Checks the grammar of the whole message and notes the fields. False: it is not an object of valid JSON.</summary>
    public bool TryWalk()
    {
        if (First(0) != '{' || First(_count - 1) != '}') return false;
        int at = 1;
        if (_count == 2) return true;
        while (true)
        {
            if (First(at) != '"' || First(at + 1) != ':') return false;
            SpanField field = FindField(at);
            at += 2;
            if (field != SpanField.None)
            {
                ref int value = ref _values[(int)field];
                if (field is SpanField.IsSegment or SpanField.Attributes) _fieldRepeats |= value != 0;
                value = at;
            }
            byte first = First(at);
            if (first == '"')
            {
                at++;
            }
            else if (field == SpanField.Attributes)
            {
                at = Attributes(at);
                if (at < 0) return false;
            }
            else if ((first | 0x20) == '{')
            {
                at = Container(at, depth: 1);
                if (at < 0) return false;
            }
            else if (IsScalar(at))
            {
                at++;
            }
            else
            {
                return false;
            }
            byte next = First(at++);
            if (next == ',') continue;
            return next == '}' && at == _count;
        }
    }

    /// <summary>
    /// Token of the value of a member of the object at <paramref name="at"/>, whose grammar is known to be right; 0 = absent. Of two, the last.
    /// </summary>
    public readonly int Member(int at, ReadOnlySpan<byte> key)
    {
        int found = 0;
        if (First(++at) == '}') return 0;
        while (true)
        {
            if (KeyIs(at, key)) found = at + 2;
            at += 2;
            at = (First(at) | 0x20) == '{' ? Container(at, depth: 0) : at + 1;
            if (First(at++) == '}') return found;
        }
    }

    /// <summary>The value of <c>attributes</c>, where it is not a string. Returns the token behind it, or -1.</summary>
    private int Attributes(int at)
    {
        SegmentId = 0;
        _segmentIdRepeats = false;
        if (First(at) != '{') return First(at) == '[' ? Container(at, depth: 1) : IsScalar(at) ? at + 1 : -1;
        if (First(++at) == '}') return at + 1 == _count ? -1 : at + 1;
        while (true)
        {
            if (First(at) != '"' || First(at + 1) != ':') return -1;
            if (KeyIs(at, SegmentIdKey))
            {
                _segmentIdRepeats |= SegmentId != 0;
                SegmentId = at + 2;
            }
            at += 2;
            byte first = First(at);
            if (first == '{')
            {
                int behind = TypedValue(at);
                at = behind > 0 ? behind : Container(at, depth: 2);
                if (at < 0) return -1;
            }
            else if (first == '"')
            {
                at++;
            }
            else if (first == '[')
            {
                at = Container(at, depth: 2);
                if (at < 0) return -1;
            }
            else if (IsScalar(at))
            {
                at++;
            }
            else
            {
                return -1;
            }
            byte next = First(at++);
            if (next == ',') continue;
            return next == '}' && at < _count ? at : -1;
        }
    }

    /// <summary>
    /// The shape that nearly all attributes have, told by its bytes instead of its tokens. Returns the token behind it; 0 for any other shape,
    /// which says nothing about whether it is valid.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int TypedValue(int at)
    {
        int start = Start(at);
        if (_length - start < 32) return 0;
        ref byte text = ref Unsafe.Add(ref _text, start);
        if (!MemoryMarshal.CreateReadOnlySpan(ref text, 25).SequenceEqual("{\"type\":\"string\",\"value\":"u8)
            && !MemoryMarshal.CreateReadOnlySpan(ref text, 26).SequenceEqual("{\"type\":\"integer\",\"value\":"u8)
            && !MemoryMarshal.CreateReadOnlySpan(ref text, 25).SequenceEqual("{\"type\":\"double\",\"value\":"u8)
            && !MemoryMarshal.CreateReadOnlySpan(ref text, 26).SequenceEqual("{\"type\":\"boolean\",\"value\":"u8)) return 0;
        at += 7; // { "type" : "…" , "value" :
        if (First(at) != '"' && !IsScalar(at)) return 0;
        return First(at + 1) == '}' && at + 2 < _count ? at + 2 : 0;
    }

    /// <summary>
    /// An object or array with all that is nested in it, at <paramref name="depth"/> open ones around it. Returns the token behind it, or -1.
    /// </summary>
    private readonly int Container(int at, int depth)
    {
        int level = depth;
        bool inObject = false;
        while (true)
        {
            if (inObject)
            {
                if (First(at) != '"' || First(at + 1) != ':') return -1;
                at += 2;
            }
            byte first = First(at);
            if ((first | 0x20) == '{')
            {
                if (level == JsonSpanParser.MaxDepth) return -1;
                inObject = first == '{';
                SetObject(level++, inObject);
                if (First(++at) != (inObject ? '}' : ']')) continue;
            }
            else if (first == '"' || IsScalar(at))
            {
                at++;
            }
            else
            {
                return -1;
            }
            // Behind a value: end what ends here, or go on to the next member.
            byte next;
            while ((next = First(at++)) != ',')
            {
                if (next != (inObject ? '}' : ']') || at == _count) return -1;
                if (--level == depth) return at;
                inObject = IsObject(level - 1);
            }
        }
    }

    private readonly void SetObject(int level, bool isObject)
    {
        ref ulong word = ref _nesting[level >> 6];
        ulong bit = 1UL << level;
        word = isObject ? word | bit : word & ~bit;
    }

    private readonly bool IsObject(int level) => (_nesting[level >> 6] & (1UL << level)) != 0;

    /// <summary>Whether a token is a whole number, <c>true</c>, <c>false</c> or <c>null</c>, with nothing but white space up to the next token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly bool IsScalar(int token)
    {
        int start = Start(token);
        ref byte text = ref Unsafe.Add(ref _text, start);
        int length = TrimEnd(Start(token + 1)) - start;
        return text switch
        {
            (byte)'t' => length == 4 && Unsafe.ReadUnaligned<uint>(ref text) == Unsafe.ReadUnaligned<uint>(in "true"u8[0]),
            (byte)'f' => length == 5 && Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref text, 1)) == Unsafe.ReadUnaligned<uint>(in "alse"u8[0]),
            (byte)'n' => length == 4 && Unsafe.ReadUnaligned<uint>(ref text) == Unsafe.ReadUnaligned<uint>(in "null"u8[0]),
            _ => JsonNumber.IsNumber(ref text, length, _length - start),
        };
    }

    private readonly SpanField FindField(int token)
    {
        ReadOnlySpan<byte> key = Inside(token);
        SpanField field = SpanFieldNames.Find(key);
        return field == SpanField.None && _hasEscapes && TryUnescapeKey(key, stackalloc byte[MaxKeyLength], out ReadOnlySpan<byte> plain)
            ? SpanFieldNames.Find(plain)
            : field;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly bool KeyIs(int token, ReadOnlySpan<byte> expected)
    {
        ReadOnlySpan<byte> key = Inside(token);
        if (key.SequenceEqual(expected)) return true;
        return _hasEscapes && EscapedKeyIs(key, expected);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool EscapedKeyIs(ReadOnlySpan<byte> key, ReadOnlySpan<byte> expected) =>
        TryUnescapeKey(key, stackalloc byte[MaxKeyLength], out ReadOnlySpan<byte> plain) && plain.SequenceEqual(expected);

    private const int MaxKeyLength = 32; // no key that is looked for is longer

    private static bool TryUnescapeKey(ReadOnlySpan<byte> key, Span<byte> room, out ReadOnlySpan<byte> plain)
    {
        plain = default;
        if (!key.Contains((byte)'\\') || !JsonText.TryUnescape(key, room, out int length)) return false;
        plain = room[..length];
        return true;
    }

    /// <summary>A string without its quotes: whatever token comes next, only white space is between it and the closing quote.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly ReadOnlySpan<byte> Inside(int token)
    {
        int start = Start(token) + 1;
        return MemoryMarshal.CreateReadOnlySpan(ref Unsafe.Add(ref _text, start), TrimEnd(Start(token + 1)) - 1 - start);
    }

    /// <summary>Steps back over white space in front of a token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int TrimEnd(int end)
    {
        while (JsonText.IsWhiteSpace(Unsafe.Add(ref _text, end - 1))) end--;
        return end;
    }

    [InlineArray((int)SpanField.Attributes + 1)]
    private struct FieldTokens
    {
        private int _first;
    }
}

using System.Buffers;
using System.Text;

namespace Sheaf.Spans;

/// <summary>
/// The grammar of JSON (RFC 8259) and what strict readers refuse besides, written to be read: one byte after the other, and
/// the first fault with its place. The parser proper is faster and only says yes or no; this says why not. One use per text.
/// </summary>
internal ref struct JsonGrammar
{
    private readonly ReadOnlySpan<byte> _text;
    private int _at;
    private SpanField _field; // that the position is in

    private JsonGrammar(ReadOnlySpan<byte> text) => _text = text;

    /// <summary>The first fault of a text that is to be an object, or <see cref="SpanFaultKind.None"/>.</summary>
    public static SpanFault FindFault(ReadOnlySpan<byte> text)
    {
        var grammar = new JsonGrammar(text);
        SpanFaultKind kind = grammar.Text();
        // Where the grammar is broken, the field is a guess.
        bool isInField = kind is SpanFaultKind.TooDeep or SpanFaultKind.LoneSurrogate or SpanFaultKind.NumberTooLarge;
        return new SpanFault(kind, isInField ? grammar._field : SpanField.None, kind == SpanFaultKind.None ? 0 : grammar._at);
    }

    private SpanFaultKind Text()
    {
        SkipWhiteSpace();
        if (_at == _text.Length) return SpanFaultKind.Empty;
        int start = _at;
        SpanFaultKind kind = Value();
        if (kind != SpanFaultKind.None) return kind;
        SkipWhiteSpace();
        if (_at < _text.Length) return Unexpected();
        if (_text[start] == (byte)'{') return SpanFaultKind.None;
        _at = start;
        return SpanFaultKind.NotAnObject;
    }

    /// <summary>A value with all that is nested in it. Depth is a stack of its own, so that the input cannot exhaust the thread's.</summary>
    private SpanFaultKind Value()
    {
        var isObject = new Stack<bool>();
        while (true)
        {
            SkipWhiteSpace();
            if (_at == _text.Length) return SpanFaultKind.Truncated;
            byte first = _text[_at];
            if (first is (byte)'{' or (byte)'[')
            {
                if (isObject.Count == JsonSpanParser.MaxDepth) return SpanFaultKind.TooDeep;
                isObject.Push(first == '{');
                _at++;
                SkipWhiteSpace();
                if (!Ahead(first == '{' ? (byte)'}' : (byte)']'))
                {
                    if (first == '{' && Key(isObject.Count) is not SpanFaultKind.None and var key) return key;
                    continue;
                }
            }
            else if (Scalar(first) is not SpanFaultKind.None and var scalar)
            {
                return scalar;
            }
            // Behind a value: end what ends here, or go on to the next member.
            while (true)
            {
                if (isObject.Count == 0) return SpanFaultKind.None;
                SkipWhiteSpace();
                if (_at == _text.Length) return SpanFaultKind.Truncated;
                if (_text[_at] == ',') break;
                if (!Ahead(isObject.Peek() ? (byte)'}' : (byte)']')) return Unexpected();
                _at++;
                isObject.Pop();
            }
            _at++;
            if (isObject.Peek() && Key(isObject.Count) is not SpanFaultKind.None and var next) return next;
        }
    }

    /// <summary>A key and its colon.</summary>
    /// <param name="depth">Objects and arrays that are open around it.</param>
    private SpanFaultKind Key(int depth)
    {
        if (depth == 1) _field = SpanField.None;
        SkipWhiteSpace();
        if (_at == _text.Length) return SpanFaultKind.Truncated;
        if (!Ahead((byte)'"')) return Unexpected();
        int start = _at;
        SpanFaultKind kind = String();
        if (kind != SpanFaultKind.None) return kind;
        if (depth == 1) _field = FieldOf(_text[(start + 1)..(_at - 1)]);
        SkipWhiteSpace();
        if (_at == _text.Length) return SpanFaultKind.Truncated;
        if (!Ahead((byte)':')) return Unexpected();
        _at++;
        return SpanFaultKind.None;
    }

    private static SpanField FieldOf(ReadOnlySpan<byte> key)
    {
        byte[] plain = new byte[key.Length];
        return JsonText.TryUnescape(key, plain, out int length) ? SpanFieldNames.Find(plain.AsSpan(0, length)) : SpanField.None;
    }

    private SpanFaultKind Scalar(byte first)
    {
        switch (first)
        {
            case (byte)'"': return String();
            case (byte)'t': return Literal("true"u8);
            case (byte)'f': return Literal("false"u8);
            case (byte)'n': return Literal("null"u8);
        }
        int length = JsonNumber.Length(_text[_at..]);
        if (length == 0) return Unexpected();
        if (length > 0 && !JsonNumber.IsFinite(_text.Slice(_at, length))) return SpanFaultKind.NumberTooLarge;
        _at += length > 0 ? length : ~length;
        return length > 0 ? SpanFaultKind.None : Unexpected();
    }

    private SpanFaultKind Literal(ReadOnlySpan<byte> word)
    {
        int same = _text[_at..].CommonPrefixLength(word);
        _at += same;
        return same == word.Length ? SpanFaultKind.None : Unexpected();
    }

    private SpanFaultKind String()
    {
        _at++;
        while (_at < _text.Length)
        {
            switch (_text[_at])
            {
                case (byte)'"':
                    _at++;
                    return SpanFaultKind.None;
                case (byte)'\\':
                    ReadOnlySpan<byte> escape = _text[_at..];
                    int length = JsonText.EscapeLength(escape);
                    if (length == 0) return SpanFaultKind.InvalidJson;
                    if (length == 6 && JsonText.IsSurrogate(escape))
                    {
                        if (!JsonText.IsSurrogatePair(escape)) return SpanFaultKind.LoneSurrogate;
                        length = 12;
                    }
                    _at = length < 0 ? _text.Length : _at + length;
                    break;
                case < 0x20:
                    return SpanFaultKind.InvalidJson;
                case < 0x80:
                    _at++;
                    break;
                default:
                    OperationStatus status = Rune.DecodeFromUtf8(_text[_at..], out _, out int bytes);
                    if (status == OperationStatus.InvalidData) return SpanFaultKind.InvalidUtf8;
                    _at += bytes;
                    break;
            }
        }
        return SpanFaultKind.Truncated;
    }

    /// <summary>What to call the byte at the position, which the grammar has no place for.</summary>
    private readonly SpanFaultKind Unexpected()
    {
        if (_at == _text.Length) return SpanFaultKind.Truncated;
        return Rune.DecodeFromUtf8(_text[_at..], out _, out _) == OperationStatus.Done ? SpanFaultKind.InvalidJson : SpanFaultKind.InvalidUtf8;
    }

    private readonly bool Ahead(byte expected) => _at < _text.Length && _text[_at] == expected;

    private void SkipWhiteSpace()
    {
        while (_at < _text.Length && JsonText.IsWhiteSpace(_text[_at])) _at++;
    }
}

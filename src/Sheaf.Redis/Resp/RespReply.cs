using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Sheaf.Redis.Resp;

/// <summary>
/// A reply, or a value inside of one, where it lies in its batch: nothing is copied or allocated. Valid until the batch is cleared or executed again;
/// using it later throws <see cref="InvalidOperationException"/>.
/// </summary>
public readonly struct RespReply
{
    private readonly ReplySet _set;
    private readonly int _token;
    private readonly int _generation;

    internal RespReply(ReplySet set, int token, int generation)
    {
        _set = set;
        _token = token;
        _generation = generation;
    }

    public RespKind Kind => Token.Kind;

    public bool IsNull => Kind == RespKind.Null;

    /// <summary>The server refused the command, or it failed. The first word of <see cref="Bytes"/> says why.</summary>
    public bool IsError => Kind == RespKind.Error;

    /// <summary>The text of a string, an error or a number; empty for a null and for aggregates.</summary>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            ref readonly ReplyToken token = ref Token;
            return IsAggregate(token.Kind) ? default : _set.TextOf(token);
        }
    }

    /// <summary>A whole number, whichever way the server wrote it: as a number, a string, a double without fraction, or a boolean.</summary>
    /// <exception cref="RespProtocolException">It is none.</exception>
#pragma warning disable CA1720 // RESP calls it so
    public long Integer
#pragma warning restore CA1720
    {
        get
        {
            ref readonly ReplyToken token = ref Token;
            ReadOnlySpan<byte> text = _set.TextOf(token);
            switch (token.Kind)
            {
                case RespKind.Boolean:
                    return text[0] == (byte)'t' ? 1 : 0;
                case RespKind.Integer or RespKind.SimpleString or RespKind.BulkString or RespKind.BigNumber or RespKind.Verbatim or RespKind.Double:
                    if (Utf8Parser.TryParse(text, out long value, out int length) && length == text.Length) return value;
                    if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && Math.Abs(number) < 1L << 53
                        && number == Math.Floor(number)) return (long)number;
                    break;
            }
            throw new RespProtocolException($"expected a whole number, the server answered {Describe()}");
        }
    }

    /// <summary>A number, whichever way the server wrote it.</summary>
    /// <exception cref="RespProtocolException">It is none.</exception>
    public double Number
    {
        get
        {
            ref readonly ReplyToken token = ref Token;
            if (!IsAggregate(token.Kind) && token.Kind is not (RespKind.Error or RespKind.Null)
                && ReplySet.TryParseDouble(_set.TextOf(token), out double number)) return number;
            throw new RespProtocolException($"expected a number, the server answered {Describe()}");
        }
    }

    /// <summary>How many values are inside; a map counts its keys and its values. 0 for what is no aggregate.</summary>
    public int Count
    {
        get
        {
            ref readonly ReplyToken token = ref Token;
            return IsAggregate(token.Kind) ? token.Length : 0;
        }
    }

    /// <summary>The values inside, in their order.</summary>
    public RespChildren Children => new(this);

    /// <summary>The first value inside. <see cref="Count"/> must not be 0.</summary>
    /// <exception cref="RespProtocolException">There is none.</exception>
    public RespReply First() =>
        Count > 0 ? new RespReply(_set, _token + 1, _generation) : throw new RespProtocolException($"expected a list, the server answered {Describe()}");

    /// <summary>The value behind this one, inside of the same aggregate. Only where there is one: the caller counts.</summary>
    public RespReply Next() => new(_set, Token.End, _generation);

    /// <summary>For messages to people: the kind, and the beginning of the text.</summary>
    public override string ToString() => Describe();

    private ref readonly ReplyToken Token => ref (_set ?? throw new InvalidOperationException("this is no reply")).TokenAt(_token, _generation);

    private static bool IsAggregate(RespKind kind) => kind is RespKind.Array or RespKind.Map or RespKind.Set;

    private string Describe()
    {
        const int Most = 200;
        ref readonly ReplyToken token = ref Token;
        if (IsAggregate(token.Kind)) return $"{token.Kind} of {token.Length}";
        if (token.Kind == RespKind.Null) return "Null";
        ReadOnlySpan<byte> text = _set.TextOf(token);
        return $"{token.Kind} \"{Encoding.UTF8.GetString(text[..Math.Min(Most, text.Length)])}{(text.Length > Most ? "…" : "")}\"";
    }
}

/// <summary>The values inside of a reply, for <c>foreach</c>; nothing is allocated.</summary>
public readonly struct RespChildren
{
    private readonly RespReply _parent;

    internal RespChildren(RespReply parent) => _parent = parent;

    public Enumerator GetEnumerator() => new(_parent);

    public struct Enumerator
    {
        private readonly RespReply _parent;
        private int _left;
        private bool _begun;

        internal Enumerator(RespReply parent)
        {
            _parent = parent;
            _left = parent.Count;
        }

        public RespReply Current { get; private set; }

        public bool MoveNext()
        {
            if (_left == 0) return false;
            _left--;
            Current = _begun ? Current.Next() : _parent.First();
            _begun = true;
            return true;
        }
    }
}

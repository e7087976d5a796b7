using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// Reads digests of spans, on purpose with the platform's JSON reader and nothing of the parser that is being verified. Holds scratch
/// memory: one thread.
/// </summary>
internal sealed class SpanDigester
{
    /// <summary>For all reading here: deeper than any message that a consumer accepts.</summary>
    public static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = 4096 };

    private static readonly string[] RequiredNumbers =
        ["project_id", "organization_id", "start_timestamp", "end_timestamp", "received", "retention_days"];

    private static readonly (byte[] Utf8, string Name)[] KnownNames =
    [
        .. RequiredNumbers.Concat(
            ["trace_id", "span_id", "parent_span_id", "status", "is_segment", "name", "attributes", "sentry.segment.id", "type", "value"])
            .Select(name => (Encoding.UTF8.GetBytes(name), name)),
    ];

    private readonly bool[] _numbersSeen = new bool[RequiredNumbers.Length];
    private byte[] _content = new byte[4096];
    private int _length;

    /// <summary>Reads a whole message; false where it is not a JSON object in valid UTF-8.</summary>
    public bool TryRead(ReadOnlySpan<byte> message, out SpanDigest digest)
    {
        digest = default;
        if (!System.Text.Unicode.Utf8.IsValid(message)) return false;
        try
        {
            var reader = new Utf8JsonReader(message, ReaderOptions);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
            digest = Read(ref reader);
            return !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Reads the object at whose start the reader is, and leaves the reader at its end.</summary>
    /// <exception cref="JsonException">It is not valid JSON.</exception>
    public SpanDigest Read(ref Utf8JsonReader reader)
    {
        var digest = new SpanDigest();
        bool typesRight = true, statusSeen = false, hasTrace = false, hasSpan = false;
        TraceId trace = default;
        SpanId? parent = null, given = null;
        long project = 0;
        _length = 0;
        Array.Clear(_numbersSeen);

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int mark = _length;
            string? name = NameOf(ref reader);
            AddToken(ref reader);
            reader.Read();
            JsonTokenType type = reader.TokenType;
            switch (name)
            {
                case "is_segment":
                    digest.IsSegment = type == JsonTokenType.True ? true : type == JsonTokenType.False ? false : null;
                    typesRight &= type is JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null;
                    reader.Skip();
                    _length = mark;
                    continue;
                case "attributes" when type is JsonTokenType.StartObject or JsonTokenType.Null:
                    (digest.SegmentAttributeHash, digest.SegmentAttribute, given) = (0, null, null);
                    if (type == JsonTokenType.Null || !AddAttributes(ref reader, ref digest, out given)) _length = mark;
                    continue;
                case "attributes":
                    typesRight = false;
                    break;
                case "trace_id":
                    hasTrace = type == JsonTokenType.String && TraceId.TryParse(TextOf(ref reader), out trace);
                    break;
                case "span_id":
                    hasSpan = type == JsonTokenType.String && SpanId.TryParse(TextOf(ref reader), out digest.SpanId);
                    break;
                case "parent_span_id":
                    parent = type == JsonTokenType.String && SpanId.TryParse(TextOf(ref reader), out SpanId id) ? id : null;
                    bool isEmpty = type == JsonTokenType.String && reader.ValueSpan.IsEmpty;
                    typesRight &= parent is not null || type == JsonTokenType.Null || isEmpty;
                    if (parent is { Value: 0 }) parent = null;
                    break;
                case "project_id":
                    _numbersSeen[0] = type == JsonTokenType.Number && reader.TryGetInt64(out project) && project >= 0;
                    break;
                case "status":
                    statusSeen = type == JsonTokenType.String;
                    break;
                case "name":
                    typesRight &= type is JsonTokenType.String or JsonTokenType.Null;
                    break;
                default:
                    if (Array.IndexOf(RequiredNumbers, name) is >= 0 and int i) _numbersSeen[i] = type == JsonTokenType.Number;
                    break;
            }
            AddValue(ref reader);
        }

        digest.HasKey = hasTrace && hasSpan && _numbersSeen[0];
        digest.Usable = digest.HasKey && typesRight && statusSeen && Array.TrueForAll(_numbersSeen, seen => seen);
        digest.Trace = new TraceKey(project, trace);
        digest.EffectiveParent = parent is null || digest.IsSegment == true ? digest.SpanId : given ?? parent.Value;
        digest.IsRoot = parent is null || digest.IsSegment == true;
        digest.ContentHash = XxHash3.HashToUInt64(_content.AsSpan(0, _length));
        return digest;
    }

    /// <summary>Adds the attributes but for the segment id; true where there is another one.</summary>
    private bool AddAttributes(ref Utf8JsonReader reader, ref SpanDigest digest, out SpanId? given)
    {
        bool others = false;
        given = null;
        Add((byte)JsonTokenType.StartObject, []);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int mark = _length;
            bool isSegmentId = NameOf(ref reader) == "sentry.segment.id";
            AddToken(ref reader);
            reader.Read();
            if (!isSegmentId)
            {
                AddValue(ref reader);
                others = true;
                continue;
            }
            given = ReadSegmentId(ref reader, out bool asAdded, out bool hasValue);
            digest.SegmentAttribute = asAdded ? given : null;
            digest.SegmentAttributeHash = !hasValue ? 0 : (uint)XxHash3.HashToUInt64(_content.AsSpan(mark.._length)) | 1;
            _length = mark;
        }
        Add((byte)JsonTokenType.EndObject, []);
        return others;
    }

    /// <summary>Reads the attribute's value; the id in it, where there is one. <paramref name="asAdded"/>: nothing else is in it but its type.</summary>
    private SpanId? ReadSegmentId(ref Utf8JsonReader reader, out bool asAdded, out bool hasValue)
    {
        asAdded = false;
        hasValue = reader.TokenType is not (JsonTokenType.Null or JsonTokenType.StartObject);
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            AddValue(ref reader);
            return null;
        }
        SpanId? value = null;
        bool typeIsString = false;
        int members = 0;
        AddToken(ref reader);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            members++;
            string? name = NameOf(ref reader);
            AddToken(ref reader);
            reader.Read();
            bool isString = reader.TokenType == JsonTokenType.String;
            if (name == "value") hasValue = reader.TokenType != JsonTokenType.Null && !(isString && reader.ValueSpan.IsEmpty);
            if (name == "value") value = isString && SpanId.TryParse(TextOf(ref reader), out SpanId id) ? id : null;
            if (name == "type") typeIsString = isString && TextOf(ref reader).SequenceEqual("string"u8);
            AddValue(ref reader);
        }
        AddToken(ref reader);
        asAdded = members == 2 && typeIsString && value is not null;
        return value;
    }

    /// <summary>Adds the value at whose first token the reader is; leaves the reader at its last one.</summary>
    private void AddValue(ref Utf8JsonReader reader)
    {
        int depth = reader.CurrentDepth;
        bool open = reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray;
        AddToken(ref reader);
        while (open && reader.Read())
        {
            AddToken(ref reader);
            open = reader.CurrentDepth > depth;
        }
    }

    private void AddToken(ref Utf8JsonReader reader) => Add((byte)reader.TokenType, reader.ValueSpan);

    private void Add(byte type, ReadOnlySpan<byte> text)
    {
        int needed = _length + text.Length + 2;
        if (needed > _content.Length) Array.Resize(ref _content, Math.Max(needed, 2 * _content.Length));
        _content[_length] = type;
        text.CopyTo(_content.AsSpan(_length + 1));
        _content[needed - 1] = 0xFF; // never part of UTF-8, so tokens cannot run into each other
        _length = needed;
    }

    /// <summary>The property's name if it is one that matters here, else null.</summary>
    public static string? NameOf(ref Utf8JsonReader reader)
    {
        ReadOnlySpan<byte> text = TextOf(ref reader);
        foreach ((byte[] utf8, string name) in KnownNames)
            if (text.SequenceEqual(utf8)) return name;
        return null;
    }

    /// <summary>The text of a string or name, unescaped; empty where its escapes make no text (half a surrogate pair).</summary>
    private static ReadOnlySpan<byte> TextOf(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped) return reader.ValueSpan;
        byte[] text = new byte[reader.ValueSpan.Length];
        try
        {
            return text.AsSpan(0, reader.CopyString(text));
        }
        catch (InvalidOperationException)
        {
            return [];
        }
    }
}

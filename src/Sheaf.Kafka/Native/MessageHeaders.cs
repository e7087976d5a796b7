using System.Globalization;

namespace Sheaf.Kafka.Native;

/// <summary>Headers of one message on their way to librdkafka. Values are text. One owner.</summary>
internal unsafe ref struct MessageHeaders(int capacity)
{
    private nint _headers = LibRdKafka.rd_kafka_headers_new((nuint)capacity);

    public readonly nint Pointer => _headers;

    /// <summary>Adds a header; name and value are copied.</summary>
    public readonly void Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        fixed (byte* nameBytes = name)
        fixed (byte* valueBytes = value)
        {
            // An empty value is not an absent one.
            byte none = 0;
            _ = LibRdKafka.rd_kafka_header_add(_headers, nameBytes, name.Length, valueBytes == null ? &none : valueBytes, value.Length);
        }
    }

    /// <inheritdoc cref="Add(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>
    public readonly void Add(ReadOnlySpan<byte> name, long value)
    {
        Span<byte> text = stackalloc byte[20];
        value.TryFormat(text, out int length, provider: CultureInfo.InvariantCulture);
        Add(name, text[..length]);
    }

    /// <summary>The headers belong to a message now.</summary>
    public void Release() => _headers = 0;

    public void Dispose()
    {
        if (_headers != 0) LibRdKafka.rd_kafka_headers_destroy(_headers);
        _headers = 0;
    }
}

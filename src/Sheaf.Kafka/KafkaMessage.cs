using System.Text;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>A message as librdkafka holds it, read in place: valid as long as its <see cref="KafkaMessageBatch"/> holds it.</summary>
public readonly unsafe ref struct KafkaMessage
{
    private readonly NativeMessage* _message;

    internal KafkaMessage(NativeMessage* message) => _message = message;

    public int Partition => _message->Partition;

    public long Offset => _message->Offset;

    /// <summary>Empty where there is none.</summary>
    public ReadOnlySpan<byte> Key => new(_message->Key, (int)_message->KeyLength);

    /// <summary>Empty where there is none.</summary>
    public ReadOnlySpan<byte> Value => _message->Value;

    public bool HasKey => _message->Key != null;

    /// <summary>False for the mark that deletes a key from a compacted topic.</summary>
    public bool HasValue => _message->Payload != null;

    /// <summary>Milliseconds since 1970; -1 where it has none.</summary>
    public long TimestampMs
    {
        get
        {
            int type;
            return LibRdKafka.rd_kafka_message_timestamp(_message, &type);
        }
    }

    /// <summary>Names and values, in order; a name may come more than once. Allocates.</summary>
    public List<KeyValuePair<string, byte[]>> ReadHeaders()
    {
        var headers = new List<KeyValuePair<string, byte[]>>();
        nint list;
        if (LibRdKafka.rd_kafka_message_headers(_message, &list) != ErrorCodes.None) return headers;
        byte* name, value;
        nuint length;
        for (nuint i = 0; LibRdKafka.rd_kafka_header_get_all(list, i, &name, &value, &length) == ErrorCodes.None; i++)
            headers.Add(new(Encoding.UTF8.GetString(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name)), new Span<byte>(value, (int)length).ToArray()));
        return headers;
    }
}

using Microsoft.Extensions.Logging;
using System.IO.Hashing;

namespace Sheaf.Kafka;

/// <summary>Spans as messages of an input topic, each in the partition of its trace. One group at a time.</summary>
public sealed class KafkaSpanSink : IAsyncDisposable
{
    private readonly KafkaAddress _address;
    private readonly KafkaGroupSink _sink;
    private readonly int _partitions;

    private KafkaSpanSink(KafkaAddress address, KafkaGroupSink sink, int partitions)
    {
        _address = address;
        _sink = sink;
        _partitions = partitions;
    }

    /// <summary>Makes sure that the topic is there.</summary>
    /// <exception cref="ConfigurationException">It is missing, a property is wrong, or librdkafka is missing.</exception>
    /// <exception cref="SinkException">No broker answered in time.</exception>
    public static async ValueTask<KafkaSpanSink> OpenAsync(KafkaOutputOptions options, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        KafkaTopic topic = await KafkaOutput.FindTopicAsync(options, log, time, cancel);
        KafkaProducer producer = KafkaProducer.Create(options.ToConfig(topic.MaxMessageBytes), log);
        return new KafkaSpanSink(options.Address, new KafkaGroupSink(producer, topic.Name, time), topic.Partitions);
    }

    /// <summary>Produces whole lines, a message each. When it has completed, the brokers have them.</summary>
    /// <exception cref="SinkException">They have not taken all of them.</exception>
    public async ValueTask ProduceAsync(ReadOnlyMemory<byte> lines, CancellationToken cancel)
    {
        var group = new List<OutgoingMessage>();
        while (!lines.IsEmpty)
        {
            int end = lines.Span.IndexOf((byte)'\n');
            ReadOnlyMemory<byte> line = end < 0 ? lines : lines[..end];
            lines = end < 0 ? default : lines[(end + 1)..];
            group.Add(new OutgoingMessage(line, [], (int)(XxHash3.HashToUInt64(TraceOf(line.Span)) % (ulong)_partitions)));
        }
        KafkaError error = await _sink.ProduceAsync(group, cancel);
        if (!error.IsNone) throw new SinkException($"{_address}: {error.Text}. {error.WayOut(_address.Topic)}");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _sink.DisposeAsync();

    /// <summary>A generated line's trace id; the whole line where it has none.</summary>
    private static ReadOnlySpan<byte> TraceOf(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> name = "\"trace_id\":\""u8;
        int at = line.IndexOf(name);
        if (at < 0) return line;
        ReadOnlySpan<byte> rest = line[(at + name.Length)..];
        int end = rest.IndexOf((byte)'"');
        return end < 0 ? line : rest[..end];
    }
}

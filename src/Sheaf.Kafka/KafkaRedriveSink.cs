using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Sheaf.Kafka;

/// <summary>A message on its way back.</summary>
/// <param name="Partition">Where it goes.</param>
/// <param name="From">Where its dead letter is; it travels as <see cref="DeadLetterHeaders.RedrivenFrom"/>.</param>
public readonly record struct RedrivenMessage(ReadOnlyMemory<byte> Value, int Partition, string From);

/// <summary>A topic that messages go back to. One group at a time.</summary>
public sealed class KafkaRedriveSink : IAsyncDisposable
{
    // Of the batch around a message, and of its header but for the place in it.
    private const int OverheadBytes = 256;

    private readonly KafkaAddress _address;
    private readonly KafkaGroupSink _sink;

    private KafkaRedriveSink(KafkaAddress address, KafkaGroupSink sink, KafkaTopic topic)
    {
        _address = address;
        _sink = sink;
        Partitions = topic.Partitions;
        MaxMessageBytes = topic.MaxMessageBytes;
    }

    public string Topic => _address.Topic;

    public int Partitions { get; }

    /// <summary>The largest message that it takes; null where the brokers do not tell.</summary>
    public int? MaxMessageBytes { get; }

    /// <summary>Makes sure that the topic is there.</summary>
    /// <exception cref="ConfigurationException">It is missing, a property is wrong, or librdkafka is missing.</exception>
    /// <exception cref="SinkException">No broker answered in time.</exception>
    public static async ValueTask<KafkaRedriveSink> OpenAsync(KafkaOutputOptions options, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        KafkaTopic topic = await KafkaOutput.FindTopicAsync(options, log, time, cancel);
        KafkaConfig config = options.ToConfig(topic.MaxMessageBytes);
        return new KafkaRedriveSink(options.Address, new KafkaGroupSink(KafkaProducer.Create(config, log), topic.Name, time), topic);
    }

    /// <summary>Whether the topic takes it.</summary>
    public bool Takes(in RedrivenMessage message) => MaxMessageBytes is not { } most || message.Value.Length + message.From.Length + OverheadBytes <= most;

    /// <summary>Produces a group. When it has completed, the brokers have all of it.</summary>
    /// <exception cref="SinkException">They have not taken all of it; some they may have.</exception>
    public async ValueTask ProduceAsync(IReadOnlyList<RedrivenMessage> group, CancellationToken cancel)
    {
        KafkaError error = await _sink.ProduceAsync([.. group.Select(m => new OutgoingMessage(m.Value, [new(DeadLetterHeaders.RedrivenFrom, m.From)], m.Partition))], cancel);
        if (error.IsNone) return;
        throw new SinkException(string.Create(CultureInfo.InvariantCulture,
            $"redrive: {_address}: of the {group.Count} messages from {group[0].From} on not all were taken: {error.Text}. {error.WayOut(Topic)}"));
    }

    public ValueTask DisposeAsync() => _sink.DisposeAsync();
}

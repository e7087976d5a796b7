using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>The topic that spans come from, as the brokers tell of it at the start. Immutable.</summary>
public sealed record KafkaInput(KafkaConsumerOptions Options, int Partitions)
{
    /// <summary>Another one after the topic was deleted and made anew. Null where the brokers do not tell.</summary>
    public string? TopicId { get; init; }

    /// <summary>Asks the brokers for the topic. Waits for brokers that are away, up to the time-out.</summary>
    /// <exception cref="ConfigurationException">There is no such topic, or no right to read it; a property is wrong; librdkafka is missing.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public static async ValueTask<KafkaInput> OpenAsync(
        KafkaConsumerOptions options, TimeSpan timeout, ILogger? log, TimeProvider time, CancellationToken cancel) =>
        await Task.Run(() => Ask(options, timeout, log, time, cancel), cancel); // librdkafka's waits block their thread

    private static KafkaInput Ask(KafkaConsumerOptions options, TimeSpan timeout, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        KafkaLibrary.EnsureLoaded();
        KafkaAddress address = options.Address;
        var events = new ClientEvents(log);
        using ClientHandle client = ClientHandle.Create(ClientType.Consumer, options.ToConfig(), events); // joins no group: it does not subscribe
        if (KafkaTopic.CountPartitions(client, events, address.Topic, timeout, time, out KafkaError error, cancel) is { } partitions)
        {
            string[] lacking =
            [
                .. ((string?[])[
                    KafkaRights.WhyNotTopic(client, address, address.Topic, KafkaRight.Read, time, cancel), KafkaRights.WhyNotGroup(client, address, time, cancel),
                ]).OfType<string>().Select(lack => $"input: {address}: {lack}"),
            ];
            if (lacking.Length > 0) throw new ConfigurationException(lacking);
            return new KafkaInput(options, partitions) { TopicId = KafkaTopic.ReadId(client, address.Topic, time, cancel) };
        }
        string message = $"input: {address}: topic {address.Topic}: {error.Text}. {error.WayOut(address.Topic)}";
        if (error.Kind is not KafkaErrorKind.Retriable) throw new ConfigurationException(message);
        throw new SourceException(events.LastError.IsNone ? message : $"{message}. Last: {events.LastError.Text}");
    }
}

using System.Buffers;
using System.Text;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>A message for a <see cref="KafkaGroupSink"/>.</summary>
/// <param name="Partition">Where it goes; -1: the topic's partitioner chooses.</param>
internal readonly record struct OutgoingMessage(ReadOnlyMemory<byte> Value, IReadOnlyList<KeyValuePair<string, string>> Headers, int Partition = -1);

/// <summary>
/// Messages of one topic in groups: all of a group are handed over, then all acknowledgements are awaited. One group at a time. Owns its producer.
/// </summary>
internal sealed class KafkaGroupSink(KafkaProducer producer, string topic, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(1);

    private readonly nint _topic = producer.Topic(topic);
    private readonly KafkaDelivery _delivery = new();

    /// <summary>
    /// Produces a group, in order per partition. No error when all are acknowledged; else the first failure, and which of them the brokers have is not known. Brokers that are away are
    /// waited for.
    /// </summary>
    public async ValueTask<KafkaError> ProduceAsync(IReadOnlyList<OutgoingMessage> group, CancellationToken cancel)
    {
        var pins = new MemoryHandle[group.Count];
        int next = 0;
        try
        {
            for (int i = 0; i < pins.Length; i++) pins[i] = group[i].Value.Pin();
            _delivery.Begin();
            while (!TryHandOver(group, ref next) && !cancel.IsCancellationRequested)
            {
                // librdkafka's queue is full: it has room again when brokers acknowledge.
                await Task.Delay(RoomPause, time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await _delivery.SettleAsync(producer, time, cancel);
        }
        finally
        {
            foreach (MemoryHandle pin in pins) pin.Dispose();
        }
        KafkaError error = _delivery.Failure.Error;
        if (error.IsNone && next == group.Count) return default;
        cancel.ThrowIfCancellationRequested();
        return producer.FatalError is { IsNone: false } fatal ? fatal : error;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Task.Run(producer.Dispose); // it waits for librdkafka's threads
        _delivery.Dispose();
    }

    /// <summary>Hands messages over, from <paramref name="next"/> on. False where the queue is full; true when all are, or one was refused.</summary>
    private unsafe bool TryHandOver(IReadOnlyList<OutgoingMessage> group, ref int next)
    {
        byte none = 0;
        for (; next < group.Count; next++)
        {
            OutgoingMessage message = group[next];
            var headers = new MessageHeaders(message.Headers.Count);
            foreach ((string name, string value) in message.Headers) headers.Add(Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(value));
            _delivery.Add();
            KafkaError refusal;
            fixed (byte* bytes = message.Value.Span) // pinned by the caller, for longer than this
            {
                // An empty message is not an absent one.
                refusal = producer.Produce(_topic, bytes == null ? &none : bytes, message.Value.Length, default, ref headers, _delivery, partition: message.Partition);
            }
            if (refusal.IsNone) continue;
            _delivery.Withdraw();
            if (refusal.Code == ErrorCodes.QueueFull) return false;
            _delivery.Fail(refusal, topic);
            return true;
        }
        return true;
    }
}

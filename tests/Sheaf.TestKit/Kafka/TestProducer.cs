using Sheaf.Kafka;
using Sheaf.Kafka.Native;

namespace Sheaf.TestKit.Kafka;

/// <summary>Puts messages into one topic. One thread.</summary>
public sealed class TestProducer : IDisposable
{
    private readonly KafkaDelivery _delivery = new();
    private readonly nint _topic;

    public TestProducer(string brokers, string topic, params (string Name, string Value)[] properties)
    {
        var config = new KafkaConfig().Set("bootstrap.servers", brokers);
        foreach ((string name, string value) in properties) config.Set(name, value);
        Producer = KafkaProducer.Create(config);
        _topic = Producer.Topic(topic);
    }

    public KafkaProducer Producer { get; }

    /// <summary>Produces messages and waits until all are acknowledged.</summary>
    /// <param name="timestampMs">0: now.</param>
    /// <param name="partition">By index of the message; null: the key's.</param>
    public async Task<KafkaError> ProduceAsync(
        IReadOnlyList<byte[]> messages, long timestampMs = 0, Func<int, string>? key = null, Func<int, int>? partition = null)
    {
        byte[][] pinned = [.. messages.Select(Pinned)];
        _delivery.Begin();
        for (int i = 0; i < pinned.Length; i++)
        {
            while (!Send(pinned[i], key is null ? [] : System.Text.Encoding.UTF8.GetBytes(key(i)), timestampMs, partition?.Invoke(i) ?? -1)) await Task.Delay(1);
        }
        await _delivery.SettleAsync(Producer, TimeProvider.System, default);
        GC.KeepAlive(pinned);
        return _delivery.Failure.Error;
    }

    public void Dispose()
    {
        Producer.Dispose();
        _delivery.Dispose();
    }

    private static byte[] Pinned(byte[] message)
    {
        if (message.Length == 0) return message;
        byte[] pinned = GC.AllocateUninitializedArray<byte>(message.Length, pinned: true);
        message.CopyTo(pinned, 0);
        return pinned;
    }

    private unsafe bool Send(byte[] message, byte[] key, long timestampMs, int partition)
    {
        var headers = new MessageHeaders(1);
        _delivery.Add();
        fixed (byte* value = message)
        {
            KafkaError refusal = Producer.Produce(_topic, value, message.Length, key, ref headers, _delivery, timestampMs, partition);
            if (refusal.IsNone) return true;
            _delivery.Withdraw();
            if (refusal.Code == ErrorCodes.QueueFull) return false;
            _delivery.Fail(refusal, "");
            return true;
        }
    }
}

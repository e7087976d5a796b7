using System.Buffers;
using Sheaf.Kafka;
using Sheaf.Kafka.Native;
using Sheaf.Segments;
using Sheaf.TestKit;

namespace Sheaf.Load;

/// <summary>What librdkafka alone costs in this process, through Sheaf's binding, and what its sink adds.</summary>
internal sealed class KafkaFloors(string brokers)
{
    private const int BatchMessages = 90; // about what a worker produces at once: 1 MiB of segments of 10 spans

    private SegmentBatch? _batch;

    /// <summary>Reads so many messages of a topic from its beginning, in batches, and drops them.</summary>
    public Task ConsumeAsync(string topic, int partitions, long messages) => Task.Run(() =>
    {
        var options = new KafkaConsumerOptions { Address = new KafkaAddress(brokers, [topic], "floor", []) };
        using var consumer = KafkaConsumer.Read(options, [.. Enumerable.Range(0, partitions).Select(p => new PartitionOffset(p, 0))]);
        using var batch = new KafkaMessageBatch(1000);
        for (long read = 0; read < messages; read += batch.Count) consumer.Poll(batch, TimeSpan.FromMilliseconds(100));
    });

    /// <summary>Produces the same bytes again and again.</summary>
    /// <param name="atOnce">
    /// All are handed over, and waited for at the end: the highest rate, but librdkafka 2.0 spins while as many requests are under way as may be. Otherwise as a worker does it: so many
    /// as a batch has, and each batch is acknowledged before the next.
    /// </param>
    public async Task ProduceAsync(string topic, long messages, int bytes, bool atOnce, FieldsBeside fields)
    {
        SegmentBatch batch = Batch(bytes);
        using KafkaProducer producer = KafkaProducer.Create(Options(topic).ToConfig(1 << 20));
        using var delivery = new KafkaDelivery();
        using MemoryHandle pinned = batch.Bytes.Pin();
        nint handle = producer.Topic(topic);
        delivery.Begin();
        for (int i = 0; i < messages; i++)
        {
            while (!TryProduce(producer, handle, delivery, batch, i % BatchMessages, fields)) await Task.Delay(1);
            if (atOnce || (i + 1) % BatchMessages != 0) continue;
            await delivery.SettleAsync(producer, TimeProvider.System, default);
            delivery.Begin();
        }
        await delivery.SettleAsync(producer, TimeProvider.System, default);
        if (!delivery.Failure.Error.IsNone) throw new InvalidOperationException($"produce: {delivery.Failure.Error.Text}");
    }

    /// <summary>The same, batch by batch, through the sink.</summary>
    public async Task SinkAsync(string topic, long messages, int bytes)
    {
        SegmentBatch batch = Batch(bytes);
        KafkaOutput output = KafkaOutput.Checked(Options(topic), 1 << 20, null, TimeProvider.System);
        await using KafkaSegmentSink sink = output.CreateClient();
        for (long i = 0; i < messages; i += BatchMessages) await sink.ProduceAsync(batch, default);
    }

    /// <summary>As many messages, in whole batches.</summary>
    public static long InBatches(long messages) => (messages + BatchMessages - 1) / BatchMessages * BatchMessages;

    private static unsafe bool TryProduce(
        KafkaProducer producer, nint topic, KafkaDelivery delivery, SegmentBatch batch, int index, FieldsBeside fields)
    {
        ref readonly SegmentMessage message = ref batch.Messages[index];
        MessageHeaders headers = HeadersOf(message, fields);
        delivery.Add();
        fixed (byte* value = batch.BodyOf(message))
        {
            KafkaError refusal = producer.Produce(topic, value, message.BodyLength, default, ref headers, delivery);
            if (refusal.IsNone) return true;
            delivery.Withdraw();
            return refusal.Code == ErrorCodes.QueueFull ? false : throw new InvalidOperationException($"produce: {refusal.Text}");
        }
    }

    private static MessageHeaders HeadersOf(in SegmentMessage message, FieldsBeside fields)
    {
        if (fields == FieldsBeside.None) return default;
        Span<byte> room = stackalloc byte[SegmentFields.MostBytes];
        Span<byte> text = room[..SegmentFields.WriteText(message, room)];
        var headers = new MessageHeaders(fields == FieldsBeside.OneHeader ? 1 : text.Count((byte)';') + 1);
        if (fields == FieldsBeside.OneHeader)
        {
            headers.Add(KafkaSegmentSink.HeaderName, text);
            return headers;
        }
        foreach (Range field in text.Split((byte)';'))
        {
            int equals = text[field].IndexOf((byte)'=');
            headers.Add(text[field][..equals], text[field][(equals + 1)..]);
        }
        return headers;
    }

    private KafkaOutputOptions Options(string topic) => new() { Address = new KafkaAddress(brokers, [topic], "", []) };

    private SegmentBatch Batch(int bytes)
    {
        const int Frame = 200; // about: flush id, what the writer adds to the span, and what the padding stands in
        return _batch ??= SegmentBatches.Numbered(0, BatchMessages, Math.Max(1, bytes - Frame));
    }
}

/// <summary>How the fields of a segment travel beside its message.</summary>
internal enum FieldsBeside
{
    None,

    /// <summary>As they do: <see cref="SegmentFields.WriteText"/>.</summary>
    OneHeader,

    /// <summary>A header for each, to compare.</summary>
    HeaderEach,
}

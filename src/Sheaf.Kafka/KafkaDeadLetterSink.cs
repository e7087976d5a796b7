using System.Buffers;
using System.Globalization;
using System.Text;
using Sheaf.Ingesting;
using Sheaf.Kafka.Native;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>
/// Dead letters as messages of a topic: the value is the message as it came; headers say reason, field, error, where it came from, and when. One
/// writer at a time; each letter is acknowledged before the next.
/// </summary>
public sealed class KafkaDeadLetterSink : IDeadLetterSink
{
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    private readonly KafkaAddress _address;
    private readonly KafkaProducer _producer;
    private readonly TimeProvider _time;
    private readonly nint _topic;
    private readonly KafkaDelivery _delivery = new();

    private KafkaDeadLetterSink(KafkaAddress address, KafkaProducer producer, TimeProvider time)
    {
        _address = address;
        _producer = producer;
        _time = time;
        _topic = producer.Topic(address.Topic);
    }

    /// <summary>Makes sure that the topic is there.</summary>
    /// <param name="options">Its first topic gets the letters; key and segment size do not matter here.</param>
    /// <exception cref="ConfigurationException">The topic is missing, a property is wrong, or librdkafka is missing.</exception>
    /// <exception cref="SinkException">No broker answered in time.</exception>
    public static async ValueTask<KafkaDeadLetterSink> OpenAsync(
        KafkaOutputOptions options, Action<KafkaLogLine>? log, TimeProvider time, CancellationToken cancel)
    {
        KafkaOutput output = await KafkaOutput.OpenAsync(options with { MaxSegmentBytes = 1 }, log, time, cancel);
        // A letter is waited for: lingering for company would only slow it down.
        KafkaConfig config = options.ToConfig(output.MaxMessageBytes).SetDefault("linger.ms", "0");
        return new KafkaDeadLetterSink(options.Address, KafkaProducer.Create(config, log), time);
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(DeadLetter letter, CancellationToken cancel)
    {
        using (letter.Message.Pin())
        {
            _delivery.Begin();
            bool handedOver;
            while (!(handedOver = TryHandOver(letter)) && !cancel.IsCancellationRequested)
                await Task.Delay(RoomPause, _time, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _delivery.SettleAsync(_producer, _time, cancel);
            if (!handedOver) cancel.ThrowIfCancellationRequested();
        }
        KafkaError error = _delivery.Failure.Error;
        if (!error.IsNone) cancel.ThrowIfCancellationRequested();
        if (!_producer.FatalError.IsNone) error = _producer.FatalError;
        if (!error.IsNone)
            throw new SinkException($"dead letters: {_address}: message {letter.SourceOffset} of {letter.Source}: {error.Text}. {error.WayOut(_address.Topic)}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Task.Run(_producer.Dispose); // it waits for librdkafka's threads
        _delivery.Dispose();
    }

    private unsafe bool TryHandOver(in DeadLetter letter)
    {
        ReadOnlySpan<byte> message = letter.Message.Span;
        var headers = new MessageHeaders(7);
        headers.Add("reason"u8, Encoding.UTF8.GetBytes(letter.Fault.Kind.Name()));
        headers.Add("field"u8, Encoding.UTF8.GetBytes(letter.Fault.Field.Name()));
        headers.Add("error"u8, Encoding.UTF8.GetBytes(letter.Fault.Describe(message)));
        headers.Add("source_topic"u8, Encoding.UTF8.GetBytes(letter.Source));
        headers.Add("source_partition"u8, letter.Shard.Value);
        headers.Add("source_offset"u8, letter.SourceOffset);
        headers.Add("time"u8, Encoding.UTF8.GetBytes(_time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)));
        _delivery.Add();
        byte none = 0;
        fixed (byte* bytes = message) // pinned by the caller, for longer than this
        {
            // An empty message is not an absent one.
            KafkaError refusal = _producer.Produce(_topic, bytes == null ? &none : bytes, message.Length, default, ref headers, _delivery);
            if (refusal.IsNone) return true;
            _delivery.Withdraw();
            if (refusal.Code == ErrorCodes.QueueFull) return false;
            _delivery.Fail(refusal, _address.Topic);
            return true;
        }
    }
}

using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Ingesting;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>
/// Dead letters as messages of a topic: the value is the message as it came; <see cref="DeadLetterHeaders"/> say reason, field, error, where it came from, and when. One writer at a time;
/// letters that are written together are handed over together, then all acknowledgements are awaited.
/// </summary>
/// <remarks>
/// A message that is larger than the topic takes would end every run that comes to it, so its letter has its beginning only, and a header that says how long it was; the log says where
/// the whole message is.
/// </remarks>
public sealed class KafkaDeadLetterSink : IDeadLetterSink
{
    // Where the brokers do not tell the topic's limit: what librdkafka allows by itself, a little less than the brokers' default.
    private const int UsualMaxMessageBytes = 1_000_000;

    // What the headers may need, the texts of a fault and the longest name of a topic among them.
    private const int SmallestMaxMessageBytes = 4096;

    // Of the batch around a message, and of each header but for its texts.
    private const int BatchBytes = 128;
    private const int HeaderBytes = 10;

    private readonly KafkaAddress _address;
    private readonly KafkaGroupSink _sink;
    private readonly int _maxMessageBytes;
    private readonly ILogger? _log;
    private readonly TimeProvider _time;

    private KafkaDeadLetterSink(KafkaAddress address, KafkaGroupSink sink, int maxMessageBytes, ILogger? log, TimeProvider time)
    {
        _address = address;
        _sink = sink;
        _maxMessageBytes = maxMessageBytes;
        _log = log;
        _time = time;
    }

    /// <summary>Makes sure that the topic is there.</summary>
    /// <param name="options">Its first topic gets the letters; key and segment size do not matter here.</param>
    /// <exception cref="ConfigurationException">The topic is missing or takes next to nothing, a property is wrong, or librdkafka is missing.</exception>
    /// <exception cref="SinkException">No broker answered in time.</exception>
    public static async ValueTask<KafkaDeadLetterSink> OpenAsync(
        KafkaOutputOptions options, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        KafkaTopic topic = await KafkaOutput.FindTopicAsync(options, log, time, cancel);
        int limit = topic.MaxMessageBytes ?? UsualMaxMessageBytes;
        KafkaConfig config = options.ToConfig(limit);
        limit = Math.Min(limit, config.MaxMessageBytes ?? limit);
        if (limit < SmallestMaxMessageBytes)
        {
            throw new ConfigurationException(
                $"{options.Name}: {options.Address}: topic {topic.Name} takes messages of at most {limit} bytes, and the headers of a dead letter may need {SmallestMaxMessageBytes}. "
                + "Raise max.message.bytes of the topic, best to that of the input and 1024 more");
        }
        var outages = new OutageWatch(
            $"{options.Name} {options.Address}", [topic.Name], "The input waits behind a message that cannot be used", isOutput: true, log ?? NullLogger.Instance, time);
        return new KafkaDeadLetterSink(options.Address, new KafkaGroupSink(KafkaProducer.Create(config, log, outages), topic.Name, time), limit, log, time);
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel)
    {
        KafkaError error = await _sink.ProduceAsync([.. letters.Select(letter => MessageOf(letter, _maxMessageBytes))], cancel);
        if (error.Kind == KafkaErrorKind.MessageTooLarge)
        {
            // The topic takes less than it said at the start, or it did not say. Which of them was too large is not known: some may come twice.
            foreach (DeadLetter letter in letters) await WriteCutAsync(letter, cancel);
        }
        else if (!error.IsNone)
        {
            throw Failure(letters[0], error);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _sink.DisposeAsync();

    /// <summary>Writes as much of a letter as the topic takes.</summary>
    private async ValueTask WriteCutAsync(DeadLetter letter, CancellationToken cancel)
    {
        for (int most = _maxMessageBytes; ; most /= 2)
        {
            KafkaError error = await _sink.ProduceAsync([MessageOf(letter, most)], cancel);
            if (error.IsNone) return;
            if (error.Kind != KafkaErrorKind.MessageTooLarge || most < SmallestMaxMessageBytes) throw Failure(letter, error);
        }
    }

    private OutgoingMessage MessageOf(in DeadLetter letter, int mostBytes)
    {
        List<KeyValuePair<string, string>> headers =
        [
            new(DeadLetterHeaders.Reason, letter.Fault.Kind.Name()),
            new(DeadLetterHeaders.Field, letter.Fault.Field.Name()),
            new(DeadLetterHeaders.Error, letter.Fault.Describe(letter.Message.Span)),
            new(DeadLetterHeaders.SourceTopic, letter.Source),
            new(DeadLetterHeaders.SourcePartition, letter.Shard.ToString()),
            new(DeadLetterHeaders.SourceOffset, letter.SourceOffset.ToString(CultureInfo.InvariantCulture)),
            new(DeadLetterHeaders.Time, _time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)),
        ];
        // Another header and a number with all its digits allowed for.
        int room = mostBytes - BatchBytes - headers.Sum(h => h.Key.Length + Encoding.UTF8.GetByteCount(h.Value) + HeaderBytes);
        if (letter.Message.Length <= room) return new OutgoingMessage(letter.Message, headers);
        int kept = Math.Max(0, room - DeadLetterHeaders.Truncated.Length - HeaderBytes - HeaderBytes);
        headers.Add(new(DeadLetterHeaders.Truncated, letter.Message.Length.ToString(CultureInfo.InvariantCulture)));
        if (_log is not null)
            KafkaLog.DeadLetterCut(_log, _address.Topic, mostBytes, letter.Message.Length, letter.SourceOffset, letter.Shard.ToString(), letter.Source, kept);
        return new OutgoingMessage(letter.Message[..kept], headers);
    }

    private SinkException Failure(in DeadLetter letter, KafkaError error) =>
        new($"dead letters: {_address}: message {letter.SourceOffset} of {letter.Source}, or one behind it: {error.Text}. {error.WayOut(_address.Topic)}");
}

namespace Sheaf.Kafka;

/// <summary>
/// A topic of which the brokers say that it is not there, although it was. While brokers restart that passes; where it lasts, somebody has deleted the topic. librdkafka tells it once: so after
/// <see cref="KafkaConsumerOptions.AbsencePatience"/> the brokers are asked. Owner: the polling thread; <see cref="Note"/> is for any.
/// </summary>
internal sealed class TopicAbsence(KafkaConsumerOptions options, KafkaConsumer consumer)
{
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);

    private long _since; // 0: it is there, as far as anybody has said
    private long _askedAt;
    private nint _topic;

    /// <summary>The brokers have said so.</summary>
    public void Note() => Interlocked.CompareExchange(ref _since, Math.Max(1, options.Time.GetTimestamp()), 0); // a clock may begin at 0

    /// <summary>That there is no such topic, once it has lasted; else no error. Asks the brokers now and then, which may take half a second.</summary>
    public KafkaError Judge()
    {
        long since = Volatile.Read(ref _since);
        if (since == 0 || options.Time.GetElapsedTime(since) < options.AbsencePatience) return default;
        if (_askedAt != 0 && options.Time.GetElapsedTime(_askedAt) < s_again) return default;
        _askedAt = options.Time.GetTimestamp();
        if (_topic == 0) _topic = consumer.Client.Topic(options.Address.Topic);
        KafkaError error = KafkaTopic.Ask(consumer.Client, _topic); // what librdkafka remembers is what it was told before
        if (error.Kind == KafkaErrorKind.UnknownTopic) return error;
        if (error.IsNone) Volatile.Write(ref _since, 0); // else no broker has answered: asked again
        return default;
    }
}

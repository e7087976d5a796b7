using System.Globalization;
using Sheaf.Kafka;

namespace Sheaf.DeadLetters;

/// <summary>The topics that letters go back to; each is opened when the first letter needs it. One caller.</summary>
/// <param name="chosen">The one topic that all go to; null: each to the topic that its letter names, on the brokers of the dead letters.</param>
/// <param name="open">Opens a topic by its address.</param>
internal sealed class RedriveTargets(KafkaAddress? chosen, KafkaAddress? letters, Func<KafkaAddress, CancellationToken, ValueTask<KafkaRedriveSink>> open) : IAsyncDisposable
{
    private readonly Dictionary<string, KafkaRedriveSink> _topics = new(StringComparer.Ordinal);

    /// <summary>Where a letter's message goes, and as what; null, and why, where it cannot go anywhere.</summary>
    /// <exception cref="SheafException">The topic cannot be opened.</exception>
    public async ValueTask<(KafkaRedriveSink? Topic, RedrivenMessage Message, string WhyNot)> FindAsync(KeptLetter letter, string from, CancellationToken cancel)
    {
        if (letter.TruncatedFrom is { } length)
            return (null, default, string.Create(CultureInfo.InvariantCulture, $"only the first {letter.Message.Length} of its {length} bytes are kept; the whole message is at {letter.SourceText}, if that is still there"));
        if (chosen is null && !KafkaAddress.IsTopicName(letter.Source)) return (null, default, "it names no topic that it came from; give one with --to");
        KafkaAddress address = chosen ?? letters! with { Topics = [letter.Source] };
        if (!_topics.TryGetValue(address.Topic, out KafkaRedriveSink? topic)) _topics.Add(address.Topic, topic = await open(address, cancel));

        // Into the partition that it came from: a trace's spans must stay together.
        var message = new RedrivenMessage(letter.Message, (letter.SourcePartition ?? 0) % topic.Partitions, from);
        if (topic.Takes(message)) return (topic, message, "");
        return (null, default, string.Create(CultureInfo.InvariantCulture, $"its {letter.Message.Length} bytes are more than topic {topic.Topic} takes ({topic.MaxMessageBytes}, max.message.bytes)"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (KafkaRedriveSink topic in _topics.Values) await topic.DisposeAsync();
    }
}

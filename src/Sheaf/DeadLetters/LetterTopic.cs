using System.Globalization;
using System.Text;
using Sheaf.Kafka;

namespace Sheaf.DeadLetters;

/// <summary>Dead letters as <see cref="KafkaDeadLetterSink"/> writes them.</summary>
internal sealed class LetterTopic(string name, KafkaTopicReader reader) : ILetterSource
{
    public string Name => name;

    public async ValueTask<IReadOnlyList<KeptLetter>> ReadAsync(CancellationToken cancel) => [.. (await reader.ReadAsync(cancel)).Select(Read)];

    /// <summary>Notes under the group's name that everything before these offsets is done.</summary>
    /// <exception cref="SinkException">The brokers did not take it.</exception>
    public async ValueTask CommitAsync(PartitionOffset[] offsets)
    {
        KafkaError error = await Task.Run(() => reader.Commit(offsets)); // it waits for the broker
        if (!error.IsNone)
        {
            throw new SinkException(
                $"redrive: the progress could not be noted under --group, so the next redrive sends again what this one has sent since it last could: {error.Text}. {error.WayOut(name)}");
        }
    }

    public ValueTask DisposeAsync()
    {
        reader.Dispose();
        return ValueTask.CompletedTask;
    }

    private static KeptLetter Read(TopicMessage message)
    {
        string time = TextOf(message, DeadLetterHeaders.Time);
        return new KeptLetter
        {
            Place = new LetterPlace(message.Partition, message.Offset),
            Time = DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset written) ? written
                : message.TimestampMs >= 0 ? DateTimeOffset.FromUnixTimeMilliseconds(message.TimestampMs) : null,
            Reason = TextOf(message, DeadLetterHeaders.Reason),
            Field = TextOf(message, DeadLetterHeaders.Field),
            Error = TextOf(message, DeadLetterHeaders.Error),
            Source = TextOf(message, DeadLetterHeaders.SourceTopic),
            SourcePartition = (int?)NumberOf(message, DeadLetterHeaders.SourcePartition, int.MaxValue),
            SourceOffset = NumberOf(message, DeadLetterHeaders.SourceOffset, long.MaxValue),
            TruncatedFrom = NumberOf(message, DeadLetterHeaders.Truncated, long.MaxValue),
            Message = message.Value,
        };
    }

    private static string TextOf(TopicMessage message, string header) => Encoding.UTF8.GetString(message.Headers.LastOrDefault(h => h.Key == header).Value ?? []);

    private static long? NumberOf(TopicMessage message, string header, long most) =>
        long.TryParse(TextOf(message, header), NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number <= most ? number : null;
}

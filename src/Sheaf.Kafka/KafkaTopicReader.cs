using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Sheaf.Kafka;

/// <summary>A message of a topic with bytes of its own.</summary>
/// <param name="TimestampMs">Milliseconds since 1970; -1 where it has none.</param>
public sealed record TopicMessage(int Partition, long Offset, long TimestampMs, byte[] Value, IReadOnlyList<KeyValuePair<string, byte[]>> Headers);

/// <summary>Which messages of a partition are read.</summary>
/// <param name="From">The first one.</param>
/// <param name="End">Behind the last one.</param>
public readonly record struct PartitionRange(int Partition, long From, long End);

/// <summary>
/// Reads a topic up to the end that it had at the start, as nobody's member: other consumers notice nothing, and what comes meanwhile is not read, so that whoever puts messages back
/// into the circle that they came from reads none of them again. One call at a time.
/// </summary>
public sealed class KafkaTopicReader : IDisposable
{
    private const int MessagesPerPoll = 50;
    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan BrokerTime = TimeSpan.FromSeconds(5);

    private readonly KafkaConsumer _consumer;
    private readonly KafkaMessageBatch _batch;
    private readonly Dictionary<int, long> _open; // partitions that are not read to their end, and those ends
    private readonly TimeSpan _patience;
    private readonly TimeProvider _time;

    private KafkaTopicReader(KafkaConsumer consumer, ImmutableArray<PartitionRange> ranges, TimeSpan patience, TimeProvider time)
    {
        _consumer = consumer;
        _batch = new KafkaMessageBatch(MessagesPerPoll);
        _open = ranges.Where(range => range.From < range.End).ToDictionary(range => range.Partition, range => range.End);
        _patience = patience;
        _time = time;
        Ranges = ranges;
    }

    /// <summary>What is read, by partition.</summary>
    public ImmutableArray<PartitionRange> Ranges { get; }

    /// <summary>Asks the brokers for the topic's partitions and their ends.</summary>
    /// <param name="options">Its group is the name under which the brokers allow to read, and under which <see cref="Commit"/> notes progress.</param>
    /// <param name="choose">Of a partition's first and next offset and the offset that the group has committed (or <see cref="PartitionOffset.None"/>) makes what is read of it.</param>
    /// <param name="patience">How long brokers may not answer.</param>
    /// <exception cref="ConfigurationException">There is no such topic, or no right to read it; a property is wrong; librdkafka is missing.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public static async ValueTask<KafkaTopicReader> OpenAsync(
        KafkaConsumerOptions options, Func<PartitionRange, long, PartitionRange> choose, TimeSpan patience, ILogger? log, TimeProvider time, CancellationToken cancel) =>
        await Task.Run(
            () =>
            {
                // librdkafka's waits block their thread.
                ImmutableArray<PartitionRange> ranges = [.. Ask(options, patience, log, time, cancel).Select(asked => choose(asked.All, asked.Committed))];
                PartitionOffset[] starts = [.. ranges.Where(range => range.From < range.End).Select(range => new PartitionOffset(range.Partition, range.From))];
                return new KafkaTopicReader(KafkaConsumer.Read(options, starts, log), ranges, patience, time);
            },
            cancel);

    /// <summary>The next messages, of any partitions, in order per partition; none at the end.</summary>
    /// <exception cref="SourceException">It cannot be read on.</exception>
    public async ValueTask<IReadOnlyList<TopicMessage>> ReadAsync(CancellationToken cancel)
    {
        long since = _time.GetTimestamp();
        while (_open.Count > 0)
        {
            cancel.ThrowIfCancellationRequested();
            int before = _open.Count;
            if (await Task.Run(Take, cancel) is { Count: > 0 } messages) return messages;
            if (_open.Count < before) since = _time.GetTimestamp();
            if (_time.GetElapsedTime(since) < _patience) continue;
            KafkaError last = _consumer.LastError;
            throw new SourceException(string.Create(CultureInfo.InvariantCulture,
                $"Kafka: {_consumer.Address}: nothing has come for {_patience.TotalSeconds} s, and {_open.Count} partitions are not read to their end{(last.IsNone ? "" : $". Last: {last.Text}. {last.WayOut(_consumer.Address.Topic)}")}"));
        }
        return [];
    }

    /// <summary>Notes progress under the group's name: offsets of the next message to read. Waits for the broker.</summary>
    public KafkaError Commit(ReadOnlySpan<PartitionOffset> offsets) => _consumer.Commit(offsets);

    public void Dispose()
    {
        _batch.Dispose();
        _consumer.Dispose();
    }

    private List<TopicMessage> Take()
    {
        var messages = new List<TopicMessage>();
        _consumer.Poll(_batch, PollTime);
        for (int i = 0; i < _batch.Count; i++)
        {
            KafkaMessage message = _batch[i];
            if (!_open.TryGetValue(message.Partition, out long end)) continue;
            if (message.Offset < end) messages.Add(new TopicMessage(message.Partition, message.Offset, message.TimestampMs, message.Value.ToArray(), message.ReadHeaders()));
            if (message.Offset >= end - 1) _open.Remove(message.Partition);
        }
        // The last offsets may be of messages that are no more, or of marks that nobody sees.
        foreach (PartitionOffset end in _batch.Ends) _open.Remove(end.Partition);
        _batch.Clear();
        return messages;
    }

    private static List<(PartitionRange All, long Committed)> Ask(KafkaConsumerOptions options, TimeSpan patience, ILogger? log, TimeProvider time, CancellationToken cancel)
    {
        using KafkaConsumer probe = KafkaConsumer.Read(options, [], log);
        long begun = time.GetTimestamp();
        if (KafkaTopic.CountPartitions(probe.Client, probe.Events, options.Address.Topic, patience, time, out KafkaError missing, cancel) is not { } partitions) throw Failure(options, missing, probe.LastError);
        var committed = new PartitionOffset[partitions];
        for (int p = 0; p < partitions; p++) committed[p] = new PartitionOffset(p, PartitionOffset.None);
        Retry(() => probe.Committed(committed, BrokerTime));
        var found = new List<(PartitionRange, long)>();
        for (int p = 0; p < partitions; p++)
        {
            long low = 0, high = 0;
            Retry(() => probe.QueryWatermarks(p, out low, out high, BrokerTime));
            found.Add((new PartitionRange(p, low, high), committed[p].Offset));
        }
        return found;

        void Retry(Func<KafkaError> ask)
        {
            while (ask() is { IsNone: false } error)
            {
                cancel.ThrowIfCancellationRequested();
                if (error.Kind != KafkaErrorKind.Retriable || time.GetElapsedTime(begun) >= patience) throw Failure(options, error, probe.LastError);
                cancel.WaitHandle.WaitOne(50);
            }
        }
    }

    private static SheafException Failure(KafkaConsumerOptions options, KafkaError error, KafkaError cause)
    {
        string message = $"Kafka: {options.Address}: {error.Text}. {error.WayOut(options.Address.Topic)}";
        if (error.Kind != KafkaErrorKind.Retriable) return new ConfigurationException(message);
        return new SourceException(cause.IsNone ? message : $"{message}. Last: {cause.Text}");
    }
}

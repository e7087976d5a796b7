using System.Text;
using Sheaf.Kafka;

namespace Sheaf.TestKit.Kafka;

/// <summary>A message as a consumer got it.</summary>
public sealed record ReceivedMessage(
    int Partition, long Offset, byte[]? Key, byte[] Value, IReadOnlyList<KeyValuePair<string, string>> Headers, long TimestampMs)
{
    public string Text => Encoding.UTF8.GetString(Value);

    /// <summary>Of a segment's message: the fields of its header, by name.</summary>
    public IReadOnlyDictionary<string, string> Fields() =>
        Headers.Single(h => h.Key == "sheaf").Value.Split(';').Select(f => f.Split('=')).ToDictionary(f => f[0], f => f[1]);
}

/// <summary>
/// A consumer for tests, that keeps what it gets: a group's member, which answers rebalances at once and begins at the committed offset or the beginning, or
/// a reader of a whole topic who is nobody's member and need not wait for a group. One thread.
/// </summary>
public sealed class TestMember : IDisposable
{
    private readonly KafkaMessageBatch _batch = new(500);

    /// <summary>Joins a group.</summary>
    public TestMember(string brokers, string topic, string group, params (string Name, string Value)[] properties)
        : this(KafkaConsumer.Join(Options(brokers, topic, group, properties)))
    {
    }

    private TestMember(KafkaConsumer consumer) => Consumer = consumer;

    /// <summary>Reads all partitions of a topic from their beginning, as nobody's member.</summary>
    public static TestMember Reader(string brokers, string topic, int partitions = 1, params (string Name, string Value)[] properties) =>
        new(KafkaConsumer.Read(Options(brokers, topic, $"reader-of-{topic}", properties), [.. Enumerable.Range(0, partitions).Select(p => new PartitionOffset(p, PartitionOffset.Beginning))]));

    public KafkaConsumer Consumer { get; }

    public List<KafkaRebalance> Rebalances { get; } = [];

    public SortedSet<int> Partitions { get; } = [];

    /// <summary>Partitions whose end was seen.</summary>
    public SortedSet<int> Ends { get; } = [];

    public List<ReceivedMessage> Messages { get; } = [];

    /// <summary>Done before partitions are let go.</summary>
    public Action<KafkaRebalance>? Leaving { get; set; }

    /// <summary>One poll.</summary>
    public PollOutcome Step(int timeoutMs = 20)
    {
        PollOutcome outcome = Consumer.Poll(_batch, TimeSpan.FromMilliseconds(timeoutMs));
        Keep();
        foreach (PartitionOffset end in _batch.Ends) Ends.Add(end.Partition);
        _batch.Clear();
        if (Consumer.PendingRebalance is { } rebalance) Answer(rebalance);
        return outcome;
    }

    /// <summary>Polls until there are so many messages.</summary>
    public async Task<IReadOnlyList<ReceivedMessage>> ReadAsync(int count)
    {
        await Eventually.TrueAsync(() => Messages.Count >= count, $"{count} messages of {Consumer.Address}", () => Step());
        return Messages;
    }

    /// <summary>Reads a topic to its end, as it is now.</summary>
    public static async Task<IReadOnlyList<ReceivedMessage>> ReadToEndAsync(
        string brokers, string topic, int partitions = 1, params (string Name, string Value)[] properties)
    {
        using TestMember reader = Reader(brokers, topic, partitions, properties);
        await Eventually.TrueAsync(() => reader.Ends.Count == partitions, $"the end of {topic}", () => reader.Step());
        return reader.Messages;
    }

    /// <summary>Leaves the group in good order.</summary>
    public async Task CloseAsync()
    {
        Assert(Consumer.BeginClose());
        bool closed = false;
        await Eventually.TrueAsync(() => closed, "the end of the consumer", () => closed = Step() == PollOutcome.Closed);
    }

    public void Dispose()
    {
        _batch.Dispose();
        Consumer.Dispose();
    }

    private static KafkaConsumerOptions Options(string brokers, string topic, string group, (string Name, string Value)[] properties)
    {
        var config = new KafkaConfig().Set("auto.offset.reset", "earliest").Set("fetch.wait.max.ms", "50");
        foreach ((string name, string value) in properties) config.Set(name, value);
        return new KafkaConsumerOptions { Address = new KafkaAddress(brokers, [topic], group, []), Config = config };
    }

    private static void Assert(KafkaError error) => Xunit.Assert.Equal("no error", error.ToString());

    private void Answer(KafkaRebalance rebalance)
    {
        Rebalances.Add(rebalance);
        if (rebalance.Kind == RebalanceKind.Assigned)
        {
            Partitions.UnionWith(rebalance.Partitions);
            Consumer.Assign([.. rebalance.Partitions.Select(p => new PartitionOffset(p, PartitionOffset.Committed))]);
            return;
        }
        Leaving?.Invoke(rebalance);
        Partitions.ExceptWith(rebalance.Partitions);
        Consumer.Unassign();
    }

    private void Keep()
    {
        for (int i = 0; i < _batch.Count; i++) Messages.Add(Read(_batch[i]));
    }

    private static ReceivedMessage Read(KafkaMessage message) => new(
        message.Partition, message.Offset, message.HasKey ? message.Key.ToArray() : null, message.Value.ToArray(),
        [.. message.ReadHeaders().Select(h => KeyValuePair.Create(h.Key, Encoding.UTF8.GetString(h.Value)))], message.TimestampMs);
}

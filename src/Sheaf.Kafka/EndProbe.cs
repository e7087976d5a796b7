using System.Collections.Concurrent;

namespace Sheaf.Kafka;

/// <summary>
/// Asks the brokers, beside the poll, where partitions end. A fetch that brings nothing is not heard of, and neither is one that never comes back: so this is how a consumer that has read
/// everything knows that there is still nothing more, and not only that nothing has come. Each broker is asked by itself for the partitions that it leads, one question at a time: one that
/// is away leaves the others' answers alone. One thread asks and takes.
/// </summary>
internal sealed class EndProbe(KafkaConsumer consumer, TimeProvider time)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_leadersHold = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_leadersPause = TimeSpan.FromMilliseconds(250);

    private readonly nint _topic = consumer.Client.Topic(consumer.Address.Topic);
    private readonly ConcurrentQueue<EndAnswer> _answers = [];
    private readonly ConcurrentDictionary<int, bool> _asked = []; // brokers that have not answered yet
    private volatile Leaders _leaders = new([], AskedAt: 0);
    private volatile bool _leadersMayBeOld = true;
    private volatile bool _isAskingLeaders;

    /// <summary>Who leads which partition.</summary>
    private sealed record Leaders(int[] ByPartition, long AskedAt);

    /// <summary>An answer that was not taken yet, if there is one.</summary>
    public bool TryTakeAnswer(out EndAnswer answer) => _answers.TryDequeue(out answer!);

    /// <summary>Asks the brokers of these partitions, but for those from which an answer is awaited. Does not wait.</summary>
    public void Ask(IReadOnlyCollection<int> partitions)
    {
        if (partitions.Count == 0) return;
        Leaders leaders = _leaders;
        TimeSpan age = time.GetElapsedTime(leaders.AskedAt);
        if (!_isAskingLeaders && (age >= s_leadersHold || (_leadersMayBeOld && (leaders.ByPartition.Length == 0 || age >= s_leadersPause))))
        {
            _isAskingLeaders = true;
            InBackground(AskLeaders);
        }
        foreach (IGrouping<int, int> led in partitions.GroupBy(LeaderOf))
        {
            if (led.Key == KafkaTopic.NoLeader) _leadersMayBeOld = true;
            else if (_asked.TryAdd(led.Key, true)) InBackground(() => AskEnds(led.Key, [.. led]));
        }

        int LeaderOf(int partition) => partition < leaders.ByPartition.Length ? leaders.ByPartition[partition] : KafkaTopic.NoLeader;
    }

    private void AskLeaders()
    {
        long askedAt = time.GetTimestamp();
        _leadersMayBeOld = false;
        if (KafkaTopic.AskLeaders(consumer.Client, _topic, out int[] leaders).IsNone) _leaders = new Leaders(leaders, askedAt);
        else _leadersMayBeOld = true;
        _isAskingLeaders = false;
    }

    private void AskEnds(int broker, int[] partitions)
    {
        long askedAt = time.GetTimestamp();
        if (consumer.QueryEnds(partitions, s_patience, out PartitionOffset[] ends).IsNone) _answers.Enqueue(new EndAnswer(askedAt, ends));
        else _leadersMayBeOld = true;
        _asked.TryRemove(broker, out _);
    }

    // librdkafka's waits block their thread, for as long as a broker is away.
    private static void InBackground(Action question) => _ = Task.Factory.StartNew(
        () =>
        {
            try
            {
                question();
            }
            catch (ObjectDisposedException)
            {
                // The consumer has ended meanwhile, and nothing asks any more.
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}

/// <summary>Where partitions of one broker ended.</summary>
/// <param name="AskedAt">A timestamp: they ended no earlier than there, then.</param>
internal sealed record EndAnswer(long AskedAt, PartitionOffset[] Ends);

namespace Sheaf.Kafka;

/// <summary>
/// Asks the brokers, beside the poll, where partitions end. A fetch that brings nothing is not heard of, and neither is one that never comes back: so this is how a consumer that has read
/// everything knows that there is still nothing more, and not only that nothing has come. One question at a time; asked and taken by one thread.
/// </summary>
internal sealed class EndProbe(KafkaConsumer consumer, TimeProvider time)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private volatile EndAnswer? _answer;
    private volatile bool _isAsking;

    /// <summary>What has come of the last question, once; null while there is no answer.</summary>
    public EndAnswer? TakeAnswer()
    {
        EndAnswer? answer = _answer;
        if (answer is not null) _answer = null;
        return answer;
    }

    /// <summary>Asks, unless it is still waiting for an answer. Does not wait.</summary>
    public void Ask(int[] partitions)
    {
        if (_isAsking || partitions.Length == 0) return;
        _isAsking = true;
        // librdkafka's wait blocks its thread, for as long as a broker is away.
        _ = Task.Factory.StartNew(() => AskAndWait(partitions), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void AskAndWait(int[] partitions)
    {
        try
        {
            long askedAt = time.GetTimestamp();
            if (consumer.QueryEnds(partitions, s_patience, out PartitionOffset[] ends).IsNone) _answer = new EndAnswer(askedAt, ends);
        }
        catch (ObjectDisposedException)
        {
            // The consumer has ended meanwhile, and nobody wants to know any more.
        }
        finally
        {
            _isAsking = false;
        }
    }
}

/// <summary>Where partitions ended.</summary>
/// <param name="AskedAt">A timestamp: they did not end before that any more than there.</param>
internal sealed record EndAnswer(long AskedAt, PartitionOffset[] Ends);

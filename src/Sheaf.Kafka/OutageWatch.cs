using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// Says why nothing goes on: once when it begins or has another cause, and once when it is over. While something seems wrong it asks the brokers for the topics, once
/// a second, on a thread of its own. Shared by the clients of one place. Any thread.
/// </summary>
/// <param name="place">Input or output, with its address.</param>
/// <param name="topics">The topics there.</param>
/// <param name="waiting">What waits meanwhile.</param>
/// <param name="isOutput">Whether messages are produced: then enough replicas must be in sync.</param>
internal sealed class OutageWatch(string place, IReadOnlyList<string> topics, string waiting, bool isOutput, ILogger log, TimeProvider time)
{
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly Lock _turn = new();
    private bool _isAsking;
    private volatile string? _told; // the way out of what was told and is not over
    private long _askedAt;
    private long _since;

    /// <summary>Nothing has come for so long although something should have: reason to ask.</summary>
    public static TimeSpan Suspicious { get; } = TimeSpan.FromSeconds(1);

    /// <summary>To be called again and again, where the client is polled. Does not wait.</summary>
    /// <param name="seemsWrong">A connection has failed, or nothing has come for a while.</param>
    public void Look(ClientHandle client, ClientEvents events, bool seemsWrong)
    {
        if (!seemsWrong && _told is null) return;
        lock (_turn)
        {
            if (_isAsking || (_askedAt != 0 && time.GetElapsedTime(_askedAt) < s_again)) return;
            _isAsking = true;
            _askedAt = time.GetTimestamp();
            if (_told is null) _since = _askedAt;
        }
        // librdkafka's waits block their thread.
        _ = Task.Factory.StartNew(() => Ask(client, events), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void Ask(ClientHandle client, ClientEvents events)
    {
        bool held = false;
        try
        {
            client.DangerousAddRef(ref held); // or the client could be destroyed while topics and queues are still to be given back
            (string Cause, string WayOut)? found = FindCause(client, events);
            if (found is { } cause && cause.WayOut != _told)
            {
                string since = (time.GetUtcNow() - time.GetElapsedTime(_since)).ToString("HH:mm:ss'Z'", CultureInfo.InvariantCulture);
                KafkaLog.Away(log, place, cause.Cause, since, waiting, cause.WayOut);
            }
            else if (found is null && _told is not null)
            {
                KafkaLog.Back(log, place, Math.Round(time.GetElapsedTime(_since).TotalSeconds, 1));
            }
            _told = found?.WayOut;
        }
        catch (ObjectDisposedException)
        {
            // The client has ended meanwhile.
        }
        finally
        {
            if (held) client.DangerousRelease();
            lock (_turn) _isAsking = false;
        }
    }

    /// <summary>Why nothing goes on, and what to do; null where the brokers answer and the topics are fine.</summary>
    private (string Cause, string WayOut)? FindCause(ClientHandle client, ClientEvents events)
    {
        foreach (string topic in topics)
        {
            KafkaError error = KafkaTopic.AskHealth(client, topic, out TopicHealth health);
            if (error.Code is ErrorCodes.Transport or ErrorCodes.Resolve or ErrorCodes.AllBrokersDown or ErrorCodes.TimedOut)
            {
                string last = events.LastError.IsNone ? "" : $" (last: {events.LastError.Text})";
                return ($"no broker answers{last}", "Check that the brokers run and can be reached from here");
            }
            if (!error.IsNone) continue; // no topic, no right: that ends the run elsewhere
            if (health.WithoutLeader > 0)
            {
                return ($"{health.WithoutLeader} of {health.Partitions} partitions of topic {topic} have no leader",
                    "Start the brokers that hold them");
            }
            if (!isOutput || health.FewestInSync is not { } inSync) continue;
            string? needed = KafkaTopic.ReadProperty(client, topic, "min.insync.replicas", s_patience, time, CancellationToken.None);
            if (int.TryParse(needed, NumberStyles.None, CultureInfo.InvariantCulture, out int least) && inSync < least)
            {
                return ($"topic {topic} has a partition with {inSync} in-sync {(inSync == 1 ? "replica" : "replicas")}, and its min.insync.replicas is {least}",
                    "Start the brokers that are missing, or lower min.insync.replicas of the topic");
            }
        }
        return null;
    }
}

/// <summary>How a topic's partitions are.</summary>
/// <param name="WithoutLeader">Partitions that nothing can be read from or produced to.</param>
/// <param name="FewestInSync">The smallest number of in-sync replicas of a partition; null where there is no partition.</param>
internal readonly record struct TopicHealth(int Partitions, int WithoutLeader, int? FewestInSync);

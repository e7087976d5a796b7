using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// A consumer group that has no members: of such a one an outsider may commit offsets, and of no other. One call at a time.
/// </summary>
/// <param name="patience">How long brokers may not answer, and members may still be there: one that was killed counts until its session times out.</param>
public sealed class EmptyGroup(KafkaInput input, TimeSpan patience, ILogger log, TimeProvider time)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan BrokerTime = TimeSpan.FromSeconds(5);

    /// <summary>Commits again what is committed, which changes nothing and succeeds only where there are no members.</summary>
    /// <exception cref="ConfigurationException">There are members, or no right to commit.</exception>
    /// <exception cref="SourceException">No broker answered in time.</exception>
    public ValueTask EnsureAsync(CancellationToken cancel) => InTimeAsync(
        consumer =>
        {
            PartitionOffset[] offsets = [.. Enumerable.Range(0, input.Partitions).Select(p => new PartitionOffset(p, PartitionOffset.None))];
            KafkaError error = consumer.Committed(offsets, BrokerTime);
            return error.IsNone ? consumer.Commit([.. offsets.Where(offset => offset.Offset >= 0)]) : error;
        },
        cancel);

    /// <summary>
    /// Commits offsets, of the next message to read. Where one is of a topic that was deleted and made anew, the beginning of the new topic instead.
    /// </summary>
    /// <inheritdoc cref="EnsureAsync" path="/exception"/>
    public ValueTask CommitAsync(ImmutableArray<PartitionOffset> offsets, CancellationToken cancel) => InTimeAsync(
        consumer =>
        {
            PartitionOffset[] committed = [.. Enumerable.Range(0, input.Partitions).Select(p => new PartitionOffset(p, PartitionOffset.None))];
            KafkaError error = consumer.Committed(committed, BrokerTime);
            if (!error.IsNone) return error;
            GroupNote note = GroupNote.Of(committed, input.TopicId, input.Partitions);
            PartitionOffset[] now = new PartitionOffset[offsets.Length];
            for (int i = 0; i < now.Length; i++)
            {
                PartitionOffset before = committed[offsets[i].Partition];
                error = consumer.QueryWatermarks(before.Partition, out long low, out long high, BrokerTime);
                if (!error.IsNone) return error;
                bool isOfAnother = before.Offset < 0 || offsets[i].Offset > high || (GroupNote.Parse(before.Metadata) is { } old && old.IsOfAnother(input.TopicId));
                now[i] = new PartitionOffset(before.Partition, isOfAnother ? low : offsets[i].Offset, note.ToString());
            }
            return consumer.Commit(now);
        },
        cancel);

    private async ValueTask InTimeAsync(Func<KafkaConsumer, KafkaError> attempt, CancellationToken cancel)
    {
        using KafkaConsumer consumer = KafkaConsumer.Read(input.Options, [], log);
        long begun = time.GetTimestamp();
        bool hasTold = false;
        while (await Task.Run(() => attempt(consumer), cancel) is { IsNone: false } error) // librdkafka's waits block their thread
        {
            bool hasMembers = error.Code is ErrorCodes.UnknownMember or ErrorCodes.IllegalGeneration or ErrorCodes.RebalanceInProgress;
            if (error.Kind == KafkaErrorKind.Retriable && time.GetElapsedTime(begun) < patience)
            {
                if (hasMembers && !hasTold) KafkaLog.HasMembers(log, input.Options.Address.Group);
                hasTold |= hasMembers;
                await Task.Delay(RetryPause, time, cancel);
                continue;
            }
            KafkaAddress address = input.Options.Address;
            if (hasMembers)
            {
                throw new ConfigurationException(string.Create(CultureInfo.InvariantCulture,
                    $"--drain: group {address.Group} still has members after {patience.TotalSeconds} s. Stop all its instances first; one that was killed counts until its session.timeout.ms is over"));
            }
            string message = $"--drain: group {address.Group}: {error.Text}. {error.WayOut(address.Topic)}";
            throw error.Kind == KafkaErrorKind.Retriable ? new SourceException(message) : new ConfigurationException(message);
        }
    }
}

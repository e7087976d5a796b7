using System.Text;
using Microsoft.Extensions.Logging;
using Sheaf.Buffering;

namespace Sheaf.Kafka.Progress;

/// <summary>Reads from the progress topic what belongs to partitions of the input.</summary>
internal sealed class ProgressReader(KafkaProgressOptions options, int topicPartitions, ILogger? log, TimeProvider time)
{
    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<int, ProgressHead> _heads = [];
    private readonly Dictionary<(int Partition, long Chunk), (long Epoch, byte[] Bits)> _chunks = [];

    /// <summary>
    /// Reads until the head of each partition is as new as its mark says, or the time-out is over. Blocks.
    /// </summary>
    public void Read(IReadOnlyDictionary<int, ProgressMark> marks, CancellationToken cancel)
    {
        int[] where = [.. marks.Keys.Select(partition => partition % topicPartitions).Distinct()];
        KafkaConsumerOptions consumer = options.Input with { Address = options.Input.Address with { Topics = [options.Topic] }, GroupInstanceId = "" };
        using KafkaConsumer reader = KafkaConsumer.Read(consumer, [.. where.Select(partition => new PartitionOffset(partition, PartitionOffset.Beginning))], log);
        using var batch = new KafkaMessageBatch(500);
        var ends = new HashSet<int>();
        long start = time.GetTimestamp();
        while (time.GetElapsedTime(start) < options.ReadTimeout)
        {
            cancel.ThrowIfCancellationRequested();
            reader.Poll(batch, PollTime);
            for (int i = 0; i < batch.Count; i++) Take(batch[i]);
            foreach (PartitionOffset end in batch.Ends) ends.Add(end.Partition);
            if (ends.Count == where.Length && marks.All(mark => IsRead(mark.Key, mark.Value))) return;
        }
    }

    /// <summary>What is kept for a partition; null where it is not what the mark says.</summary>
    public (ProgressHead Head, SettledOffsets Settled)? Find(int partition, ProgressMark mark) =>
        IsRead(partition, mark) && _heads[partition] is var head
            ? (head, new SettledOffsets(_chunks.Where(c => c.Key.Partition == partition && c.Value.Epoch == head.Epoch)
                .Select(c => new KeyValuePair<long, ReadOnlyMemory<byte>>(c.Key.Chunk, c.Value.Bits))))
            : null;

    private bool IsRead(int partition, ProgressMark mark) => _heads.TryGetValue(partition, out ProgressHead? head) && head.Epoch == mark.Epoch && head.Sequence >= mark.Sequence;

    private void Take(KafkaMessage message)
    {
        if (!ProgressRecords.TryReadKey(message.Key, options.Input.Address, out int partition, out long? chunk)) return;
        if (chunk is null)
        {
            if (ProgressRecords.ReadHead(message.Value) is { } head) _heads[partition] = head;
            return;
        }
        if (!message.HasValue) _chunks.Remove((partition, chunk.Value));
        else if (EpochOf(message) is { } epoch && message.Value.Length <= SettledOffsets.ChunkBytes) _chunks[(partition, chunk.Value)] = (epoch, message.Value.ToArray());
    }

    private static long? EpochOf(KafkaMessage message)
    {
        foreach ((string name, byte[] value) in message.ReadHeaders())
            if (name.AsSpan().SequenceEqual(Encoding.UTF8.GetString(ProgressRecords.EpochHeader)) && long.TryParse(value, out long epoch)) return epoch;
        return null;
    }
}

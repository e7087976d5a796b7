using System.Runtime.InteropServices;
using Sheaf.Ingesting;
using Sheaf.Kafka.Native;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>
/// Messages as librdkafka holds them: read in place, copied once into blocks, then given back. Nothing is allocated per message. Owner: the thread
/// that polls. It must be emptied before its consumer is disposed.
/// </summary>
public sealed unsafe class KafkaMessageBatch(int capacity) : IDisposable
{
    /// <summary>Bytes after which a block is full. A single message may be larger.</summary>
    public const int MaxBlockBytes = 16 << 20;

    private readonly List<PartitionOffset> _ends = [];
    private NativeMessage** _messages = (NativeMessage**)NativeMemory.Alloc((nuint)capacity, (nuint)sizeof(NativeMessage*));
    private int _count;
    private int _next; // messages before it are given back

    /// <summary>Most messages of one poll.</summary>
    public int Capacity { get; } = capacity > 0 ? capacity : throw new ArgumentOutOfRangeException(nameof(capacity));

    /// <summary>Messages that were not moved yet.</summary>
    public int Count => _count - _next;

    /// <summary>Partitions that are read to their end, as of these messages, and where that is: the broker had no more when they were fetched.</summary>
    public ReadOnlySpan<PartitionOffset> Ends => CollectionsMarshal.AsSpan(_ends);

    internal NativeMessage** Room => _messages;

    /// <summary>
    /// Copies messages of one partition, in order, into the block and gives them back: all that the batch has of it, or as many as fill a block. The
    /// block's shard is the partition. False, and the block untouched, when the batch is empty.
    /// </summary>
    public bool MoveNext(InputBlock into)
    {
        if (_next == _count) return false;
        int partition = _messages[_next]->Partition;
        int filled = 0;
        into.Reset(new ShardId(partition));
        int stop = EndOfBlock(partition);
        for (int i = _next; i < stop; i++)
        {
            NativeMessage* message = _messages[i];
            if (message->Partition != partition) continue;
            int length = (int)message->Length;
            if (filled + length > into.Buffer.Length) into.Grow(Math.Max(filled + length, 2 * into.Buffer.Length), filled);
            message->Value.CopyTo(into.Buffer.Span[filled..]);
            int type;
            long timestamp = LibRdKafka.rd_kafka_message_timestamp(message, &type);
            into.Add(new InputMessage(filled, length, message->Offset, timestamp < 0 ? InputMessage.NoTimestamp : timestamp)); // -1: it has none
            filled += length;
            LibRdKafka.rd_kafka_message_destroy(message);
            _messages[i] = null;
        }
        // Messages of other partitions move up to those that are left, in order.
        for (int i = stop - 1; i >= _next; i--)
            if (_messages[i] != null) _messages[--stop] = _messages[i];
        _next = stop;
        return true;
    }

    /// <summary>A message that was not moved, to be read where it is. Valid until the batch is filled, moved from or cleared.</summary>
    public KafkaMessage this[int index] => (uint)index < (uint)Count ? new KafkaMessage(_messages[_next + index]) : throw new ArgumentOutOfRangeException(nameof(index));

    /// <summary>Gives back every message and forgets the ends.</summary>
    public void Clear()
    {
        for (; _next < _count; _next++) LibRdKafka.rd_kafka_message_destroy(_messages[_next]);
        (_next, _count) = (0, 0);
        _ends.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_messages == null) return;
        Clear();
        NativeMemory.Free(_messages);
        _messages = null;
    }

    /// <summary>Takes over what a poll has put into <see cref="Room"/>; partitions' ends are noted, errors handed on, neither stays in the batch.</summary>
    internal KafkaError Accept(int count, ClientEvents events)
    {
        KafkaError refusal = default;
        for (int i = 0; i < count; i++)
        {
            NativeMessage* message = _messages[i];
            if (message->Error == ErrorCodes.None)
            {
                _messages[_count++] = message;
                continue;
            }
            if (message->Error == ErrorCodes.PartitionEnd)
            {
                int partition = message->Partition;
                _ends.RemoveAll(end => end.Partition == partition);
                _ends.Add(new PartitionOffset(partition, message->Offset));
            }
            else
            {
                var error = new KafkaError(message->Error, System.Text.Encoding.UTF8.GetString(message->Value));
                events.Tell(error);
                if (KafkaConsumer.NeedsAPerson(error.Kind) && (refusal.IsNone || refusal.Kind == KafkaErrorKind.UnknownTopic)) refusal = error; // which may pass
            }
            LibRdKafka.rd_kafka_message_destroy(message);
        }
        return refusal;
    }

    /// <summary>Index behind the last message that still fits into a block; at least the first one does.</summary>
    private int EndOfBlock(int partition)
    {
        long bytes = 0;
        for (int i = _next; i < _count; i++)
        {
            if (_messages[i]->Partition != partition) continue;
            bytes += (long)_messages[i]->Length;
            if (bytes > MaxBlockBytes && i > _next) return i;
        }
        return _count;
    }
}

using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>Where messages come from. One reader at a time.</summary>
public interface ISpanSource : IAsyncDisposable
{
    /// <summary>What to call it in messages to people: a path, a topic.</summary>
    string Name { get; }

    /// <summary>What the input looks like, and what to do about it, should none of its messages be of use; null where nothing is known. After a read.</summary>
    string? LooksLike => null;

    /// <summary>Reads the next messages into <paramref name="into"/>, whose earlier content is gone. False, and nothing read, at the end of the input.</summary>
    /// <exception cref="SourceException">The input cannot be read on; what it is and where is in the message.</exception>
    ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel);
}

/// <summary>A message in an input block.</summary>
/// <param name="Start">Where its bytes begin in the block.</param>
/// <param name="SourceOffset">Kafka offset, or line number in a file (from 1).</param>
/// <param name="TimestampMs">The broker's timestamp, or <see cref="NoTimestamp"/> where the span's <c>received</c> is the time.</param>
public readonly record struct InputMessage(int Start, int Length, long SourceOffset, long TimestampMs)
{
    /// <summary>The source has no timestamps of its own.</summary>
    public const long NoTimestamp = long.MinValue;
}

/// <summary>Messages read in one go, with their bytes. Owner: one ingest loop at a time; used again for the next read.</summary>
public sealed class InputBlock
{
    private List<InputMessage> _messages = [];
    private byte[] _bytes;

    /// <param name="capacity">Bytes to begin with; it grows where a single message needs it.</param>
    public InputBlock(int capacity) => _bytes = GC.AllocateUninitializedArray<byte>(capacity, pinned: true);

    /// <summary>The whole buffer; messages say which parts of it are theirs.</summary>
    public Memory<byte> Buffer => _bytes;

    public ReadOnlySpan<InputMessage> Messages => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_messages);

    /// <summary>The shard of all its messages, or null where each span's trace id decides.</summary>
    public ShardId? Shard { get; private set; }

    public ReadOnlySpan<byte> BytesOf(in InputMessage message) => _bytes.AsSpan(message.Start, message.Length);

    /// <summary>
    /// The assignment of its shard under which it was read (<see cref="Flushing.ShardCells.Assignment"/>). Under another one it is not taken in: whoever has the shard then
    /// reads its messages again.
    /// </summary>
    public long Assignment { get; set; }

    /// <summary>Empties the block. For sources.</summary>
    public void Reset(ShardId? shard)
    {
        _messages.Clear();
        Shard = shard;
        Assignment = 0;
    }

    /// <summary>Exchanges all content with another block, so that nothing is copied. For sources.</summary>
    public void Exchange(InputBlock other)
    {
        (_bytes, other._bytes) = (other._bytes, _bytes);
        (_messages, other._messages) = (other._messages, _messages);
        (Shard, other.Shard) = (other.Shard, Shard);
        (Assignment, other.Assignment) = (other.Assignment, Assignment);
    }

    /// <summary>Adds a message whose bytes are in <see cref="Buffer"/>. For sources.</summary>
    public void Add(in InputMessage message) => _messages.Add(message);

    /// <summary>Makes <see cref="Buffer"/> at least this large, keeping its first <paramref name="keep"/> bytes. For sources.</summary>
    public void Grow(int capacity, int keep)
    {
        if (_bytes.Length >= capacity) return;
        byte[] larger = GC.AllocateUninitializedArray<byte>(capacity, pinned: true);
        _bytes.AsSpan(0, keep).CopyTo(larger);
        _bytes = larger;
    }
}

using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>
/// Who has the shards that a group deals to this process: the run, as its source sees it. For one shard one call after the other, in the order in which they stand here.
/// </summary>
public interface IShardOwner
{
    /// <summary>The shard comes. What the buffer has stored of its input; null where it does not know, and the group's committed offset holds.</summary>
    /// <exception cref="BufferUnavailableException">It cannot be asked: try again.</exception>
    /// <exception cref="ConfigurationException">The buffer holds something else under the shard's name.</exception>
    ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel);

    /// <summary>
    /// The buffer knows nothing of the shard, and the group has read it up to here: what waited in a buffer that outlives its process is gone. Comes between <see cref="TakeAsync"/> and
    /// <see cref="BeginAsync"/>.
    /// </summary>
    /// <param name="offset">Of the first message that was not read.</param>
    void MissWhatWasRead(ShardId shard, long offset);

    /// <summary>From now on the blocks of this assignment are taken in.</summary>
    /// <param name="stored">The blocks begin behind it.</param>
    /// <param name="settled">Messages behind it that are passed over: they have left already.</param>
    /// <exception cref="BufferUnavailableException">It cannot be told: try again.</exception>
    ValueTask BeginAsync(ShardId shard, long assignment, StoredPosition stored, SettledOffsets settled, CancellationToken cancel);

    /// <summary>
    /// For so long nothing has come of a shard that was read to its end, what may be on its way allowed for: its clock goes on by so much from where its last message has left it. May be
    /// told at any time, from the thread that reads; it counts where the shard is here under this assignment and all that was read is stored.
    /// </summary>
    /// <param name="readThrough">The offset of the last message that was read.</param>
    /// <param name="nowMs">The time of the day, what may be on its way allowed for.</param>
    void BeIdle(ShardId shard, long assignment, long readThrough, long idleMs, long nowMs);

    /// <summary>The offset of the first message that has to be read again should the process end now: what may be committed.</summary>
    long ReadOnFrom(ShardId shard);

    /// <summary>The shard goes: returns when what is claimed of it is finished, and nothing here touches it any more.</summary>
    ValueTask ReleaseAsync(ShardId shard, CancellationToken cancel);

    /// <summary>The shard is gone, and its offsets are committed; where it was lost, somebody else had it before this process knew.</summary>
    void Forget(ShardId shard, bool wasLost);
}

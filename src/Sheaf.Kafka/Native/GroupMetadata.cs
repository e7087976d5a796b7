using System.Runtime.InteropServices;

namespace Sheaf.Kafka.Native;

/// <summary>
/// A consumer group as one of its members knew it at one moment (<c>rd_kafka_consumer_group_metadata_t</c>): brokers take offsets with it only from who is still a member of that
/// generation. Any thread.
/// </summary>
internal sealed class GroupMetadata : SafeHandle
{
    private GroupMetadata(nint metadata)
        : base(0, ownsHandle: true) => SetHandle(metadata);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <exception cref="InvalidOperationException">The consumer has no group.</exception>
    public static GroupMetadata Of(ClientHandle consumer) =>
        LibRdKafka.rd_kafka_consumer_group_metadata(consumer) is not 0 and var metadata ? new GroupMetadata(metadata) : throw new InvalidOperationException("the consumer has no group");

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibRdKafka.rd_kafka_consumer_group_metadata_destroy(handle);
        return true;
    }
}

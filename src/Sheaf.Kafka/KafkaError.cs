using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>What can be done about an error of Kafka.</summary>
public enum KafkaErrorKind
{
    /// <summary>No error.</summary>
    None,

    /// <summary>It mends by itself, and librdkafka tries again meanwhile: a broker is away, a leader moves, the group rebalances.</summary>
    Retriable,

    /// <summary>Not an error: the partition is read to its end.</summary>
    PartitionEnd,

    /// <summary>The topic or partition does not exist, or the client may not know that it does.</summary>
    UnknownTopic,

    /// <summary>The client may not do that.</summary>
    Authorization,

    /// <summary>The brokers do not accept who the client says it is, or it does not accept them.</summary>
    Authentication,

    /// <summary>The offset to read on from is no longer there, or there is none.</summary>
    OffsetOutOfRange,

    /// <summary>A message is larger than the client or the topic takes.</summary>
    MessageTooLarge,

    /// <summary>Another client has taken this one's place (group instance id, transactional id).</summary>
    Fenced,

    /// <summary>The client took messages back: it was told to.</summary>
    Purged,

    /// <summary>The members of the group do not share a way to deal out partitions (<c>partition.assignment.strategy</c>).</summary>
    MixedAssignors,

    /// <summary>The consumer was not polled for <c>max.poll.interval.ms</c> and has left its group; the next poll joins it again.</summary>
    PolledTooLate,

    /// <summary>The client cannot go on; a new one may.</summary>
    Fatal,

    /// <summary>Anything else.</summary>
    Other,
}

/// <summary>An error of Kafka or of librdkafka, as a value.</summary>
/// <param name="Code">librdkafka's number; negative for its own, positive for the broker's, 0 for none.</param>
/// <param name="Reason">More than the code says, or empty.</param>
public readonly record struct KafkaError(int Code, string Reason = "")
{
    /// <summary>No error.</summary>
    public bool IsNone => Code == ErrorCodes.None;

    /// <summary>librdkafka's name of the code, for instance <c>MSG_SIZE_TOO_LARGE</c>; with a <c>_</c> before it where the error is its own.</summary>
    public unsafe string Name => NativeText.Read(LibRdKafka.rd_kafka_err2name(Code)) ?? "?";

    /// <summary>The error in words, with its name.</summary>
    public unsafe string Text => Reason.Length > 0 ? $"{Reason} ({Name})" : $"{NativeText.Read(LibRdKafka.rd_kafka_err2str(Code))} ({Name})";

    /// <summary>What can be done about it.</summary>
    public KafkaErrorKind Kind => Code switch
    {
        ErrorCodes.None => KafkaErrorKind.None,
        ErrorCodes.PartitionEnd => KafkaErrorKind.PartitionEnd,
        ErrorCodes.Transport or ErrorCodes.Resolve or ErrorCodes.AllBrokersDown or ErrorCodes.TimedOut or ErrorCodes.MessageTimedOut
            or ErrorCodes.WaitCoordinator or ErrorCodes.QueueFull or ErrorCodes.LeaderNotAvailable or ErrorCodes.NotLeader
            or ErrorCodes.RequestTimedOut or ErrorCodes.NetworkException or ErrorCodes.CoordinatorLoading or ErrorCodes.CoordinatorNotAvailable
            or ErrorCodes.NotCoordinator or ErrorCodes.NotEnoughReplicas or ErrorCodes.NotEnoughReplicasAfterAppend
            or ErrorCodes.IllegalGeneration or ErrorCodes.UnknownMember or ErrorCodes.RebalanceInProgress
            or ErrorCodes.UnstableOffsets or ErrorCodes.ConcurrentTransactions => KafkaErrorKind.Retriable,
        ErrorCodes.UnknownTopicOrPartition or ErrorCodes.LocalUnknownTopic or ErrorCodes.LocalUnknownPartition
            or ErrorCodes.InvalidTopic => KafkaErrorKind.UnknownTopic,
        ErrorCodes.TopicAuthorization or ErrorCodes.GroupAuthorization or ErrorCodes.ClusterAuthorization
            or ErrorCodes.TransactionalIdAuthorization => KafkaErrorKind.Authorization,
        ErrorCodes.Authentication or ErrorCodes.SaslAuthentication or ErrorCodes.Ssl => KafkaErrorKind.Authentication,
        ErrorCodes.OffsetOutOfRange or ErrorCodes.AutoOffsetReset or ErrorCodes.NoOffset => KafkaErrorKind.OffsetOutOfRange,
        ErrorCodes.MessageTooLarge or ErrorCodes.RecordListTooLarge => KafkaErrorKind.MessageTooLarge,
        ErrorCodes.Fenced or ErrorCodes.FencedInstanceId or ErrorCodes.ProducerFenced
            or ErrorCodes.InvalidProducerEpoch => KafkaErrorKind.Fenced,
        ErrorCodes.InconsistentGroupProtocol => KafkaErrorKind.MixedAssignors,
        ErrorCodes.PurgedInQueue or ErrorCodes.PurgedInFlight => KafkaErrorKind.Purged,
        ErrorCodes.MaxPollExceeded => KafkaErrorKind.PolledTooLate,
        ErrorCodes.Fatal => KafkaErrorKind.Fatal,
        _ => KafkaErrorKind.Other,
    };

    /// <summary>What a person can do, as a sentence.</summary>
    /// <param name="topic">The topic it is about.</param>
    public string WayOut(string topic) => Kind switch
    {
        KafkaErrorKind.None or KafkaErrorKind.PartitionEnd or KafkaErrorKind.Purged => "Nothing needs to be done",
        KafkaErrorKind.Retriable => "Check that the brokers run and can be reached from here; it goes on when they are back",
        KafkaErrorKind.UnknownTopic => $"Create topic {topic}, or correct its name; without the right to describe it, a topic seems not to exist",
        KafkaErrorKind.Authorization => $"Give this client's user the rights it lacks on topic {topic}, its group or its transactional id",
        KafkaErrorKind.Authentication => "Check security.protocol, the sasl.* and ssl.* properties, and the user's password on the brokers",
        KafkaErrorKind.OffsetOutOfRange =>
            $"Messages of topic {topic} that were not read yet are gone, or were never there. To read on at what is there: --no-strict-offset-reset "
            + "with --auto-offset-reset earliest or latest",
        KafkaErrorKind.MessageTooLarge => $"Raise max.message.bytes of topic {topic}, or lower --max-segment-bytes",
        KafkaErrorKind.Fenced => "Another client runs with the same group instance id or transactional id: give each its own",
        KafkaErrorKind.MixedAssignors => "Another member of the group has no partition.assignment.strategy in common with this one: give all instances the same. "
            + "To change it, stop all of them first",
        KafkaErrorKind.PolledTooLate => "Raise --max-poll-interval-ms, or find out what holds the input for so long",
        KafkaErrorKind.Fatal => "Start again; if it comes back, the brokers' logs say more",
        KafkaErrorKind.Other => "The brokers' logs may say more",
    };

    /// <inheritdoc/>
    public override string ToString() => IsNone ? "no error" : Text;

    /// <summary>Reads and destroys an error object; 0 is no error.</summary>
    internal static unsafe KafkaError Take(nint error)
    {
        if (error == 0) return default;
        var taken = new KafkaError(LibRdKafka.rd_kafka_error_code(error), NativeText.Read(LibRdKafka.rd_kafka_error_string(error)) ?? "");
        LibRdKafka.rd_kafka_error_destroy(error);
        return taken;
    }
}

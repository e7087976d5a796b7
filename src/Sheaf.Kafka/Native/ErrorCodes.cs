namespace Sheaf.Kafka.Native;

/// <summary>
/// The error codes that we tell apart, under librdkafka's names without <c>RD_KAFKA_RESP_ERR_</c>. A test compares each with what the library says.
/// </summary>
internal static class ErrorCodes
{
    // librdkafka's own
    public const int DestroyInProgress = -197; // _DESTROY
    public const int Transport = -195; // _TRANSPORT
    public const int Resolve = -193; // _RESOLVE
    public const int MessageTimedOut = -192; // _MSG_TIMED_OUT
    public const int PartitionEnd = -191; // _PARTITION_EOF
    public const int LocalUnknownPartition = -190; // _UNKNOWN_PARTITION
    public const int LocalUnknownTopic = -188; // _UNKNOWN_TOPIC
    public const int AllBrokersDown = -187; // _ALL_BROKERS_DOWN
    public const int TimedOut = -185; // _TIMED_OUT
    public const int QueueFull = -184; // _QUEUE_FULL
    public const int Ssl = -181; // _SSL
    public const int WaitCoordinator = -180; // _WAIT_COORD
    public const int AssignPartitions = -175; // _ASSIGN_PARTITIONS
    public const int RevokePartitions = -174; // _REVOKE_PARTITIONS
    public const int Authentication = -169; // _AUTHENTICATION
    public const int NoOffset = -168; // _NO_OFFSET
    public const int PurgedInQueue = -152; // _PURGE_QUEUE
    public const int PurgedInFlight = -151; // _PURGE_INFLIGHT
    public const int Fatal = -150; // _FATAL
    public const int MaxPollExceeded = -147; // _MAX_POLL_EXCEEDED
    public const int Fenced = -144; // _FENCED
    public const int AutoOffsetReset = -140; // _AUTO_OFFSET_RESET

    // the broker's
    public const int None = 0; // NO_ERROR
    public const int OffsetOutOfRange = 1; // OFFSET_OUT_OF_RANGE
    public const int UnknownTopicOrPartition = 3; // UNKNOWN_TOPIC_OR_PART
    public const int LeaderNotAvailable = 5; // LEADER_NOT_AVAILABLE
    public const int NotLeader = 6; // NOT_LEADER_FOR_PARTITION
    public const int RequestTimedOut = 7; // REQUEST_TIMED_OUT
    public const int MessageTooLarge = 10; // MSG_SIZE_TOO_LARGE
    public const int NetworkException = 13; // NETWORK_EXCEPTION
    public const int CoordinatorLoading = 14; // COORDINATOR_LOAD_IN_PROGRESS
    public const int CoordinatorNotAvailable = 15; // COORDINATOR_NOT_AVAILABLE
    public const int NotCoordinator = 16; // NOT_COORDINATOR
    public const int InvalidTopic = 17; // TOPIC_EXCEPTION
    public const int RecordListTooLarge = 18; // RECORD_LIST_TOO_LARGE
    public const int NotEnoughReplicas = 19; // NOT_ENOUGH_REPLICAS
    public const int NotEnoughReplicasAfterAppend = 20; // NOT_ENOUGH_REPLICAS_AFTER_APPEND
    public const int IllegalGeneration = 22; // ILLEGAL_GENERATION
    public const int InconsistentGroupProtocol = 23; // INCONSISTENT_GROUP_PROTOCOL
    public const int UnknownMember = 25; // UNKNOWN_MEMBER_ID
    public const int RebalanceInProgress = 27; // REBALANCE_IN_PROGRESS
    public const int TopicAuthorization = 29; // TOPIC_AUTHORIZATION_FAILED
    public const int GroupAuthorization = 30; // GROUP_AUTHORIZATION_FAILED
    public const int ClusterAuthorization = 31; // CLUSTER_AUTHORIZATION_FAILED
    public const int TopicExists = 36; // TOPIC_ALREADY_EXISTS
    public const int InvalidProducerEpoch = 47; // INVALID_PRODUCER_EPOCH
    public const int ConcurrentTransactions = 51; // CONCURRENT_TRANSACTIONS
    public const int TransactionalIdAuthorization = 53; // TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    public const int SaslAuthentication = 58; // SASL_AUTHENTICATION_FAILED
    public const int UnstableOffsets = 88; // UNSTABLE_OFFSET_COMMIT
    public const int FencedInstanceId = 82; // FENCED_INSTANCE_ID
    public const int ProducerFenced = 90; // PRODUCER_FENCED
}

using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Sheaf.Kafka.Native;

/// <summary>
/// What the callbacks of one client tell. Callbacks come on the thread that polls, logs on any thread; what they leave here may be read from any
/// thread. No exception leaves a callback: librdkafka's frames cannot be unwound. Knows the client's pointer only while a callback runs.
/// </summary>
/// <param name="log">Null: nothing is logged.</param>
internal sealed unsafe class ClientEvents(ILogger? log)
{
    private readonly ILogger _log = log ?? NullLogger.Instance;
    private readonly ConcurrentQueue<KafkaRebalance> _rebalances = new();
    private readonly ConcurrentQueue<KafkaError> _commitFailures = new();
    private volatile bool _destroying;
    private bool _lostABroker;
    private volatile StrongBox<KafkaError>? _lastError;
    private volatile StrongBox<KafkaError>? _refusal;

    /// <summary>The rebalance that the consumer's owner has to answer, or null.</summary>
    public KafkaRebalance? PendingRebalance => _rebalances.TryPeek(out KafkaRebalance? next) ? next : null;

    /// <summary>The last error that was told, retriable ones too: why nothing moves.</summary>
    public KafkaError LastError => _lastError?.Value ?? default;

    /// <summary>An error that no waiting mends, once.</summary>
    public KafkaError TakeRefusal() => Interlocked.Exchange(ref _refusal, null)?.Value ?? default;

    /// <summary>Whether a connection to a broker has failed since this was asked last.</summary>
    public bool TakeLostBroker() => Volatile.Read(ref _lostABroker) && Interlocked.Exchange(ref _lostABroker, false);

    /// <summary>A commit that nobody waits for has failed.</summary>
    public bool TryTakeCommitFailure(out KafkaError failure) => _commitFailures.TryDequeue(out failure);

    /// <summary>Registers the callbacks that this type of client needs.</summary>
    public static void Register(nint conf, ClientType type, nint opaque)
    {
        LibRdKafka.rd_kafka_conf_set_opaque(conf, opaque);
        LibRdKafka.rd_kafka_conf_set_log_cb(conf, &OnLog);
        LibRdKafka.rd_kafka_conf_set_error_cb(conf, &OnError);
        if (type == ClientType.Consumer)
        {
            LibRdKafka.rd_kafka_conf_set_rebalance_cb(conf, &OnRebalance);
            LibRdKafka.rd_kafka_conf_set_offset_commit_cb(conf, &OnCommitted);
        }
        else
        {
            LibRdKafka.rd_kafka_conf_set_dr_msg_cb(conf, &OnDelivery);
        }
    }

    /// <summary>The client is about to be destroyed. Nobody will answer rebalances any more: they are answered here, the open one now.</summary>
    public void BeDestroyed(nint client)
    {
        _destroying = true;
        while (_rebalances.TryDequeue(out KafkaRebalance? open))
        {
            fixed (byte* topic = NativeText.ToZeroEnded(open.Topic))
            {
                TopicPartitionList* list = LibRdKafka.rd_kafka_topic_partition_list_new(open.Partitions.Length);
                foreach (int partition in open.Partitions) LibRdKafka.rd_kafka_topic_partition_list_add(list, topic, partition);
                GiveUp(client, open.Kind, open.IsCooperative, list);
                LibRdKafka.rd_kafka_topic_partition_list_destroy(list);
            }
        }
    }

    /// <summary>The pending rebalance was answered.</summary>
    public void RebalanceAnswered() => _rebalances.TryDequeue(out _);

    /// <summary>An error message in the consumer's queue.</summary>
    public void Tell(KafkaError error)
    {
        // "All brokers are down" follows the reason, and must not hide it.
        if (error.Code != ErrorCodes.AllBrokersDown || _lastError is null) _lastError = new StrongBox<KafkaError>(error);
        if (error.Code is ErrorCodes.Transport or ErrorCodes.Resolve or ErrorCodes.AllBrokersDown) Volatile.Write(ref _lostABroker, true);
        // What mends by itself is told where something waits for it (OutageWatch).
        if (error.Kind is KafkaErrorKind.Retriable or KafkaErrorKind.UnknownTopic) KafkaLog.Library(_log, "ERROR", error.Text);
        else KafkaLog.ClientError(_log, error.Text);
    }

    private static void GiveUp(nint client, RebalanceKind kind, bool cooperative, TopicPartitionList* partitions)
    {
        if (!cooperative)
        {
            _ = LibRdKafka.rd_kafka_assign(client, null);
            return;
        }
        // Of an assignment nothing is taken; librdkafka waits for the answer all the same.
        TopicPartitionList* none = LibRdKafka.rd_kafka_topic_partition_list_new(0);
        KafkaError.Take(kind == RebalanceKind.Assigned
            ? LibRdKafka.rd_kafka_incremental_assign(client, none)
            : LibRdKafka.rd_kafka_incremental_unassign(client, partitions));
        LibRdKafka.rd_kafka_topic_partition_list_destroy(none);
    }

    private static ClientEvents Of(nint opaque) => (ClientEvents)GCHandle.FromIntPtr(opaque).Target!;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnLog(nint client, int level, byte* facility, byte* text)
    {
        try
        {
            // Before the client is made there is nobody to tell.
            if (client == 0 || LibRdKafka.rd_kafka_opaque(client) is not (not 0 and var opaque)) return;
            ILogger log = Of(opaque)._log;
            if (log.IsEnabled(LogLevel.Debug)) KafkaLog.Library(log, NativeText.Read(facility) ?? "", NativeText.Read(text) ?? "");
        }
        catch (Exception)
        {
            // A log that fails has nowhere to say so, and must not end the process.
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnError(nint client, int code, byte* reason, nint opaque)
    {
        try
        {
            ClientEvents events = Of(opaque);
            var error = new KafkaError(code, NativeText.Read(reason) ?? "");
            if (error.Kind is KafkaErrorKind.UnknownTopic or KafkaErrorKind.Authentication or KafkaErrorKind.Authorization or KafkaErrorKind.Fatal)
                events._refusal ??= new StrongBox<KafkaError>(error);
            events.Tell(error);
        }
        catch (Exception)
        {
            // The error itself is kept before anything here can throw but for the log; see OnLog.
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnRebalance(nint client, int code, TopicPartitionList* partitions, nint opaque)
    {
        ClientEvents events = Of(opaque);
        byte* protocol = LibRdKafka.rd_kafka_rebalance_protocol(client);
        bool cooperative = protocol is not null && protocol[0] == (byte)'C';
        RebalanceKind kind = code == ErrorCodes.AssignPartitions ? RebalanceKind.Assigned
            : LibRdKafka.rd_kafka_assignment_lost(client) != 0 ? RebalanceKind.Lost
            : RebalanceKind.Revoked;
        if (events._destroying)
        {
            GiveUp(client, kind, cooperative, partitions);
            return;
        }
        // Answered by the owner, outside of the callback: librdkafka waits, paused, until assign or unassign is called.
        events._rebalances.Enqueue(KafkaRebalance.From(kind, cooperative, partitions));
        LibRdKafka.rd_kafka_yield(client);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnCommitted(nint client, int code, TopicPartitionList* offsets, nint opaque)
    {
        if (code is ErrorCodes.None or ErrorCodes.NoOffset) return;
        Of(opaque)._commitFailures.Enqueue(new KafkaError(code));
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnDelivery(nint client, NativeMessage* message, nint opaque) =>
        ((KafkaDelivery)GCHandle.FromIntPtr(message->Opaque).Target!).Report(message->Error, message->Topic);
}

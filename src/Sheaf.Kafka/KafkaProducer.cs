using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// An idempotent producer. Any thread may produce; delivery reports are served by a thread of its own, so that they come however busy the owner is.
/// </summary>
/// <remarks>
/// Retries have no end unless <c>message.timeout.ms</c> is given one: while the brokers are away a message waits, its producer waits with it, and
/// nothing is lost. Messages are not copied: their bytes must stay where they are until they are reported.
/// </remarks>
public sealed unsafe class KafkaProducer : IDisposable
{
    private const int ServeMs = 100;
    private const int PurgeAll = 1 | 2 | 4; // RD_KAFKA_PURGE_F_QUEUE, _INFLIGHT, _NON_BLOCKING

    private readonly ClientEvents _events;
    private readonly ClientHandle _client;
    private readonly Thread _server;
    private volatile bool _stopping;

    private readonly OutageWatch? _outages;

    private KafkaProducer(ClientHandle client, ClientEvents events, OutageWatch? outages)
    {
        _outages = outages;
        _client = client;
        _events = events;
        _server = new Thread(Serve) { Name = "kafka-producer", IsBackground = true };
        _server.Start();
    }

    /// <summary>Makes a producer. Nothing is sent yet: brokers that are away do not matter here.</summary>
    /// <param name="config">With <c>bootstrap.servers</c>; what delivery needs is added.</param>
    /// <exception cref="ConfigurationException">A property is wrong, or librdkafka is missing.</exception>
    public static KafkaProducer Create(KafkaConfig config, ILogger? log = null) => Create(config, log, outages: null);

    /// <summary>As above.</summary>
    /// <param name="outages">Told when nothing is acknowledged.</param>
    internal static KafkaProducer Create(KafkaConfig config, ILogger? log, OutageWatch? outages)
    {
        var events = new ClientEvents(log);
        return new KafkaProducer(ClientHandle.Create(ClientType.Producer, WithDelivery(config), events), events, outages);
    }

    /// <summary>The last error that the client told, retriable ones too.</summary>
    public KafkaError LastError => _events.LastError;

    /// <summary>The error after which this producer takes no more messages, or none.</summary>
    public KafkaError FatalError
    {
        get
        {
            byte* text = stackalloc byte[NativeText.ErrorSize];
            int code = LibRdKafka.rd_kafka_fatal_error(_client, text, NativeText.ErrorSize);
            return code == ErrorCodes.None ? default : new KafkaError(code, NativeText.Read(text) ?? "");
        }
    }

    /// <summary>Messages that wait or are under way, and reports that were not served yet.</summary>
    public int Outstanding => LibRdKafka.rd_kafka_outq_len(_client);

    internal ClientHandle Client => _client;

    /// <summary>The properties of a producer that loses and repeats nothing, where they are not given.</summary>
    internal static KafkaConfig WithDelivery(KafkaConfig config)
    {
        KafkaConfig full = config.Copy()
            .SetDefault("enable.idempotence", "true")
            .SetDefault("acks", "all");
        // A transaction has a time-out of its own, and librdkafka wants the messages' to be shorter.
        return full.Has("transactional.id") ? full : full.SetDefault("message.timeout.ms", "0");
    }

    /// <summary>A topic, to be named in <see cref="Produce"/>; lives as long as the producer.</summary>
    internal nint Topic(string name) => _client.Topic(name);

    /// <summary>Hands a message over. Unless it is refused, it will be reported to <paramref name="delivery"/>, which must count it first.</summary>
    /// <param name="value">Stays where it is until the report.</param>
    /// <param name="key">Copied. Empty: no key.</param>
    /// <param name="headers">Belong to the message from now on, also where it is refused.</param>
    /// <param name="timestampMs">0: now.</param>
    /// <param name="partition">-1: the topic's partitioner chooses.</param>
    /// <returns>No error, or why the message was not taken.</returns>
    internal KafkaError Produce(
        nint topic, byte* value, int length, scoped ReadOnlySpan<byte> key, ref MessageHeaders headers, KafkaDelivery delivery, long timestampMs = 0,
        int partition = -1)
    {
        ProduceArgument* arguments = stackalloc ProduceArgument[7];
        fixed (byte* keyBytes = key)
        {
            int count = 0;
            arguments[count++] = new ProduceArgument { Tag = ProduceArgument.TopicTag, Pointer = topic };
            arguments[count++] = new ProduceArgument { Tag = ProduceArgument.ValueTag, Pointer = (nint)value, Size = (nuint)length };
            arguments[count++] = new ProduceArgument { Tag = ProduceArgument.OpaqueTag, Pointer = delivery.Opaque };
            if (!key.IsEmpty) arguments[count++] = new ProduceArgument { Tag = ProduceArgument.KeyTag, Pointer = (nint)keyBytes, Size = (nuint)key.Length };
            if (headers.Pointer != 0) arguments[count++] = new ProduceArgument { Tag = ProduceArgument.HeadersTag, Pointer = headers.Pointer };
            if (timestampMs > 0) arguments[count++] = new ProduceArgument { Tag = ProduceArgument.TimestampTag, Int64 = timestampMs };
            if (partition >= 0) arguments[count++] = new ProduceArgument { Tag = ProduceArgument.PartitionTag, Int32 = partition };
            nint refusal = LibRdKafka.rd_kafka_produceva(_client, arguments, (nuint)count);
            if (refusal == 0) headers.Release();
            else headers.Dispose();
            return KafkaError.Take(refusal);
        }
    }

    /// <summary>
    /// Takes back every message that is not acknowledged; each is reported as failed, though the broker may have it. Does not wait. What is handed
    /// over meanwhile may escape: purge again.
    /// </summary>
    internal void Purge() => LibRdKafka.rd_kafka_purge(_client, PurgeAll);

    /// <summary>Makes the producer ready for transactions and takes the transactional id from whoever has it. Once, first. Blocks for up to the time-out.</summary>
    public TransactionResult InitTransactions(TimeSpan timeout) => Take(LibRdKafka.rd_kafka_init_transactions(_client, Milliseconds(timeout)));

    /// <summary>Starts a transaction: what is produced from now on is part of it.</summary>
    public TransactionResult BeginTransaction() => Take(LibRdKafka.rd_kafka_begin_transaction(_client));

    /// <summary>Commits a consumer's offsets with the transaction. Blocks for up to the time-out.</summary>
    /// <param name="offsets">Of the next message to read, per partition.</param>
    public TransactionResult SendOffsets(KafkaConsumer consumer, ReadOnlySpan<PartitionOffset> offsets, TimeSpan timeout)
    {
        using GroupMetadata group = GroupMetadata.Of(consumer.Client);
        return SendOffsets(group, consumer.TopicName, offsets, timeout);
    }

    /// <summary>As above, for a member of the group as it was: refused where it is none any more.</summary>
    /// <param name="topic">The topic's name, zero-ended.</param>
    internal TransactionResult SendOffsets(GroupMetadata group, ReadOnlySpan<byte> topic, ReadOnlySpan<PartitionOffset> offsets, TimeSpan timeout)
    {
        using var list = PartitionList.Of(topic, offsets);
        return Take(LibRdKafka.rd_kafka_send_offsets_to_transaction(_client, list.Pointer, group, Milliseconds(timeout)));
    }

    /// <summary>Waits for every message of the transaction and commits it. Blocks for up to the time-out; retriable: call it again.</summary>
    public TransactionResult CommitTransaction(TimeSpan timeout) => Take(LibRdKafka.rd_kafka_commit_transaction(_client, Milliseconds(timeout)));

    /// <summary>Takes the transaction back; messages that are under way are reported as purged. Blocks for up to the time-out; retriable: call it again.</summary>
    public TransactionResult AbortTransaction(TimeSpan timeout) => Take(LibRdKafka.rd_kafka_abort_transaction(_client, Milliseconds(timeout)));

    /// <summary>Takes back what is not acknowledged, waits for its reports, and ends the client. Not in the middle of another call of the owner.</summary>
    public void Dispose()
    {
        if (_stopping) return;
        while (Outstanding > 0)
        {
            Purge();
            _server.Join(1); // it serves the reports; the wait is only a pause
        }
        _stopping = true;
        LibRdKafka.rd_kafka_queue_yield(_client.Queue);
        _server.Join();
        _client.Dispose();
    }

    private static int Milliseconds(TimeSpan timeout) => (int)Math.Clamp(timeout.TotalMilliseconds, 0, int.MaxValue);

    private static TransactionResult Take(nint error)
    {
        if (error == 0) return default;
        bool retriable = LibRdKafka.rd_kafka_error_is_retriable(error) != 0;
        bool abort = LibRdKafka.rd_kafka_error_txn_requires_abort(error) != 0;
        bool fatal = LibRdKafka.rd_kafka_error_is_fatal(error) != 0;
        return new TransactionResult(KafkaError.Take(error), retriable, abort, fatal);
    }

    private void Serve()
    {
        long idleMs = 0;
        while (!_stopping)
        {
            // Nothing was reported, although messages are under way: for how long, at least.
            idleMs = LibRdKafka.rd_kafka_poll(_client, ServeMs) == 0 && Outstanding > 0 ? idleMs + ServeMs : 0;
            bool lostABroker = _events.TakeLostBroker();
            _outages?.Look(_client, _events, Outstanding > 0 && (lostABroker || idleMs >= OutageWatch.Suspicious.TotalMilliseconds));
        }
    }
}

/// <summary>How a step of a transaction went.</summary>
/// <param name="Error">None when it succeeded.</param>
/// <param name="IsRetriable">The same call may be made again.</param>
/// <param name="RequiresAbort">The transaction must be aborted; then another may begin.</param>
/// <param name="IsFatal">The producer cannot go on; a new one may.</param>
public readonly record struct TransactionResult(KafkaError Error, bool IsRetriable, bool RequiresAbort, bool IsFatal)
{
    /// <summary>Whether it succeeded.</summary>
    public bool Succeeded => Error.IsNone;
}

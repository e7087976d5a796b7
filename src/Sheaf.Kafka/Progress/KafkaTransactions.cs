using Microsoft.Extensions.Logging;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka.Progress;

/// <summary>
/// The transactions of one producer, one after the other. Every step blocks until the brokers have answered, however long that takes; cancellation is seen between their answers. Owner:
/// one caller at a time, but for <see cref="Dispose"/>, which comes after the last.
/// </summary>
/// <remarks>
/// A step that fails ends the transaction as if it had never begun (<see cref="TransactionAbortedException"/>), and another may begin. A producer that cannot go on fails with a
/// <see cref="SinkException"/>; a new one takes its transactional id over, which ends what it has left open.
/// </remarks>
internal sealed class KafkaTransactions : IDisposable
{
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(100);

    // Coordinators give a transaction up after this; whoever takes a partition over waits for it as long. The brokers' limit is usually 15 minutes.
    private const string DefaultTimeoutMs = "30000";

    private readonly string _id;
    private readonly Dictionary<string, nint> _topics = [];
    private bool _isReady;

    // librdkafka 2.16 (issues 5511 and 5456): where the group's coordinator was away for a moment, committing offsets waits until the connection to
    // any broker changes its state, and no time-out ends it. Connections that are idle are closed after this, and that is such a change.
    private const string IdleConnectionMs = "5000";

    /// <summary>Makes the producer; sends nothing yet.</summary>
    /// <param name="id">The transactional id.</param>
    /// <exception cref="ConfigurationException">A property is wrong.</exception>
    public KafkaTransactions(string id, KafkaConfig config, ILogger? log, OutageWatch? outages = null)
    {
        _id = id;
        KafkaConfig full = config.Copy().Set("transactional.id", id)
            .SetDefault("transaction.timeout.ms", DefaultTimeoutMs)
            .SetDefault("connections.max.idle.ms", IdleConnectionMs);
        Producer = KafkaProducer.Create(full, log, outages);
    }

    public KafkaProducer Producer { get; }

    /// <summary>Whether a transaction has begun and not ended.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>A commit was sent and not answered: nobody knows how the transaction has ended.</summary>
    public bool IsInDoubt { get; private set; }

    /// <summary>A topic, to be named in <see cref="KafkaProducer.Produce"/>.</summary>
    public nint Topic(string name) => _topics.TryGetValue(name, out nint topic) ? topic : _topics[name] = Producer.Topic(name);

    /// <summary>Takes the transactional id from whoever has it, which ends his transaction. Before the first <see cref="Begin"/>; otherwise that does it.</summary>
    public void Prepare(CancellationToken cancel)
    {
        if (_isReady) return;
        TransactionResult result = Repeat(Producer.InitTransactions, cancel);
        if (!result.Succeeded) throw Failure("cannot begin", result.Error);
        _isReady = true;
    }

    /// <summary>Begins one.</summary>
    public void Begin(CancellationToken cancel)
    {
        Prepare(cancel);
        TransactionResult result = Producer.BeginTransaction();
        if (!result.Succeeded) throw Failure("cannot begin", result.Error);
        IsOpen = true;
    }

    /// <summary>Ends it: all that was produced in it counts, and these offsets are committed.</summary>
    /// <param name="topic">The offsets' topic, zero-ended.</param>
    /// <exception cref="TransactionAbortedException">Nothing of it counts: the group has gone on without this member, or the brokers have given the transaction up.</exception>
    /// <exception cref="SinkException">The producer cannot go on; where <see cref="IsInDoubt"/>, what was produced may count or not.</exception>
    public void Commit(GroupMetadata group, byte[] topic, PartitionOffset[] offsets, CancellationToken cancel)
    {
        TransactionResult result = Repeat(slice => Producer.SendOffsets(group, topic, offsets, slice), cancel);
        if (!result.Succeeded) throw GiveUp("its offsets were refused", result, cancel);
        IsInDoubt = true;
        result = Repeat(Producer.CommitTransaction, cancel);
        if (result.Succeeded)
        {
            (IsOpen, IsInDoubt) = (false, false);
            return;
        }
        // Who was fenced has not committed: the coordinator had given the transaction up before, and nobody else has this id while this process lives.
        if (result.RequiresAbort || FatalOr(result.Error).Kind == KafkaErrorKind.Fenced) IsInDoubt = false;
        throw GiveUp("it was not committed", result, cancel);
    }

    /// <summary>Takes it back, where one is open.</summary>
    public void Abort(CancellationToken cancel)
    {
        if (!IsOpen) return;
        TransactionResult result = Repeat(Producer.AbortTransaction, cancel);
        if (!result.Succeeded) throw Failure("cannot be taken back", result.Error);
        IsOpen = false;
    }

    public void Dispose() => Producer.Dispose();

    private SheafException GiveUp(string what, TransactionResult result, CancellationToken cancel)
    {
        if (result.IsFatal || IsInDoubt || cancel.IsCancellationRequested) return Failure(what, result.Error);
        Abort(cancel);
        return new TransactionAbortedException($"Kafka: transaction of {_id}: {what}: {result.Error.Text}. It was taken back; what was in it comes again");
    }

    private SinkException Failure(string what, KafkaError error)
    {
        error = FatalOr(error);
        return new SinkException($"Kafka: transaction of {_id}: {what}: {error.Text}. {(error.Kind == KafkaErrorKind.Fenced ? "The brokers had given it up; a new one takes its place" : error.WayOut(_id))}");
    }

    private KafkaError FatalOr(KafkaError error) => Producer.FatalError is { IsNone: false } fatal ? fatal : error;

    private static TransactionResult Repeat(Func<TimeSpan, TransactionResult> step, CancellationToken cancel)
    {
        while (true)
        {
            TransactionResult result = step(Slice);
            // A step that has timed out goes on inside: the same one is asked for again.
            if (result.Succeeded || !result.IsRetriable || result.RequiresAbort || result.IsFatal || cancel.IsCancellationRequested) return result;
            if (result.Error.Code != ErrorCodes.TimedOut) cancel.WaitHandle.WaitOne(RetryPause);
        }
    }
}

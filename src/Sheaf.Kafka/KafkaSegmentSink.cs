using System.Buffers;
using System.Globalization;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Kafka.Native;
using Sheaf.Kafka.Progress;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Kafka;

/// <summary>
/// One worker's client of a <see cref="KafkaOutput"/>, with a producer of its own. Used by its worker only, but for <see cref="Fence"/> and
/// <see cref="DisposeAsync"/>. A batch is handed to librdkafka without a copy: it may be used again when <see cref="ProduceAsync"/> has completed, and
/// not before, also where that was cancelled.
/// </summary>
/// <remarks>
/// Several topics are dealt by shard: a segment goes to topic number <c>shard % topics</c>, so its repeat goes to the same one. Brokers that are away
/// make the worker wait; what cannot be waited out ends as a <see cref="SinkException"/>. It is final only where a message is too large: the worker's
/// successor would produce the same bytes. A missing topic or right may be mended while the supervisor starts the worker again.
/// </remarks>
public sealed class KafkaSegmentSink : ISegmentSink
{
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan AbortPatience = TimeSpan.FromSeconds(5);

    private readonly KafkaOutputOptions _options;
    private readonly KafkaProducer _producer;
    private readonly KafkaTransactions? _transactions;
    private readonly KafkaProgress? _progress;
    private readonly TimeProvider _time;
    private readonly nint[] _topics;
    private readonly KafkaDelivery _delivery = new();
    private readonly CancellationTokenSource _fence = new();
    private readonly SemaphoreSlim _idle = new(1);

    /// <summary>The header with the segment's fields, as <see cref="SegmentFields.WriteText"/> writes them. Frozen.</summary>
    internal static ReadOnlySpan<byte> HeaderName => "sheaf"u8;

    internal KafkaSegmentSink(KafkaOutputOptions options, KafkaProducer producer, TimeProvider time)
    {
        _options = options;
        _producer = producer;
        _time = time;
        _topics = [.. options.Address.Topics.Select(producer.Topic)];
    }

    /// <summary>For exactly-once: what is produced counts when its transaction is committed, and with it the buffer's progress.</summary>
    internal KafkaSegmentSink(KafkaOutputOptions options, KafkaTransactions transactions, KafkaProgress progress, TimeProvider time)
        : this(options, transactions.Producer, time) => (_transactions, _progress) = (transactions, progress);

    /// <inheritdoc/>
    public bool IsTransactional => _transactions is not null;

    /// <summary>For exactly-once: ends what an earlier life of this worker has left open, which others may be waiting for. Otherwise nothing.</summary>
    /// <exception cref="SinkException">The producer cannot begin.</exception>
    public Task PrepareAsync(CancellationToken cancel) => _transactions is null ? Task.CompletedTask : Task.Run(() => _transactions.Prepare(cancel), cancel);

    /// <summary>
    /// Takes from this client the right to produce. Any thread; does not wait: what the brokers were sent may come out, the rest is taken back, and the
    /// spans come again from the next owner, with the same flush ids.
    /// </summary>
    public void Fence() => _ = _fence.CancelAsync(); // what it wakes runs elsewhere

    /// <inheritdoc/>
    /// <exception cref="ClaimLapsedException">The client was fenced.</exception>
    public async ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel)
    {
        if (_fence.IsCancellationRequested) throw Fenced();
        if (batch.Messages.IsEmpty) return;
        await _idle.WaitAsync(cancel);
        try
        {
            if (_transactions is { IsOpen: false }) await Task.Run(() => _transactions.Begin(cancel), cancel); // librdkafka's waits block their thread
            await ProduceAllAsync(batch, cancel);
        }
        finally
        {
            _idle.Release();
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ClaimLapsedException">The client was fenced.</exception>
    public async ValueTask CompleteAsync(ClaimBatch claim, Range traces, CancellationToken cancel)
    {
        if (_transactions is not { IsOpen: true }) return;
        if (_fence.IsCancellationRequested) throw Fenced();
        await _idle.WaitAsync(cancel);
        try
        {
            await Task.Run(() => _progress!.CommitAsync(_transactions, claim, traces, cancel), cancel);
        }
        finally
        {
            _idle.Release();
        }
    }

    /// <summary>Takes back what is still under way, and ends the producer.</summary>
    public async ValueTask DisposeAsync()
    {
        await _fence.CancelAsync();
        await _idle.WaitAsync(); // a worker that was cancelled does not wait for its last batch
        await Task.Run(End); // it waits for librdkafka's threads
        _delivery.Dispose();
        _idle.Dispose();
        _fence.Dispose();
    }

    private void End()
    {
        if (_transactions is { IsOpen: true, IsInDoubt: false })
        {
            using var patience = new CancellationTokenSource(AbortPatience, _time);
            try
            {
                _transactions.Abort(patience.Token); // so that nobody who reads behind it has to wait until the brokers do it
            }
            catch (SinkException)
            {
                // Then they do it.
            }
        }
        _producer.Dispose();
    }

    private async Task ProduceAllAsync(SegmentBatch batch, CancellationToken cancel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel, _fence.Token);
        using (batch.Bytes.Pin())
        {
            _delivery.Begin();
            int next = 0;
            while (!ended.IsCancellationRequested && !TryHandOver(batch, ref next))
            {
                // librdkafka's queue is full: it has room again when brokers acknowledge.
                await Task.Delay(RoomPause, _time, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await _delivery.SettleAsync(_producer, _time, ended.Token);
        }
        (KafkaError error, string topic) = _delivery.Failure;
        if (error.IsNone && !ended.IsCancellationRequested) return;
        cancel.ThrowIfCancellationRequested();
        if (_fence.IsCancellationRequested) throw Fenced();
        if (_transactions is not null && _producer.FatalError.IsNone && error.Kind != KafkaErrorKind.MessageTooLarge)
        {
            await Task.Run(() => _transactions.Abort(cancel), cancel);
            throw new TransactionAbortedException($"output: {_options.Address}: topic {topic}: {error.Text}. Its transaction was taken back; what was in it comes again");
        }
        throw Failure(error, topic);
    }

    /// <summary>Hands messages over, from <paramref name="next"/> on. False where the queue is full; true when all are, or one was refused.</summary>
    private bool TryHandOver(SegmentBatch batch, ref int next)
    {
        ReadOnlySpan<SegmentMessage> messages = batch.Messages;
        Span<byte> room = stackalloc byte[32];
        Span<byte> fields = stackalloc byte[SegmentFields.MostBytes];
        for (; next < messages.Length; next++)
        {
            ref readonly SegmentMessage message = ref messages[next];
            int topic = message.Shard.Value % _topics.Length;
            ReadOnlySpan<byte> key = KeyOf(message.Trace, room);
            var headers = new MessageHeaders(1);
            headers.Add(HeaderName, fields[..SegmentFields.WriteText(message, fields)]);
            _delivery.Add();
            KafkaError refusal;
            unsafe
            {
                fixed (byte* body = batch.BodyOf(message)) // pinned by the caller, for longer than this
                    refusal = _producer.Produce(_topics[topic], body, message.BodyLength, key, ref headers, _delivery);
            }
            if (refusal.IsNone) continue;
            _delivery.Withdraw();
            if (refusal.Code == ErrorCodes.QueueFull) return false;
            _delivery.Fail(refusal, _options.Address.Topics[topic]);
            return true;
        }
        return true;
    }

    private ReadOnlySpan<byte> KeyOf(TraceKey trace, Span<byte> room)
    {
        switch (_options.Key)
        {
            case KafkaKeyChoice.Trace:
                trace.TraceId.WriteTo(room);
                return room[..32];
            case KafkaKeyChoice.Project:
                trace.ProjectId.TryFormat(room, out int length, provider: CultureInfo.InvariantCulture);
                return room[..length];
            case KafkaKeyChoice.None:
            default:
                return default;
        }
    }

    private SinkException Failure(KafkaError error, string topic)
    {
        KafkaError fatal = _producer.FatalError;
        if (!fatal.IsNone) error = fatal;
        bool tooLarge = error.Kind == KafkaErrorKind.MessageTooLarge;
        return new SinkException($"output: {_options.Address}: topic {topic}: {error.Text}. {error.WayOut(topic)}") { IsFinal = tooLarge };
    }

    private ClaimLapsedException Fenced() => new($"output: {_options.Address}: this worker was replaced and may not produce any more");
}

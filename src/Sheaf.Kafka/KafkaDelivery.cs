using System.Runtime.InteropServices;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// Counts the delivery reports of messages that are produced together; nothing is allocated per message. Owner: who produces; reports come on the
/// producer's thread. One group of messages at a time: <see cref="Begin"/>, then <see cref="Add"/> before each message, then <see cref="SettleAsync"/>.
/// </summary>
internal sealed class KafkaDelivery : IDisposable
{
    private static readonly TimeSpan PurgePause = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private GCHandle _self;
    private int _open;
    private KafkaError _failure;
    private string _failedTopic = "";
    private TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public KafkaDelivery() => _self = GCHandle.Alloc(this);

    /// <summary>What a message carries, to be found again by its report.</summary>
    public nint Opaque => GCHandle.ToIntPtr(_self);

    /// <summary>Done when every message of the group was reported. Valid from <see cref="Begin"/> on.</summary>
    public Task Completed => _completed.Task;

    /// <summary>The first failure of the group, and its topic. A failure of its own kind outweighs messages that were taken back because of it.</summary>
    public (KafkaError Error, string Topic) Failure
    {
        get
        {
            lock (_lock) return (_failure, _failedTopic);
        }
    }

    /// <summary>Starts a group. It stays open until <see cref="SettleAsync"/>.</summary>
    public void Begin()
    {
        _open = 1;
        _failure = default;
        _failedTopic = "";
        if (_completed.Task.IsCompleted) _completed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>One more message will be reported.</summary>
    public void Add() => Interlocked.Increment(ref _open);

    /// <summary>The last <see cref="Add"/> was for a message that was not taken: no report will come.</summary>
    public void Withdraw() => End();

    /// <summary>
    /// Seals the group and waits until each of its messages is reported; only then are their bytes the caller's again. When cancelled, all that the
    /// producer has not had acknowledged is taken back. Does not throw: the group's failure says how it went.
    /// </summary>
    public async Task SettleAsync(KafkaProducer producer, TimeProvider time, CancellationToken cancel)
    {
        End();
        await Completed.WaitAsync(cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!Completed.IsCompleted)
        {
            producer.Purge(); // again and again: a message on its way from one queue to another escapes
            await Completed.WaitAsync(PurgePause, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>For the delivery callback. Does not throw.</summary>
    public unsafe void Report(int code, nint topic)
    {
        if (code != ErrorCodes.None) Fail(new KafkaError(code), NativeText.Read(LibRdKafka.rd_kafka_topic_name(topic)) ?? "");
        End();
    }

    /// <summary>Notes a failure.</summary>
    public void Fail(KafkaError error, string topic)
    {
        lock (_lock)
        {
            if (!_failure.IsNone && _failure.Kind != KafkaErrorKind.Purged) return;
            (_failure, _failedTopic) = (error, topic);
        }
    }

    /// <summary>When every report has come.</summary>
    public void Dispose()
    {
        if (_self.IsAllocated) _self.Free();
    }

    private void End()
    {
        if (Interlocked.Decrement(ref _open) == 0) _completed.TrySetResult();
    }
}

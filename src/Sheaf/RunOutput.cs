using Microsoft.Extensions.Logging;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;
using Sheaf.Supervision;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>A client of the output for a worker that is a thread.</summary>
/// <param name="Fence">Takes from it the right to produce. Any thread; does not wait.</param>
/// <param name="PrepareAsync">To be awaited before anything is produced; null: nothing needs to be.</param>
internal readonly record struct OutputClient(ISegmentSink Sink, Action Fence, Func<CancellationToken, Task>? PrepareAsync = null);

/// <summary>
/// The output of one run: a file or topics. Workers that are threads share what is open here; worker processes open it for themselves, and here it is only prepared and brought to its
/// end. Owner: the run.
/// </summary>
internal sealed partial class RunOutput : IAsyncDisposable
{
    private readonly JsonLinesSink? _sink;
    private readonly SharedOutputFile? _shared;
    private readonly KafkaOutput? _kafka;

    private RunOutput(JsonLinesSink? sink, SharedOutputFile? shared, KafkaOutput? kafka)
    {
        _sink = sink;
        _shared = shared;
        _kafka = kafka;
    }

    /// <summary>What a worker process needs to produce to the topics; null where the output is a file.</summary>
    public KafkaOutputAddress? Address => _kafka is null ? null : KafkaOutputAddress.Of(_kafka);

    /// <summary>Most bytes of a span as it is written: it may be alone in its message, and a topic takes only so much.</summary>
    public int MaxSpanBytes => _kafka is null ? int.MaxValue : Math.Max(0, _kafka.MaxMessageBytes - KafkaOutput.MessageOverhead - Segments.SegmentWriter.EnvelopeBytes);

    /// <summary>Asks the brokers for the plan's topics and what they take; null where the output is a file.</summary>
    /// <exception cref="ConfigurationException">A topic is missing, or takes no message as large as a segment.</exception>
    /// <exception cref="SinkException">No broker answers.</exception>
    public static async ValueTask<KafkaOutput?> FindTopicsAsync(ProcessSpansPlan plan, RunContext context, CancellationToken cancel)
    {
        if (plan.KafkaOutput is not { } to) return null;
        KafkaOutput topics = await KafkaOutput.OpenAsync(to, KafkaLog.To(context.Logs.CreateLogger("Sheaf.Kafka.Output")), context.Time, cancel);
        Log.SegmentLimit(context.Logs.CreateLogger<RunOutput>(), topics.MaxSegmentBytes, to.Address, topics.MaxMessageBytes);
        return topics;
    }

    /// <param name="topics">What was found of the plan's topics; null where the output is a file.</param>
    /// <exception cref="ConfigurationException">It cannot be opened or shared, or must not be overwritten.</exception>
    public static async ValueTask<RunOutput> OpenAsync(
        ProcessSpansPlan plan, KafkaOutput? topics, ControlBlock control, RunContext context, CancellationToken cancel)
    {
        if (topics is not null) return new RunOutput(null, null, topics);
        ExistingContent existing = plan.EarlierRun == EarlierRun.Resume ? ExistingContent.Resume : plan.Overwrite ? ExistingContent.Overwrite : ExistingContent.Refuse;
        if (plan.Isolation == FlusherIsolation.Thread) return new RunOutput(await JsonLinesSink.OpenAsync(plan.Output, existing, plan.WithHeaders, cancel), null, null);
        SharedOutputFile.Prepare(plan.Output, existing, control);
        return new RunOutput(null, SharedOutputFile.Open(plan.Output, control, context.Time), null);
    }

    /// <summary>For a worker that is a thread, who disposes it.</summary>
    /// <param name="worker">Its number.</param>
    /// <param name="exactlyOnce">The progress that is committed together with what is produced; null: the output is told at least once.</param>
    public OutputClient CreateClient(int worker, KafkaProgress? exactlyOnce)
    {
        if (_kafka is not null)
        {
            KafkaSegmentSink sink = exactlyOnce is null ? _kafka.CreateClient() : _kafka.CreateClient(exactlyOnce, worker);
            return new OutputClient(sink, sink.Fence, sink.PrepareAsync);
        }
        JsonLinesClient client = _sink?.CreateClient() ?? throw new InvalidOperationException("worker processes open the output for themselves");
        return new OutputClient(client, client.Fence);
    }

    /// <summary>Brings it to the disk. After the last worker has ended. What brokers have acknowledged is whole already.</summary>
    /// <param name="noLonger">Nobody is waited for any more who is in the middle of a line.</param>
    /// <returns>Whether all its lines are whole.</returns>
    /// <exception cref="SinkException">It could not.</exception>
    public async ValueTask<bool> FinishAsync(CancellationToken noLonger)
    {
        if (_sink is not null) return await _sink.FinishAsync(noLonger);
        if (_shared is null) return true;
        try
        {
            await _shared.FinishAsync(noLonger);
            return true;
        }
        catch (OperationCanceledException) when (noLonger.IsCancellationRequested)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _shared?.Dispose();
        if (_sink is not null) await _sink.DisposeAsync();
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.SegmentLimit, LogLevel.Information, "A segment of more than {SegmentBytes} bytes leaves in parts: {Output} takes messages of {MessageBytes} bytes")]
        public static partial void SegmentLimit(ILogger logger, int segmentBytes, KafkaAddress output, int messageBytes);
    }
}

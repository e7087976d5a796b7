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
    private readonly IAppendLines? _lines;
    private readonly KafkaOutput? _kafka;
    private readonly bool _withHeaders;

    private RunOutput(IAppendLines? lines, KafkaOutput? kafka, bool withHeaders)
    {
        _lines = lines;
        _kafka = kafka;
        _withHeaders = withHeaders;
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
        KafkaOutput topics = await KafkaOutput.OpenAsync(to, context.Logs.CreateLogger("Sheaf.Kafka.Output"), context.Time, cancel);
        Log.SegmentLimit(context.Logs.CreateLogger<RunOutput>(), topics.MaxSegmentBytes, to.Address, topics.MaxMessageBytes);
        return topics;
    }

    /// <param name="topics">What was found of the plan's topics; null where the output is a file.</param>
    /// <exception cref="ConfigurationException">It cannot be opened or shared, or must not be overwritten.</exception>
    public static async ValueTask<RunOutput> OpenAsync(
        ProcessSpansPlan plan, KafkaOutput? topics, ControlBlock control, RunContext context, CancellationToken cancel)
    {
        if (topics is not null) return new RunOutput(null, topics, plan.WithHeaders);
        if (plan.Isolation == FlusherIsolation.Process && OutputPath.WhyNotShareable(plan.Output) is { } reason) throw new ConfigurationException($"output: {reason}");
        return new RunOutput(await OutputPath.OpenAsync(plan.Output, plan.ExistingOutput, control, context.Time, cancel), null, plan.WithHeaders);
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
        var lines = new JsonLinesSink(_lines!, _withHeaders);
        return new OutputClient(lines, lines.Fence);
    }

    /// <summary>Brings it to the disk. After the last worker has ended. What brokers have acknowledged is whole already.</summary>
    /// <param name="noLonger">Nobody is waited for any more who is in the middle of a line.</param>
    /// <returns>Whether all its lines are whole.</returns>
    /// <exception cref="SinkException">It could not, or it is not there any more.</exception>
    public async ValueTask<bool> FinishAsync(CancellationToken noLonger) => _lines is null || await _lines.FinishAsync(noLonger);

    public ValueTask DisposeAsync()
    {
        _lines?.Dispose();
        return default;
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.SegmentLimit, LogLevel.Information, "A segment of more than {SegmentBytes} bytes leaves in parts: {Output} takes messages of {MessageBytes} bytes")]
        public static partial void SegmentLimit(ILogger logger, int segmentBytes, KafkaAddress output, int messageBytes);
    }
}

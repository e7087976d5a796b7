using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sheaf.Segments;

namespace Sheaf.Supervision;

/// <summary>
/// In a worker process: says to the parent what is logged, measured and wrong, a line each on standard error. Any thread; a message is written whole
/// before the next. A parent that does not read makes the worker wait; one that is gone makes it end (<see cref="WorkerProgram"/>).
/// </summary>
/// <param name="least">Least important log events that the parent wants now.</param>
internal sealed class ParentChannel(Stream error, Func<LogLevel> least) : ILoggerFactory
{
    private readonly Lock _lock = new();

    public ILogger CreateLogger(string categoryName) => new ChannelLogger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("what a worker logs goes to its parent and nowhere else");

    public void Dispose()
    {
        // The stream is not ours.
    }

    /// <summary>The worker's last message when it cannot go on.</summary>
    public void Fail(string failure) => Say(new WorkerMessage { Failure = Cut(failure) });

    /// <summary>A batch was acknowledged.</summary>
    public void Measured(SegmentBatch batch, TimeSpan waited)
    {
        ReadOnlySpan<SegmentMessage> messages = batch.Messages;
        for (int first = 0; first < messages.Length; first += WorkerMessage.MaxMeasured)
        {
            ReadOnlySpan<SegmentMessage> part = messages[first..Math.Min(messages.Length, first + WorkerMessage.MaxMeasured)];
            int[] sizes = new int[part.Length], spans = new int[part.Length];
            for (int i = 0; i < part.Length; i++) (sizes[i], spans[i]) = (part[i].BodyLength, part[i].SpanCount);
            Say(new WorkerMessage { Measured = new MeasuredBatch(sizes, spans, first == 0 ? waited.TotalSeconds : null) });
        }
    }

    private void Say(WorkerMessage message)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(message, WorkerJson.Default.WorkerMessage), (byte)'\n'];
        lock (_lock)
        {
            try
            {
                error.Write(line);
            }
            catch (IOException)
            {
                // The parent is gone, and this process in a moment.
            }
        }
    }

    private static string Cut(string text) => text.Length <= WorkerMessage.MaxText ? text : text[..WorkerMessage.MaxText] + "…";

    private sealed class ChannelLogger(ParentChannel parent, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && logLevel >= parent.Least();

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            string? error = exception is null ? null : Cut(exception.ToString());
            parent.Say(new WorkerMessage { Log = new WorkerEvent((int)logLevel, category, eventId.Id, Cut(formatter(state, exception)), error) });
        }
    }

    private LogLevel Least() => least();
}

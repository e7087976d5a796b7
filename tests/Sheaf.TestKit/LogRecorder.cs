using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Sheaf.TestKit;

/// <summary>An event as it was logged.</summary>
public sealed record RecordedEvent(string Category, LogLevel Level, int Id, string Text);

/// <summary>Keeps every log event of every category. Any thread.</summary>
public sealed class LogRecorder : ILoggerFactory
{
    public ConcurrentQueue<RecordedEvent> Events { get; } = new();

    public ILogger CreateLogger(string categoryName) => new Recorder(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private sealed class Recorder(LogRecorder all, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            all.Events.Enqueue(new RecordedEvent(category, logLevel, eventId.Id, formatter(state, exception)));
    }
}

using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Sheaf.Commands;

/// <summary>
/// Log events as single lines on standard error: <c>2026-01-31T12:00:00.000Z warning Sheaf.Flushing 2003: text</c>. The level can change
/// while a run goes on.
/// </summary>
internal sealed class LineLoggerProvider(ErrorConsole console, TimeProvider time, Func<LogLevel> least) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

    public void Dispose()
    {
        // The console is not ours.
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "information",
        LogLevel.Warning => "warning",
        LogLevel.Error => "error",
        LogLevel.Critical => "critical",
        LogLevel.None => "none",
    };

    private sealed class LineLogger(LineLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => provider.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            string text = formatter(state, exception);
            if (exception is not null) text += " | " + exception;
            provider.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"{provider.Now:yyyy-MM-ddTHH:mm:ss.fffZ} {Name(logLevel)} {category} {eventId.Id}: {SingleLine(text)}"));
        }

        // Values come from outside; a line feed in one must not make a second event of it.
        private static string SingleLine(string text) => text.ReplaceLineEndings("\\n");
    }

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    private bool IsEnabled(LogLevel level) => level != LogLevel.None && level >= least();

    private void Write(string line) => console.WriteLine(line);
}

using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary>
/// Log events as single lines on standard error: <c>2026-01-31T12:00:00.000Z warning Sheaf.Flushing 2003: text</c>, or one JSON object each. The level can change
/// while a run goes on.
/// </summary>
internal sealed class LineLoggerProvider(ErrorConsole console, TimeProvider time, Func<LogLevel> least, LogFormat format = LogFormat.Text) : ILoggerProvider
{
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }; // it goes into no page

    private const string Template = "{OriginalFormat}"; // what a generated method names its text

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
            provider.Write(provider.IsJson ? Json(logLevel, eventId.Id, text, state as IReadOnlyList<KeyValuePair<string, object?>>) : string.Create(
                CultureInfo.InvariantCulture,
                $"{provider.Now} {Name(logLevel)} {category} {eventId.Id}: {SingleLine(text)}"));
        }

        private string Json(LogLevel level, int id, string text, IReadOnlyList<KeyValuePair<string, object?>>? fields)
        {
            using var buffer = new MemoryStream();
            using (var json = new Utf8JsonWriter(buffer, Readable))
            {
                json.WriteStartObject();
                json.WriteString("time", provider.Now);
                json.WriteString("level", Name(level));
                json.WriteString("category", category);
                json.WriteNumber("event", id);
                json.WriteString("text", text);
                json.WriteStartObject("fields");
                foreach ((string name, object? value) in fields ?? [])
                    if (name != Template) Write(json, JsonNamingPolicy.SnakeCaseLower.ConvertName(name), value);
                json.WriteEndObject();
                json.WriteEndObject();
            }
            return Encoding.UTF8.GetString(buffer.ToArray());
        }

        private static void Write(Utf8JsonWriter json, string name, object? value)
        {
            switch (value)
            {
                case null:
                    json.WriteNull(name);
                    break;
                case int or long or short or byte:
                    json.WriteNumber(name, Convert.ToInt64(value, CultureInfo.InvariantCulture));
                    break;
                case double number when double.IsFinite(number):
                    json.WriteNumber(name, number);
                    break;
                case DateTimeOffset moment:
                    json.WriteString(name, moment);
                    break;
                default:
                    json.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                    break;
            }
        }

        // Values come from outside; a line feed in one must not make a second event of it.
        private static string SingleLine(string text) => text.ReplaceLineEndings("\\n");
    }

    private bool IsJson => format == LogFormat.Json;

    private string Now => time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    private bool IsEnabled(LogLevel level) => level != LogLevel.None && level >= least();

    private void Write(string line) => console.WriteLine(line);
}

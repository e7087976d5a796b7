using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf.Supervision;

/// <summary>
/// Hears one life of a worker process: its log events and measurements come out here with the tag of its shards, and its last words are kept. Whatever
/// it says costs bounded memory. Any thread.
/// </summary>
internal sealed partial class WorkerRelay
{
    private const int MostCategories = 64;
    private const int MostLoggedStrayLines = 50;
    private const int KeptStrayLines = 20;
    private const int StrayLineLength = 500;

    private readonly WorkerShards _worker;
    private readonly SheafMetrics _metrics;
    private readonly ILoggerFactory _logs;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ILogger> _loggers = [];
    private readonly Queue<string> _strayLines = new(KeptStrayLines);
    private string? _firstStrayLine;
    private long _strayLineCount;
    private string? _failure;

    public WorkerRelay(WorkerShards worker, SheafMetrics metrics, ILoggerFactory logs)
    {
        _worker = worker;
        _metrics = metrics;
        _logs = logs;
        _logger = logs.CreateLogger<WorkerRelay>();
    }

    /// <summary>
    /// Why the worker ended, as far as it said so itself: its report, or else what came out of it that was no message, the first line and the last ones.
    /// Null when it said nothing.
    /// </summary>
    public string? LastWords
    {
        get
        {
            lock (_lock)
            {
                if (_failure is not null || _firstStrayLine is null) return _failure;
                string gap = _strayLineCount > 1 + _strayLines.Count ? "\n…" : "";
                return string.Join('\n', [_firstStrayLine + gap, .. _strayLines]);
            }
        }
    }

    /// <summary>Takes a line, without its end.</summary>
    public void Take(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty) return;
        if (Read(line) is { } message) Take(message);
        else TakeStray(line);
    }

    /// <summary>After the last line.</summary>
    public void End()
    {
        lock (_lock)
        {
            long leftOut = _strayLineCount - MostLoggedStrayLines;
            if (leftOut > 0) Log.StrayLinesLeftOut(_logger, _worker.Worker, _worker.Tag, leftOut);
        }
    }

    /// <summary>Null where it is no message of a worker, but of what runs it.</summary>
    private static WorkerMessage? Read(ReadOnlySpan<byte> line)
    {
        if (line[0] != '{') return null;
        try
        {
            return JsonSerializer.Deserialize(line, WorkerJson.Default.WorkerMessage) switch
            {
                { Log.Level: < (int)LogLevel.Trace or >= (int)LogLevel.None } => null,
                { Measured: { } measured } when measured.Sizes.Length != measured.Spans.Length => null,
                { Log: null, Measured: null, Failure: null } => null,
                var message => message,
            };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Take(WorkerMessage message)
    {
        if (message.Log is { } log) Write(log);
        if (message.Measured is { } measured)
            _metrics.Produced(_worker.Tag, measured.Waited is { } seconds ? TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 1e6)) : null, measured.Sizes, measured.Spans);
        if (message.Failure is { } failure)
        {
            lock (_lock) _failure = failure;
        }
    }

    // Not by a generated method: which event it is, the worker says.
    private void Write(WorkerEvent log)
    {
        string text = log.Error is null ? log.Text : $"{log.Text} | {log.Error}";
        LoggerOf(log.Category).Log(
            (LogLevel)log.Level, new EventId(log.Id), new RelayedEvent(_worker.Worker, _worker.Tag, text), exception: null, static (said, _) => said.ToString());
    }

    private ILogger LoggerOf(string category)
    {
        lock (_lock)
        {
            if (_loggers.TryGetValue(category, out ILogger? logger)) return logger;
            // A factory keeps a logger for ever: no more of them than a sane worker has.
            if (_loggers.Count == MostCategories) return _logger;
            return _loggers[category] = _logs.CreateLogger(category);
        }
    }

    private void TakeStray(ReadOnlySpan<byte> line)
    {
        // A character takes up to 4 bytes.
        string text = Encoding.UTF8.GetString(line[..Math.Min(line.Length, 4 * StrayLineLength)]);
        if (text.Length > StrayLineLength) text = text[..StrayLineLength] + "…";
        // Whatever it is, it shall not steer a terminal.
        if (text.Any(char.IsControl)) text = string.Create(text.Length, text, static (clean, raw) =>
        {
            for (int i = 0; i < raw.Length; i++) clean[i] = char.IsControl(raw[i]) ? ' ' : raw[i];
        });
        bool isLogged;
        lock (_lock)
        {
            isLogged = ++_strayLineCount <= MostLoggedStrayLines;
            if (_firstStrayLine is null)
            {
                _firstStrayLine = text;
            }
            else
            {
                if (_strayLines.Count == KeptStrayLines - 1) _strayLines.Dequeue();
                _strayLines.Enqueue(text);
            }
        }
        if (isLogged) Log.StrayLine(_logger, _worker.Worker, _worker.Tag, text);
    }

    /// <summary>What a worker logged, as this process logs it.</summary>
    private readonly record struct RelayedEvent(int Worker, string Shard, string Text)
    {
        public override string ToString() => $"Flusher worker {Worker} (shard {Shard}): {Text}";
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.WorkerStrayLine, LogLevel.Warning, "Flusher worker {Worker} (shard {Shard}) left a line that is no message: {Line}")]
        public static partial void StrayLine(ILogger logger, int worker, string shard, string line);

        [LoggerMessage(EventIds.WorkerStrayLinesLeftOut, LogLevel.Warning, "Flusher worker {Worker} (shard {Shard}) left {Count} more such lines")]
        public static partial void StrayLinesLeftOut(ILogger logger, int worker, string shard, long count);
    }
}

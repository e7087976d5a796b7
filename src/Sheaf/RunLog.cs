using System.Globalization;
using Microsoft.Extensions.Logging;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>
/// Tells in the log how a run gets on: a line at an interval, and whatever an operator has to know, when it begins and when it is over: the buffer is away, the output takes
/// nothing, the buffer is full, segments are cut early, messages become dead letters. Owner: the run. It only looks; nothing waits for it.
/// </summary>
internal sealed partial class RunLog : IDisposable
{
    internal static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(250);
    /// <summary>
    /// Between two attempts the gate is open for a moment, and near the limit of the memory it closes and opens with every block that leaves: that is one time each, until it has
    /// been well for so long. Less than <see cref="Outage.ToldAfter"/>, or a short one would be told.
    /// </summary>
    private static readonly TimeSpan Settled = TimeSpan.FromMilliseconds(600);

    private static readonly TimeSpan CountInterval = TimeSpan.FromSeconds(1);

    private readonly ProcessSpansPlan _plan;
    private readonly ControlBlock _control;
    private readonly Supervision.ShardPlan _shards;
    private readonly IntakeGate _gate;
    private readonly RunBuffer _buffer;
    private readonly BufferTrouble _trouble;
    private readonly Func<RunSnapshot> _look;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Outage _bufferOutage;
    private readonly Outage _outputOutage;
    private readonly Outage _fullBuffer;
    private readonly CountWatch _cuts;
    private readonly CountWatch _deadLetters;
    private readonly Standstill[] _workers;
    private long _wasFullAt;
    private long _wasAwayAt;
    private RunSnapshot _before = new();
    private long _beforeAt;
    private long _countedAt;
    private TimeSpan _paused;
    private PauseReasons _pausedBy;

    public RunLog(
        ProcessSpansPlan plan, ControlBlock control, Supervision.ShardPlan shards, IntakeGate gate, RunBuffer buffer, BufferTrouble trouble, Func<RunSnapshot> look,
        TimeProvider time, ILogger<RunLog> logger)
    {
        _plan = plan;
        _control = control;
        _shards = shards;
        _gate = gate;
        _buffer = buffer;
        _trouble = trouble;
        _look = look;
        _time = time;
        _logger = logger;
        _bufferOutage = new Outage(time, TellBuffer);
        _outputOutage = new Outage(time, TellOutput);
        _fullBuffer = new Outage(time, TellFullBuffer);
        _cuts = new CountWatch(time, s_earlyCuts.Length);
        _deadLetters = new CountWatch(time, Enum.GetValues<SpanFaultKind>().Length);
        _workers = new Standstill[shards.Workers.Length];
        _beforeAt = _countedAt = time.GetTimestamp();
    }

    /// <summary>The reasons to close a segment before its deadline.</summary>
    private static readonly FlushReason[] s_earlyCuts = [FlushReason.BufferFull, FlushReason.MaxBytes];

    /// <summary>Everything is open and every worker is healthy.</summary>
    public void Started(string? librdkafka) => Log.Started(
        _logger, _plan.Input, _plan.Output, _plan.Shards, _buffer.Description, _shards.Workers.Length, Name(_plan.Isolation), DeadLetterPlace, librdkafka ?? "not used");

    /// <summary>Tells until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken ended)
    {
        while (!ended.IsCancellationRequested)
        {
            Look();
            await Task.Delay(LookInterval, _time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        LookAtOutages(); // what came back in the last moment
        LookAtCounts(_look());
    }

    /// <summary>To be called once in each <see cref="LookInterval"/>.</summary>
    internal void Look()
    {
        LookAtOutages();
        if (_time.GetElapsedTime(_countedAt) >= CountInterval)
        {
            _countedAt = _time.GetTimestamp();
            LookAtCounts(_look());
        }
        if (_plan.LogInterval > TimeSpan.Zero && _time.GetElapsedTime(_beforeAt) >= _plan.LogInterval) TellProgress();
    }

    public void Dispose()
    {
        _bufferOutage.Dispose();
        _outputOutage.Dispose();
        _fullBuffer.Dispose();
    }

    /// <summary>What is away or full now.</summary>
    private void LookAtOutages()
    {
        PauseReasons paused = _gate.Reasons;
        if (paused != PauseReasons.None)
        {
            _paused += LookInterval;
            _pausedBy |= paused;
        }

        string? why = _buffer.WhyAway;
        string? cause = why ?? (paused.HasFlag(PauseReasons.BufferUnavailable) ? _trouble.LastCause
            : IsAnyRecovering() ? "a flusher worker cannot take its shards over (log level debug has its reasons)" : null);
        if (cause is not null)
        {
            _wasAwayAt = _time.GetTimestamp();
            _bufferOutage.Failed(cause, begun: why is null ? TimeSpan.Zero : Outage.ToldAfter);
        }
        else if (_time.GetElapsedTime(_wasAwayAt) >= Settled)
        {
            _bufferOutage.Works();
        }

        if (paused.HasFlag(PauseReasons.BufferFull))
        {
            _wasFullAt = _time.GetTimestamp();
            _fullBuffer.Failed(_trouble.LastFullCause ?? "it has reached its limit (--max-buffer-bytes)");
        }
        else if (_time.GetElapsedTime(_wasFullAt) >= Settled)
        {
            _fullBuffer.Works();
        }

        if (_plan.KafkaOutput is not null) return; // its client tells by itself what is away
        TimeSpan longest = TimeSpan.Zero;
        for (int w = 0; w < _workers.Length; w++)
            if (StandstillOf(w) is var stands && stands > longest) longest = stands;
        if (longest > TimeSpan.Zero) _outputOutage.Failed(OutputCause, begun: longest);
        else _outputOutage.Works();
    }

    /// <summary>For how long a worker has been producing the same batch; zero while it does not.</summary>
    private TimeSpan StandstillOf(int worker)
    {
        ref Standstill at = ref _workers[worker];
        WorkerCells cells = _control.Worker(worker);
        long produced = 0;
        foreach (ShardId shard in _shards.Workers[worker].Shards) produced += _control.Shard(shard).ProducedBytes;
        if (cells.Phase != WorkerPhase.Producing || produced != at.Produced || at.Since == 0)
            at = new Standstill(produced, cells.Phase == WorkerPhase.Producing ? _time.GetTimestamp() : 0);
        return at.Since == 0 ? TimeSpan.Zero : _time.GetElapsedTime(at.Since);
    }

    private bool IsAnyRecovering()
    {
        for (int w = 0; w < _workers.Length; w++)
            if (_control.Worker(w).Phase == WorkerPhase.Recovering) return true;
        return false;
    }

    private void LookAtCounts(RunSnapshot now)
    {
        Span<long> cuts = stackalloc long[s_earlyCuts.Length];
        for (int i = 0; i < cuts.Length; i++) cuts[i] = now.SegmentsByReason[(int)s_earlyCuts[i]];
        if (_cuts.Look(cuts) is { } cut) TellCuts(cut);
        if (_deadLetters.Look(now.DeadLettersByKind) is { } letters) TellDeadLetters(letters, now);
        if (_logger.IsEnabled(LogLevel.Debug)) TellShards();
    }

    private void TellCuts(CountNews news)
    {
        if (news.Stage == CountStage.Ended) Log.CutsEnded(_logger, news.SinceBegan.Sum(), Listed(news.SinceBegan, NameOfReason));
        else Log.CutEarly(_logger, news.SinceTold.Sum(), Listed(news.SinceTold, NameOfReason));

        static string NameOfReason(int index) => s_earlyCuts[index].Name();
    }

    private void TellDeadLetters(CountNews news, RunSnapshot now)
    {
        if (news.SinceTold.Sum() is 0) return; // their end is no event of its own
        Log.DeadLettersKept(
            _logger, news.SinceTold.Sum(), Listed(news.SinceTold, kind => ((SpanFaultKind)kind).Name()), now.Counts.DeadLetters, now.Counts.Received, DeadLetterPlace);
    }

    private void TellProgress()
    {
        RunSnapshot now = _look();
        TimeSpan step = _time.GetElapsedTime(_beforeAt);
        LedgerCounts counts = now.Counts;
        Log.GoesOn(
            _logger,
            PerSecond(counts.Received - _before.Counts.Received, step), PerSecond(now.Segments - _before.Segments, step),
            ByteText.Of((now.BytesIn - _before.BytesIn) / step.TotalSeconds), ByteText.Of((now.BytesOut - _before.BytesOut) / step.TotalSeconds), Math.Round(step.TotalSeconds),
            counts.Buffered, ByteText.Of(now.BufferedBytes), Math.Round(now.Lag.TotalSeconds, 1),
            now.Unread is { } unread ? $", {unread} messages not read yet" : "", now.ShardsHere, _plan.Shards,
            Math.Round(_paused.TotalSeconds, 1), _paused > TimeSpan.Zero ? $" ({PauseText.Long(_pausedBy)})" : "", LedgerText(counts));
        _before = now;
        _beforeAt = _time.GetTimestamp();
        (_paused, _pausedBy) = (TimeSpan.Zero, PauseReasons.None);
    }

    /// <summary>The equation of the ledger with its numbers; what only some engines know is left out where it is 0.</summary>
    public static string LedgerText(LedgerCounts counts)
    {
        string text = $"received {counts.Received}";
        if (counts.CarriedOver != 0) text += $" + carried over {counts.CarriedOver}";
        text += $" = produced {counts.Produced} + buffered {counts.Buffered} + dead letters {counts.DeadLetters} + duplicates {counts.Duplicates} + dropped {counts.Dropped}";
        if (counts.Lost != 0) text += $" + lost {counts.Lost}";
        if (counts.HandedOver != 0) text += $" + handed over {counts.HandedOver}";
        return text;
    }

    private void TellShards()
    {
        for (int s = 0; s < _plan.Shards; s++)
        {
            ShardCells cells = _control.Shard(new ShardId(s));
            if (!cells.IsOwned || cells.ClockMs == long.MinValue) continue;
            Log.ShardState(_logger, s, cells.StoredThrough, cells.ClockMs, cells.FlushedThroughMs, cells.StoredSpans, cells.ProducedSpans);
        }
    }

    private void TellBuffer(OutageNews news)
    {
        if (news.Stage == OutageStage.Back) Log.BufferBack(_logger, _buffer.Description, Seconds(news));
        else Log.BufferAway(_logger, _buffer.Description, news.Since, Seconds(news), news.Cause);
    }

    private void TellOutput(OutageNews news)
    {
        if (news.Stage == OutageStage.Back) Log.OutputBack(_logger, _plan.Output, Seconds(news));
        else Log.OutputAway(_logger, _plan.Output, news.Since, Seconds(news), news.Cause);
    }

    private void TellFullBuffer(OutageNews news)
    {
        if (news.Stage == OutageStage.Back) Log.BufferHasRoom(_logger, Seconds(news));
        else Log.BufferFull(_logger, news.Since, Seconds(news), news.Cause);
    }

    private string OutputCause => _plan.Output == PathKind.Dash ? "whoever reads standard output pauses"
        : "a write does not come back: whoever reads it pauses, or its file system hangs";

    private string DeadLetterPlace => _plan.DeadLetter switch
    {
        DeadLetterTarget.File file => $"file:{file.Path}",
        DeadLetterTarget.Kafka kafka => $"kafka:{kafka.Topic}",
        _ => "no place: the first one stops the run", // DeadLetterTarget.Stop: the set is closed by its private constructor
    };

    private static string Name(FlusherIsolation isolation) => isolation switch
    {
        FlusherIsolation.Thread => "threads",
        FlusherIsolation.Process => "processes",
    };

    private static string Listed(long[] counts, Func<int, string> name) =>
        string.Join(", ", counts.Index().Where(count => count.Item > 0).Select(count => string.Create(CultureInfo.InvariantCulture, $"{name(count.Index)} {count.Item}")));

    private static double Seconds(OutageNews news) => Math.Round(news.Lasted.TotalSeconds, 1);

    private static double PerSecond(long count, TimeSpan step) => Math.Round(count / step.TotalSeconds, count < step.TotalSeconds * 10 ? 1 : 0);

    /// <summary>What a worker had produced when it was first seen producing, and when that was; 0: it was not.</summary>
    private readonly record struct Standstill(long Produced, long Since);

    private static partial class Log
    {
        [LoggerMessage(EventIds.RunStarted, LogLevel.Information,
            "Reading {Input} into {Output}: {Shards} shards, buffer {Buffer}, flusher workers {Workers} ({Isolation}), dead letters to {DeadLetters}, librdkafka {Librdkafka}")]
        public static partial void Started(
            ILogger logger, string input, string output, int shards, string buffer, int workers, string isolation, string deadLetters, string librdkafka);

        [LoggerMessage(EventIds.RunGoesOn, LogLevel.Information,
            "{SpansPerSecond} spans/s in ({BytesInPerSecond}/s), {SegmentsPerSecond} segments/s out ({BytesOutPerSecond}/s) over {Seconds} s; buffered {BufferedSpans} spans " +
            "({BufferedBytes}), lag {LagSeconds} s{Unread}, {ShardsHere} of {Shards} shards here, input paused for {PausedSeconds} s{PausedBecause}; {Ledger}")]
        public static partial void GoesOn(
            ILogger logger, double spansPerSecond, double segmentsPerSecond, string bytesInPerSecond, string bytesOutPerSecond, double seconds, long bufferedSpans,
            string bufferedBytes, double lagSeconds, string unread, int shardsHere, int shards, double pausedSeconds, string pausedBecause, string ledger);

        [LoggerMessage(EventIds.BufferUnavailable, LogLevel.Warning,
            "The buffer is away: {Buffer}, since {Since:O} ({Seconds} s): {Cause}. Nothing is lost: the input waits, what is buffered stays there, and all goes on by itself when it is back. " +
            "Does the server run, does it accept writes, and can it be reached from here?")]
        public static partial void BufferAway(ILogger logger, string buffer, DateTimeOffset since, double seconds, string cause);

        [LoggerMessage(EventIds.BufferAvailable, LogLevel.Warning, "The buffer is back: {Buffer}, after {Seconds} s; the run goes on")]
        public static partial void BufferBack(ILogger logger, string buffer, double seconds);

        [LoggerMessage(EventIds.OutputUnavailable, LogLevel.Warning,
            "The output takes nothing: {Output}, since {Since:O} ({Seconds} s): {Cause}. Nothing is lost: segments wait in the buffer, the input pauses when that lasts, " +
            "and all goes on by itself when the output takes them again")]
        public static partial void OutputAway(ILogger logger, string output, DateTimeOffset since, double seconds, string cause);

        [LoggerMessage(EventIds.OutputAvailable, LogLevel.Warning, "The output takes segments again: {Output}, after {Seconds} s")]
        public static partial void OutputBack(ILogger logger, string output, double seconds);

        [LoggerMessage(EventIds.IntakePausedByFullBuffer, LogLevel.Warning,
            "The input pauses: the buffer is full, since {Since:O} ({Seconds} s): {Cause}. Nothing is dropped. Where it lasts, give it more memory, or shorten timeout and root-timeout")]
        public static partial void BufferFull(ILogger logger, DateTimeOffset since, double seconds, string cause);

        [LoggerMessage(EventIds.IntakeResumedFromFullBuffer, LogLevel.Warning, "The input goes on: the buffer has had room again for a second, after {Seconds} s")]
        public static partial void BufferHasRoom(ILogger logger, double seconds);

        [LoggerMessage(EventIds.SegmentsCutEarly, LogLevel.Warning,
            "{Count} segments were cut before their deadline ({Reasons}); later spans of their traces leave as segments of their own. buffer_full: give the buffer more memory, or shorten " +
            "timeout and root-timeout; max_bytes: raise max-segment-bytes, or look for a client that sends huge traces")]
        public static partial void CutEarly(ILogger logger, long count, string reasons);

        [LoggerMessage(EventIds.SegmentCutsEnded, LogLevel.Warning, "Segments are no longer cut early; there were {Count} ({Reasons})")]
        public static partial void CutsEnded(ILogger logger, long count, string reasons);

        [LoggerMessage(EventIds.DeadLettersKept, LogLevel.Warning,
            "{Count} messages could not be used ({Reasons}); {Total} of {Received} in all. They are kept in {Place}; sheaf dlq list shows them")]
        public static partial void DeadLettersKept(ILogger logger, long count, string reasons, long total, long received, string place);

        [LoggerMessage(EventIds.ShardState, LogLevel.Debug,
            "Shard {Shard}: stored through {StoredThrough}, clock {ClockMs}, flushed through {FlushedThroughMs}, {StoredSpans} spans stored, {ProducedSpans} produced")]
        public static partial void ShardState(
            ILogger logger, int shard, long storedThrough, long clockMs, long flushedThroughMs, long storedSpans, long producedSpans);
    }
}

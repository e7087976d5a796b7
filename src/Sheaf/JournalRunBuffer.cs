using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Flushing;
using Sheaf.Journals;
using Sheaf.Redis;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>
/// Spans wait in the memory of the flusher workers, and in a journal in Redis, which outlives the run: what an earlier one has left there is gone on with, thrown away, or a reason not to start.
/// </summary>
internal sealed partial class JournalRunBuffer : RunBuffer
{
    private static readonly TimeSpan s_watching = TimeSpan.FromMilliseconds(250);

    private readonly RedisJournal _journal;
    private readonly JournalAppender _appender;
    private readonly BufferAddress _address;
    private readonly RedisJournalOptions _options;
    private readonly ProcessSpansPlan _plan;
    private readonly ControlBlock _control;
    private readonly ILogger _logger;
    private readonly BufferTrouble _trouble;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly long[] _carriedOver;
    private readonly long[] _handedOver;
    private readonly bool[] _holdsNothing; // by shard: the journal was empty when it was opened
    private readonly StoredPosition[] _stored;
    private Task _watching = Task.CompletedTask;
    private double _load;
    private volatile string? _whyAway;
    private bool _isDraining;

    private JournalRunBuffer(
        RedisJournal journal, RedisJournalOptions options, BufferAddress address, ProcessSpansPlan plan, ControlBlock control, BufferTrouble trouble, RunContext context)
        : base(control)
    {
        _journal = journal;
        _options = options;
        _address = address;
        _plan = plan;
        _control = control;
        _trouble = trouble;
        _time = context.Time;
        _logger = context.Logs.CreateLogger<JournalRunBuffer>();
        _appender = new JournalAppender(journal, control, CountLoss);
        _carriedOver = new long[control.ShardCount];
        _handedOver = new long[control.ShardCount];
        _holdsNothing = new bool[control.ShardCount];
        _stored = new StoredPosition[control.ShardCount];
        Array.Fill(_stored, StoredPosition.BeforeFirst);
    }

    public override ISpanAppender IngestClient => _appender;

    public override IReadOnlyList<StoredPosition> Stored => _stored;

    public override BufferAddress Address => _address;

    public override string HowToGoOn => _isDraining ? "it waits in Redis; run again with --drain" : "it waits in Redis; run again with --resume to go on, or with --discard to begin anew";

    public override string Description => $"{_options.Address}, {_journal.ServerVersion}";

    public override string? WhyAway => _whyAway;

    public override double Load => Volatile.Read(ref _load);

    public override int ShardCount => _control.ShardCount;

    public override bool OutlivesTheProcess => true;

    /// <summary>Looks at the server and at what it holds, and makes ready for a run.</summary>
    /// <exception cref="BufferUnavailableException">It does not answer.</exception>
    /// <exception cref="ConfigurationException">It will not do, or holds something that this run must be told what to do with.</exception>
    public static async ValueTask<JournalRunBuffer> OpenAsync(
        ProcessSpansPlan plan, BufferTarget.Redis target, ControlBlock control, BufferTrouble trouble, RunContext context, CancellationToken cancel)
    {
        BufferAddress address = AddressOf(plan, target);
        RedisJournalOptions options = WorkerBuffers.OptionsOf(address, target.Address, plan.Shards) with { MaxMemoryShare = plan.MaxMemoryShare };
        RedisJournal journal = await RedisJournal.OpenAsync(options, context.Time, cancel);
        var run = new JournalRunBuffer(journal, options, address, plan, control, trouble, context);
        try
        {
            if (plan.EarlierRun == EarlierRun.Drain) await run.BeginDrainAsync(cancel);
            else if (plan.KafkaInput is null) await run.BeginAsync(cancel); // else its shards come later, one by one
            run._watching = run.WatchAsync();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>As <see cref="OpenAsync"/>, and changes nothing.</summary>
    /// <param name="patience">How long the server may take.</param>
    /// <inheritdoc cref="OpenAsync" path="/exception"/>
    public static async ValueTask CheckAsync(ProcessSpansPlan plan, BufferTarget.Redis target, TimeSpan patience, CancellationToken cancel)
    {
        RedisJournalOptions options = WorkerBuffers.OptionsOf(AddressOf(plan, target), target.Address, plan.Shards) with { AnswerTimeout = patience };
        await using RedisJournal journal = await RedisJournal.OpenAsync(options, TimeProvider.System, cancel);
        if (plan.KafkaInput is null && plan.EarlierRun is EarlierRun.Refuse or EarlierRun.Resume) LeftBy(await LookAsync(journal, plan.Shards, cancel), plan, options);
    }

    public override long HandedOver(ShardId shard) => Volatile.Read(ref _handedOver[shard.Value]);

    public override long CarriedOver(ShardId shard) => Volatile.Read(ref _carriedOver[shard.Value]);

    public override WorkerClient OpenWorkerClient(int worker)
    {
        var client = new JournaledBuffer(
            _journal, new MemoryBuffer(_plan.Rules, _plan.Shards, _address.MaxBytes, keepsProgress: true), _control, worker, WorkerBuffers.OptionsOf(_address), _time,
            _trouble.Tell);
        return new WorkerClient(client, client.Fence);
    }

    public override BufferDepth Depth(ShardId shard)
    {
        ShardCells cells = _control.Shard(shard);
        return cells.IsOwned ? new BufferDepth(Expected(shard), cells.BufferedTraces, cells.BufferedBytes, cells.EarliestDeadlineMs)
            : new BufferDepth(Expected(shard), 0, 0, SegmentRules.Never);
    }

    public override async ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) =>
        new((await _journal.LookAsync(shard, cancel)).WaitingSpans, 0, 0, SegmentRules.Never);

    /// <summary>Whoever had the shard before has left behind how far its input is stored, and what waits.</summary>
    /// <exception cref="ConfigurationException">It is of another input.</exception>
    public override async ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel)
    {
        JournalShard opened = await _appender.OpenAsync(shard, cancel);
        _holdsNothing[shard.Value] = opened.Stored is null;
        if (opened.Stored is not { } stored) return null;
        if (opened.Origin.Source is { Length: > 0 } source && source != _options.Origin.Source)
            throw new ConfigurationException($"buffer: {_options.Address} holds what a run over {source} has left, and the input is {_options.Origin.Source}. Keep apart from it (--kafka-slice-id N), or remove its keys if nothing of value is buffered");
        ShardCells cells = _control.Shard(shard);
        cells.StoredThrough = stored.Offset;
        Volatile.Write(ref _carriedOver[shard.Value], _carriedOver[shard.Value] + opened.WaitingSpans);
        return stored;
    }

    /// <inheritdoc/>
    public override async ValueTask BeginAsync(ShardId shard, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        if (!_holdsNothing[shard.Value]) return;
        try
        {
            await _appender.BeginAsync(shard, stored, settled, cancel);
        }
        catch (ClaimLapsedException)
        {
            // It is somebody else's already: the group will say so, and the first block is told the same.
        }
    }

    /// <summary>What is stored need not be read again.</summary>
    public override long ReadOnFrom(ShardId shard) => _control.Shard(shard).StoredThrough + 1;

    /// <summary>By what was counted: to look would be too late, its next owner may be at work.</summary>
    public override void HandOver(ShardId shard) => Volatile.Write(ref _handedOver[shard.Value], _handedOver[shard.Value] + Expected(shard));

    /// <inheritdoc/>
    public override async ValueTask CompleteAsync(CancellationToken cancel)
    {
        await EndWatchingAsync();
        try
        {
            for (int s = 0; s < ShardCount; s++) await _journal.RemoveAsync(new ShardId(s), cancel);
        }
        catch (BufferUnavailableException e)
        {
            Log.JournalLeft(_logger, e.Message);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await EndWatchingAsync();
        _appender.Dispose();
        await _journal.DisposeAsync();
        _ending.Dispose();
    }

    private static BufferAddress AddressOf(ProcessSpansPlan plan, BufferTarget.Redis target) => new(target.Address.Text)
    {
        SliceId = plan.SliceId,
        TtlSeconds = (long)plan.RedisTtl.TotalSeconds,
        CompressionLevel = plan.CompressionLevel,
        MaxBytes = Math.Max(1, plan.MaxBufferBytes / Math.Clamp(plan.FlusherProcesses, 1, plan.Shards)),
        Source = SourceOf(plan),
        Format = plan.InputFormat,
    };

    /// <summary>A file by its full name, so that it is the same from every folder. A topic without its brokers, which are the same by many names.</summary>
    private static string SourceOf(ProcessSpansPlan plan) => plan.KafkaInput is { } kafka
        ? $"topic {kafka.Consumer.Address.Topic}, group {kafka.Consumer.Address.Group}"
        : plan.Input == PathKind.Dash ? "standard input" : Path.GetFullPath(plan.Input);

    private static async ValueTask<JournalShard[]> LookAsync(RedisJournal journal, int shards, CancellationToken cancel)
    {
        var looks = new JournalShard[shards];
        for (int s = 0; s < shards; s++) looks[s] = await journal.LookAsync(new ShardId(s), cancel);
        return looks;
    }

    private async ValueTask BeginAsync(CancellationToken cancel)
    {
        JournalShard[] looks = await LookAsync(_journal, ShardCount, cancel);
        if (_plan.EarlierRun == EarlierRun.Discard)
        {
            int all = Math.Max(ShardCount, looks.Max(look => look.Origin.Shards));
            for (int s = 0; s < all; s++) await _journal.RemoveAsync(new ShardId(s), cancel);
            looks = await LookAsync(_journal, ShardCount, cancel);
        }
        JournalShard? left = LeftBy(looks, _plan, _options);
        await TakeAllAsync(cancel);
        if (left is not null) Log.Resumed(_logger, left.Origin.Source, _stored.Min(position => position.Offset), _carriedOver.Sum());
    }

    /// <summary>What an earlier run over a file has left; null where none has.</summary>
    /// <exception cref="ConfigurationException">This run does not say what to do with it, or is not its continuation.</exception>
    private static JournalShard? LeftBy(JournalShard[] looks, ProcessSpansPlan plan, RedisJournalOptions options)
    {
        // A start that was refused after it had opened its shards has stored nothing.
        JournalShard? left = Array.Find(looks, look => look.Stored is { Offset: >= 0 });
        if (left is null && plan.EarlierRun == EarlierRun.Resume && OutputPath.HasContent(plan.Output))
        {
            // The input would be read from its begin, and all of it written a second time.
            throw new ConfigurationException(
                $"--resume: the buffer holds nothing to go on with, and {plan.Output} has content: the run that wrote it has finished, or the buffer has lost what "
                + "it held. To begin anew, leave --resume out and name another output, or --overwrite");
        }
        if (left is null) return null;
        if (plan.EarlierRun == EarlierRun.Refuse)
        {
            throw new ConfigurationException(
                $"buffer: {options.Address} holds what a run over {left.Origin.Source} has left that was cut off at line {left.Stored!.Value.Offset}. Go on with it (--resume, on the same input and output), throw it away (--discard), or keep apart from it (--kafka-slice-id N)");
        }
        if (left.Origin.Source != options.Origin.Source)
            throw new ConfigurationException($"--resume: what {options.Address} holds is of {left.Origin.Source}, and the input is {options.Origin.Source}. Name that input, or throw it away (--discard)");
        if (left.Origin.Shards != options.Origin.Shards)
            throw new ConfigurationException($"--resume: the run that was cut off had {left.Origin.Shards} shards, this one has {options.Origin.Shards}: traces would change theirs. Use --shards {left.Origin.Shards}");
        return left;
    }

    private async ValueTask TakeAllAsync(CancellationToken cancel)
    {
        for (int s = 0; s < ShardCount; s++)
        {
            var shard = new ShardId(s);
            if (await TakeAsync(shard, cancel) is { } stored) _stored[s] = stored;
            else await BeginAsync(shard, StoredPosition.BeforeFirst, SettledOffsets.None, cancel);
        }
    }

    /// <summary>Takes every shard, as one instance does that all partitions come to.</summary>
    private async ValueTask BeginDrainAsync(CancellationToken cancel)
    {
        _isDraining = true;
        await TakeAllAsync(cancel);
        Log.Draining(_logger, _options.Origin.Source, _carriedOver.Sum());
    }

    private void CountLoss(ShardId shard, string what) => _trouble.Tell(new BufferLostException($"journal of shard {shard}: {what}"));

    /// <summary>Asks now and then whether the server answers and how full it is, and sends again what a worker misses.</summary>
    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(s_watching, _time);
        try
        {
            for (int turn = 0; await timer.WaitForNextTickAsync(_ending.Token); turn++)
            {
                try
                {
                    await _appender.ResendAsync(_ending.Token);
                    if (turn % 4 != 0) continue;
                    Task asked = _journal.LookAsync(new ShardId(turn / 4 % ShardCount), _ending.Token).AsTask();
                    await asked.WaitAsync(Outage.ToldAfter, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    if (!asked.IsCompleted) _whyAway ??= $"it has not answered for {Outage.ToldAfter.TotalSeconds} s";
                    await asked;
                    Volatile.Write(ref _load, await _appender.LoadAsync(_ending.Token));
                    _whyAway = null;
                }
                catch (BufferUnavailableException e)
                {
                    _whyAway = e.Message; // what was seen last stands meanwhile
                }
                catch (ClaimLapsedException e)
                {
                    _trouble.Tell(e); // the next append is told the same
                }
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
        }
    }

    private async ValueTask EndWatchingAsync()
    {
        await _ending.CancelAsync();
        await _watching.WaitAsync(CancellationToken.None);
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.BufferResumed, LogLevel.Information, "Going on with {Source} behind line {Line}; {Spans} spans were buffered")]
        public static partial void Resumed(ILogger logger, string source, long line, long spans);

        [LoggerMessage(EventIds.BufferDrained, LogLevel.Information, "Draining what {Source} has left: {Spans} spans are buffered")]
        public static partial void Draining(ILogger logger, string source, long spans);

        [LoggerMessage(EventIds.BufferMarksLeft, LogLevel.Warning, "Everything is produced, but its journal could not be removed: {Reason}. The next run will ask for --discard")]
        public static partial void JournalLeft(ILogger logger, string reason);
    }
}

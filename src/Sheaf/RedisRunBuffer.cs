using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Flushing;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>Spans wait in Redis, which outlives the run: what an earlier one has left there is gone on with, thrown away, or a reason not to start.</summary>
/// <remarks>How many spans wait follows from what was counted; how many traces, and since when they are due, is asked once a second.</remarks>
internal sealed partial class RedisRunBuffer : RunBuffer
{
    private static readonly TimeSpan s_sampling = TimeSpan.FromSeconds(1);

    /// <summary>A server that does not answer makes nobody wait for long at the end of a run: what should be there is known anyway.</summary>
    private static readonly TimeSpan s_mostMeasuring = TimeSpan.FromSeconds(5);

    private readonly RedisBuffer _buffer;
    private readonly RedisSpanBuffer _ingest;
    private readonly RedisSpanBuffer _measuring;
    private readonly BufferAddress _address;
    private readonly RedisAddress _server;
    private readonly ControlBlock _control;
    private readonly Action<FaultPoint>? _faults;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly BufferDepth[] _carriedOver;
    private readonly BufferDepth[] _handedOver;
    private readonly string _source;
    private readonly SemaphoreSlim _turn = new(1, 1); // of the one who asks _buffer something
    private readonly StoredPosition[] _stored;
    private volatile ShardSample[] _samples;
    private Task _sampling = Task.CompletedTask;
    private double _load;
    private volatile string? _whyAway;
    private bool _isDraining;

    private RedisRunBuffer(
        RedisBuffer buffer, RedisBufferOptions options, BufferAddress address, ControlBlock control, Action<FaultPoint>? faults, RunContext context)
        : base(control)
    {
        _source = options.Source;
        _buffer = buffer;
        _address = address;
        _server = options.Address;
        _control = control;
        _faults = faults;
        _time = context.Time;
        _logger = context.Logs.CreateLogger<RedisRunBuffer>();
        _ingest = OpenClient();
        _measuring = new RedisSpanBuffer(
            options with { Client = options.Client with { OperationTimeout = s_mostMeasuring } }, shard => control.Shard(shard).StoredThrough);
        _carriedOver = new BufferDepth[control.ShardCount];
        _handedOver = new BufferDepth[control.ShardCount];
        _stored = new StoredPosition[control.ShardCount];
        Array.Fill(_stored, StoredPosition.BeforeFirst);
        _samples = new ShardSample[control.ShardCount];
        Array.Fill(_samples, new ShardSample(0, SegmentRules.Never));
    }

    public override ISpanBuffer IngestClient => _ingest;

    public override IReadOnlyList<StoredPosition> Stored => _stored;

    public override BufferAddress Address => _address;

    public override string HowToGoOn => _isDraining ? "it waits in Redis; run again with --drain" : "it waits in Redis; run again with --resume to go on, or with --discard to begin anew";

    public override string Description => $"{_server}, {_buffer.ServerVersion}";

    public override string? WhyAway => _whyAway;

    public override double Load => Volatile.Read(ref _load);

    /// <summary>Looks at the server and at what it holds, and makes ready for a run.</summary>
    /// <exception cref="BufferUnavailableException">It does not answer.</exception>
    /// <exception cref="ConfigurationException">It will not do, or holds something that this run must be told what to do with.</exception>
    public static async ValueTask<RedisRunBuffer> OpenAsync(
        ProcessSpansPlan plan, BufferTarget.Redis target, ControlBlock control, Action<FaultPoint>? faults, RunContext context, CancellationToken cancel)
    {
        RedisBufferOptions options = OptionsOf(plan, target);
        var run = new RedisRunBuffer(await RedisBuffer.OpenAsync(options, cancel), options, AddressOf(plan, target), control, faults, context);
        try
        {
            if (plan.EarlierRun == EarlierRun.Drain) await run.BeginDrainAsync(cancel);
            else if (plan.KafkaInput is null) await run.BeginAsync(plan, options, cancel);
            else await run._buffer.BeginAsync(cancel); // its shards come later, one by one
            run._sampling = run.SampleAsync();
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
        RedisBufferOptions options = OptionsOf(plan, target);
        options = options with { Client = options.Client with { OperationTimeout = patience } };
        await using RedisBuffer buffer = await RedisBuffer.OpenAsync(options, cancel);
        if (plan.KafkaInput is null && plan.EarlierRun is EarlierRun.Refuse or EarlierRun.Resume) LeftBy(await buffer.ReadStoredAsync(cancel), plan, options);
    }

    public override int ShardCount => _control.ShardCount;

    public override bool OutlivesTheProcess => true;

    public override long HandedOver(ShardId shard) => _handedOver[shard.Value].Spans;

    public override long CarriedOver(ShardId shard) => _carriedOver[shard.Value].Spans;

    public override WorkerClient OpenWorkerClient()
    {
        RedisSpanBuffer client = OpenClient();
        return new WorkerClient(client, client.Fence);
    }

    public override BufferDepth Depth(ShardId shard)
    {
        ShardCells cells = _control.Shard(shard);
        BufferDepth carried = _carriedOver[shard.Value], gone = _handedOver[shard.Value];
        ShardSample sample = _samples[shard.Value];
        return new BufferDepth(
            Math.Max(0, carried.Spans + cells.StoredSpans - cells.ProducedSpans - cells.DuplicateSpans - gone.Spans), cells.IsOwned ? sample.Traces : 0,
            Math.Max(0, carried.PayloadBytes + cells.StoredBytes - cells.FlushedBytes - gone.PayloadBytes), cells.IsOwned ? sample.EarliestDeadlineMs : SegmentRules.Never);
    }

    public override ValueTask<BufferDepth> MeasureAsync(ShardId shard, CancellationToken cancel) => _measuring.MeasureAsync(shard, cancel);

    /// <summary>Whoever had the shard before has left behind how far its input is stored, and what waits.</summary>
    /// <exception cref="ConfigurationException">It is of another input.</exception>
    public override async ValueTask<StoredPosition?> TakeAsync(ShardId shard, CancellationToken cancel)
    {
        StoredMark? mark = (await InTurnAsync(_buffer.ReadStoredAsync, cancel))[shard.Value];
        if (mark is not null && mark.Source != _source)
            throw new ConfigurationException($"buffer: {_server} holds what a run over {mark.Source} has left, and the input is {_source}. Keep apart from it (--kafka-slice-id N), or remove its keys if nothing of value is buffered");
        // From here on nobody else stores or claims: what is found now is what there is.
        mark = await _ingest.BeginTermAsync(shard, cancel);
        ShardCells cells = _control.Shard(shard);
        cells.StoredThrough = mark?.Position.Offset ?? StoredPosition.BeforeFirst.Offset; // what lies behind it does not count; nobody here claims yet
        BufferDepth found = await _measuring.MeasureAsync(shard, cancel);
        BufferDepth carried = _carriedOver[shard.Value];
        _carriedOver[shard.Value] = carried with { Spans = carried.Spans + found.Spans, PayloadBytes = carried.PayloadBytes + found.PayloadBytes };
        return mark?.Position;
    }

    /// <summary>The mark is there from the beginning: a group that has committed an offset of a shard without a mark has lost what it had stored.</summary>
    public override async ValueTask BeginAsync(ShardId shard, StoredPosition stored, SettledOffsets settled, CancellationToken cancel)
    {
        try
        {
            await _ingest.AppendAsync(new SpanBatch(shard) { Through = stored }, cancel);
        }
        catch (ClaimLapsedException)
        {
            // It is somebody else's already: the group will say so, and the first block is told the same.
        }
    }

    /// <summary>What is stored need not be read again.</summary>
    public override long ReadOnFrom(ShardId shard) => _control.Shard(shard).StoredThrough + 1;

    /// <summary>By what was counted: to look would be too late, its next owner may be at work.</summary>
    public override void HandOver(ShardId shard)
    {
        BufferDepth left = Depth(shard), before = _handedOver[shard.Value];
        _handedOver[shard.Value] = before with { Spans = before.Spans + left.Spans, PayloadBytes = before.PayloadBytes + left.PayloadBytes };
    }

    /// <inheritdoc/>
    public override async ValueTask CompleteAsync(CancellationToken cancel)
    {
        await EndSamplingAsync(); // it would touch the marks, and uses the same client
        try
        {
            await _buffer.ForgetAsync(cancel);
        }
        catch (BufferUnavailableException e)
        {
            Log.MarksLeft(_logger, e.Message);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await EndSamplingAsync();
        await _ingest.DisposeAsync();
        await _measuring.DisposeAsync();
        await _buffer.DisposeAsync();
        _ending.Dispose();
        _turn.Dispose();
    }

    private async ValueTask EndSamplingAsync()
    {
        await _ending.CancelAsync();
        await _sampling.WaitAsync(CancellationToken.None);
    }

    private async ValueTask<T> InTurnAsync<T>(Func<CancellationToken, ValueTask<T>> ask, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            return await ask(cancel);
        }
        finally
        {
            _turn.Release();
        }
    }

    private static BufferAddress AddressOf(ProcessSpansPlan plan, BufferTarget.Redis target) =>
        new(target.Address.Text, plan.SliceId, (long)plan.RedisTtl.TotalSeconds, plan.CompressionLevel);

    private static RedisBufferOptions OptionsOf(ProcessSpansPlan plan, BufferTarget.Redis target) =>
        WorkerBuffers.OptionsOf(AddressOf(plan, target), target.Address, plan.Rules, plan.Shards) with { MaxMemoryShare = plan.MaxMemoryShare, Source = SourceOf(plan) };

    /// <summary>A file by its full name, so that it is the same from every folder. A topic without its brokers, which are the same by many names.</summary>
    private static string SourceOf(ProcessSpansPlan plan) => plan.KafkaInput is { } kafka
        ? $"topic {kafka.Consumer.Address.Topic}, group {kafka.Consumer.Address.Group}"
        : SourceOf(plan.Input);

    private static string SourceOf(string input) => input == PathKind.Dash ? "standard input" : Path.GetFullPath(input);

    private RedisSpanBuffer OpenClient() => _buffer.OpenClient(shard => _control.Shard(shard).StoredThrough, _faults);

    private async ValueTask BeginAsync(ProcessSpansPlan plan, RedisBufferOptions options, CancellationToken cancel)
    {
        if (plan.EarlierRun == EarlierRun.Discard) await _buffer.DiscardAsync(cancel);
        StoredMark?[] marks = await _buffer.ReadStoredAsync(cancel);
        StoredMark? left = LeftBy(marks, plan, options);

        await _buffer.BeginAsync(cancel);
        for (int s = 0; s < marks.Length; s++)
        {
            ShardCells cells = _control.Shard(new ShardId(s));
            if (marks[s] is { } mark) _stored[s] = mark.Position;
            cells.StoredThrough = _stored[s].Offset;
            _carriedOver[s] = await _measuring.MeasureAsync(new ShardId(s), cancel);
        }
        int strange = left is null ? Array.FindIndex(await _buffer.SampleAsync(cancel), shard => shard.Traces > 0) : -1;
        if (strange >= 0)
            throw new ConfigurationException($"buffer: {options.Address} holds traces in shard {strange} that nobody has marked as his; throw them away (--discard), or keep apart from them (--kafka-slice-id N)");
        if (left is not null) Log.Resumed(_logger, left.Source, _stored.Min(position => position.Offset), _carriedOver.Sum(depth => depth.Spans));
    }

    /// <summary>What an earlier run over a file has left; null where none has.</summary>
    /// <exception cref="ConfigurationException">This run does not say what to do with it, or is not its continuation.</exception>
    private static StoredMark? LeftBy(StoredMark?[] marks, ProcessSpansPlan plan, RedisBufferOptions options)
    {
        StoredMark? left = Array.Find(marks, mark => mark is not null);
        if (left is not null && plan.EarlierRun == EarlierRun.Refuse)
        {
            throw new ConfigurationException(
                $"buffer: {options.Address} holds what a run over {left.Source} has left that was cut off at line {left.Position.Offset}. Go on with it (--resume, on the same input and output), throw it away (--discard), or keep apart from it (--kafka-slice-id N)");
        }
        if (left is not null && left.Source != options.Source)
            throw new ConfigurationException($"--resume: what {options.Address} holds is of {left.Source}, and the input is {options.Source}. Name that input, or throw it away (--discard)");
        if (left is not null && left.Shards != options.Shards)
            throw new ConfigurationException($"--resume: the run that was cut off had {left.Shards} shards, this one has {options.Shards}: traces would change theirs. Use --shards {left.Shards}");
        return left;
    }

    /// <summary>Takes every shard, as one instance does that all partitions come to.</summary>
    private async ValueTask BeginDrainAsync(CancellationToken cancel)
    {
        _isDraining = true;
        await _buffer.BeginAsync(cancel);
        for (int s = 0; s < _control.ShardCount; s++)
            if (await TakeAsync(new ShardId(s), cancel) is { } stored) _stored[s] = stored;
        Log.Draining(_logger, _source, _carriedOver.Sum(depth => depth.Spans));
    }

    private async Task SampleAsync()
    {
        using var timer = new PeriodicTimer(s_sampling, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_ending.Token))
            {
                try
                {
                    Task<ShardSample[]> asked = InTurnAsync(_buffer.SampleAsync, _ending.Token).AsTask();
                    await ((Task)asked).WaitAsync(Outage.ToldAfter, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    if (!asked.IsCompleted) _whyAway ??= $"it has not answered for {Outage.ToldAfter.TotalSeconds} s";
                    _samples = await asked;
                    Volatile.Write(ref _load, await InTurnAsync(_buffer.LoadAsync, _ending.Token));
                    _whyAway = null;
                }
                catch (BufferUnavailableException e)
                {
                    _whyAway = e.Message; // what was seen last stands meanwhile
                }
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.BufferResumed, LogLevel.Information, "Going on with {Source} behind line {Line}; {Spans} spans were buffered")]
        public static partial void Resumed(ILogger logger, string source, long line, long spans);

        [LoggerMessage(EventIds.BufferDrained, LogLevel.Information, "Draining what {Source} has left: {Spans} spans are buffered")]
        public static partial void Draining(ILogger logger, string source, long spans);

        [LoggerMessage(EventIds.BufferMarksLeft, LogLevel.Warning, "Everything is produced, but the marks of it could not be removed: {Reason}. The next run will ask for --discard")]
        public static partial void MarksLeft(ILogger logger, string reason);
    }
}

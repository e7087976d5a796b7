using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.TestKit.Running;

/// <summary>
/// The whole way in one process, with the shipped parts: messages, pipeline, memory engine, workers, sink. Only the supervisor is simpler: a worker
/// that throws is replaced at once. Runs once.
/// </summary>
public sealed class PipelineRun : IDisposable
{
    private readonly Random? _chance;
    private readonly WorkSignal[] _signals;
    private readonly int _workers;
    private readonly int _shards;

    /// <param name="chance">Cuts the input and delays everything at random; null: neither.</param>
    public PipelineRun(IReadOnlyList<TestMessage> input, SegmentRules rules, int shards = 1, int workers = 1, int lanes = 1, Random? chance = null)
    {
        _chance = chance;
        _shards = shards;
        _workers = Math.Min(workers, shards);
        Rules = rules;
        Options = new IngestOptions(shards, lanes);
        Source = new MessageListSource(input, chance);
        Sink = new RecordingSink(chance);
        Buffer = new MemoryBuffer(rules, shards, maxBytes: long.MaxValue);
        Control = new ControlBlock(_workers, shards);
        Counters = new IngestCounters(shards);
        _signals = [.. Enumerable.Range(0, _workers).Select(_ => new WorkSignal())];
    }

    public SegmentRules Rules { get; }

    public IngestOptions Options { get; init; }

    public ISpanSource Source { get; init; }

    public MemoryBuffer Buffer { get; init; }

    public RecordingSink Sink { get; }

    public DeadLetterList DeadLetters { get; } = new();

    public ControlBlock Control { get; }

    public IngestCounters Counters { get; }

    public IntakeGate Gate { get; } = new();

    public SheafMetrics Metrics { get; } = new();

    /// <summary>May be replaced while the run goes on.</summary>
    public IngestRules IngestRules { get; set; } = new(DropRules.None, new DeadLetterLimits(MaxRatio: 1, MaxConsecutive: 0));

    public FlusherOptions? FlusherOptions { get; init; }

    /// <summary>Called by the workers at every fault point; a throw kills the worker.</summary>
    public Action<FaultPoint>? Faults { get; init; }

    /// <summary>Workers that died and were replaced.</summary>
    public int Deaths { get; private set; }

    /// <summary>
    /// Runs the input through. When it has ended the clocks of all shards go on to <paramref name="endMs"/>, so that segments close at their deadlines; what is
    /// left then is flushed as at a shutdown.
    /// </summary>
    public async Task RunAsync(long? endMs = null, CancellationToken stop = default)
    {
        Task[] workers = [.. Enumerable.Range(0, _workers).Select(w => Task.Run(() => KeepWorkerAsync(w)))];
        try
        {
            using var pipeline = new IngestPipeline(
                Options, Source, Buffer.OpenClient(), Control, Counters, DeadLetters, () => IngestRules, Gate, shard => _signals[shard.Value % _workers].Set(),
                TimeProvider.System);
            await pipeline.RunAsync(stop).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
            if (endMs is { } end)
                for (int s = 0; s < _shards; s++) Control.Shard(new ShardId(s)).ClockMs = end;
        }
        finally
        {
            for (int w = 0; w < _workers; w++)
            {
                Control.Worker(w).Command = WorkerCommand.Drain;
                _signals[w].Set();
            }
            await Task.WhenAll(workers).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
        }
    }

    /// <summary>The distinct messages, sorted: what must be the same for the same input whatever happens on the way.</summary>
    public string[] DistinctBodies() => [.. Sink.Messages.Select(m => m.Body).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>received = produced + buffered + dead letters + duplicates + dropped, for every shard.</summary>
    public void AssertLedgerAddsUp()
    {
        for (int s = 0; s < _shards; s++)
        {
            var shard = new ShardId(s);
            ShardCells cells = Control.Shard(shard);
            var counts = new LedgerCounts(
                Counters.Received(shard), cells.ProducedSpans, Buffer.Measure(shard).Spans, Counters.DeadLetters(shard), cells.DuplicateSpans, Counters.Dropped(shard));
            Assert.True(counts.Balance == 0, $"shard {s}: {counts}");
        }
    }

    public void Dispose()
    {
        foreach (WorkSignal signal in _signals) signal.Dispose();
        Metrics.Dispose();
    }

    private async Task KeepWorkerAsync(int index)
    {
        ShardId[] shards = [.. Enumerable.Range(0, _shards).Where(s => s % _workers == index).Select(s => new ShardId(s))];
        FlusherOptions options = FlusherOptions ?? new FlusherOptions(Rules, MaxFlushSegments: _chance is null ? 500 : TestDelay.Next(_chance, 1, 40));
        while (true)
        {
            await using ISpanBuffer client = Buffer.OpenClient();
            var worker = new FlusherWorker(
                index, shards, Control, client, Sink, () => options, _signals[index], Metrics, TimeProvider.System, AtFaultPoint);
            try
            {
                await worker.RunAsync(CancellationToken.None);
                return;
            }
            catch (InjectedFaultException)
            {
                lock (DeadLetters) Deaths++;
            }
        }
    }

    private void AtFaultPoint(FaultPoint point)
    {
        if (_chance is not null && TestDelay.Next(_chance, 0, 10) == 0) Thread.SpinWait(2000);
        Faults?.Invoke(point);
    }
}

/// <summary>What a test throws to kill a worker.</summary>
public sealed class InjectedFaultException() : Exception("injected");

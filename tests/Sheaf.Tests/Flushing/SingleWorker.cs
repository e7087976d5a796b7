using System.Globalization;
using System.Text;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Ingesting;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.TestKit.Running;
using Sheaf.Tests.Supervision;

namespace Sheaf.Tests.Flushing;

/// <summary>One worker of one shard, over a buffer that a test fills first. Its clock stands still unless the test moves it.</summary>
internal sealed class SingleWorker : IDisposable
{
    /// <summary>The stream time at which tests begin.</summary>
    public const long Start = 1_700_000_000_000;

    private static readonly ShardId TheShard = new(0);
    private readonly WorkSignal _signal = new();
    private readonly SheafMetrics _metrics = new();
    private readonly FlusherWorker _worker;

    public SingleWorker(FlusherOptions options)
    {
        Options = options;
        Buffer = new MemoryBuffer(options.Rules, shardCount: 1, maxBytes: long.MaxValue);
        Client = Buffer.OpenClient();
        _worker = new FlusherWorker(0, [TheShard], Control, Client, Sink, () => Options, _signal, _metrics, Clock, point => At(point));
    }

    /// <summary>May be replaced while the worker runs.</summary>
    public FlusherOptions Options { get; set; }

    public MemoryBuffer Buffer { get; }

    public MemorySpanBuffer Client { get; }

    public RecordingSink Sink { get; } = new();

    public TestClock Clock { get; } = new();

    public ControlBlock Control { get; } = new(workers: 1, shards: 1);

    public WorkerCells Cells => Control.Worker(0);

    public ShardCells Shard => Control.Shard(TheShard);

    public long BufferedSpans => Buffer.Measure(TheShard).Spans;

    /// <summary>Called at every fault point, on the worker's thread.</summary>
    public Action<FaultPoint> At { get; set; } = _ => { };

    /// <summary>A root span of a trace of its own.</summary>
    public static TestMessage Root(int trace, long atMs, int size = 0) => Span(trace, id: trace, parent: null, atMs, size);

    /// <param name="trace">A small number that stands for a trace id.</param>
    /// <param name="size">Bytes of filler.</param>
    public static TestMessage Span(int trace, int id, int? parent, long atMs, int size = 0)
    {
        string parentText = parent is null ? "null" : $"\"{parent:x16}\"";
        string text = string.Create(CultureInfo.InvariantCulture,
            $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"{trace:x32}\",\"span_id\":\"{id:x16}\",\"parent_span_id\":{parentText},\"start_timestamp\":1,\"end_timestamp\":2.5,\"received\":3,\"retention_days\":90,\"status\":\"ok\",\"filler\":\"{new string('x', size)}\"}}");
        return new TestMessage(Encoding.UTF8.GetBytes(text), atMs, Shard: 0);
    }

    /// <summary>Buffers the messages and sets the shard's clock, as the pipeline does. Once.</summary>
    public async Task FillAsync(long clockMs, params TestMessage[] messages)
    {
        using var pipeline = new IngestPipeline(
            new IngestOptions(Shards: 1, Lanes: 1), new MessageListSource(messages), Buffer.OpenClient(), Control, new IngestCounters(1), new DeadLetterList(),
            () => new IngestRules(DropRules.None, new DeadLetterLimits(MaxConsecutive: 1)), new IntakeGate(), _ => { }, Clock);
        await pipeline.RunAsync(CancellationToken.None);
        Assert.Equal(messages.Length, BufferedSpans);
        MoveClock(clockMs);
    }

    /// <summary>Sets the shard's clock, as the pipeline does.</summary>
    public void MoveClock(long clockMs)
    {
        ShardCells cells = Shard;
        cells.ClockMs = clockMs;
    }

    /// <summary>Sets whether the oldest are to leave early, as the pipeline does.</summary>
    public void FlushOldest(bool value)
    {
        ShardCells cells = Shard;
        cells.FlushOldest = value;
    }

    /// <summary>Gives the shard to the worker or takes it away, as the pipeline does.</summary>
    public void Assign(long assignment)
    {
        ShardCells cells = Shard;
        cells.Assignment = assignment;
    }

    /// <summary>Waits while time passes for the worker.</summary>
    public Task EventuallyAsync(Func<bool> condition, string what) => Eventually.TrueAsync(condition, what, () =>
    {
        Clock.Advance(TimeSpan.FromMilliseconds(100));
        _signal.Set();
    });

    /// <summary>Tells the worker, as the supervisor does.</summary>
    public void Tell(WorkerCommand command)
    {
        WorkerCells cells = Cells;
        cells.Command = command;
    }

    /// <summary>Runs the worker until it ends.</summary>
    public Task RunAsync() => Task.Run(() => _worker.RunAsync(CancellationToken.None)).WaitAsync(Eventually.Patience);

    /// <summary>Runs the worker until nothing is due at the shard's clock, then stops it.</summary>
    public async Task RunUntilIdleAsync()
    {
        Task running = RunAsync();
        await Eventually.TrueAsync(() => running.IsCompleted || Shard.FlushedThroughMs == Shard.ClockMs, "the worker to have nothing to do");
        await Eventually.TrueAsync(() => running.IsCompleted || Cells.Phase == WorkerPhase.Waiting, "the worker to wait");
        Tell(WorkerCommand.Stop);
        _signal.Set();
        await running;
    }

    public void Dispose()
    {
        _signal.Dispose();
        _metrics.Dispose();
    }
}

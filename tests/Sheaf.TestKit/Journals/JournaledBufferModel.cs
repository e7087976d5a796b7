using System.Globalization;
using System.Text;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Journals;
using Sheaf.Segments;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.TestKit.Journals;

/// <summary>What a test can do to the server of a journal. All of it is done while no step is on its way.</summary>
/// <param name="Save">What the server holds now of the shard is what it comes back with.</param>
/// <param name="ComeBack">It comes back with what was saved; empty where nothing was.</param>
public sealed record JournalServer(Func<Task> Save, Func<Task> ComeBack);

/// <summary>
/// Random work on both sides of a shard's journal: appending, claiming, removing, settling, carrying forward; crashes of either side at any step, answers that do not arrive, zombies of either
/// side, and a server that comes back with less. It is held against what is obviously right: every span of the input leaves; a claimed trace has all its spans that are stored and have
/// not left; and what was settled never leaves again.
/// </summary>
/// <remarks>A crash is left out while the journal lacks something that only that process has, and so is the other order: that is the loss that no design mends.</remarks>
/// <param name="open">Another client of the journal.</param>
public sealed class JournaledBufferModel(int seed, Func<ValueTask<IJournal>> open, JournalServer server)
{
    private const int Traces = 6;
    private static readonly ShardId Shard = new(0);
    private static readonly SegmentRules Rules = new(TimeoutMs: 60_000, RootTimeoutMs: 10_000);
    private static readonly JournaledBufferOptions Options = new(SpanFormat.SentryJson, TimeSpan.FromMinutes(1)) 
    {
        SettleInterval = TimeSpan.FromSeconds(1),
        LeastCarriedBytes = 4000,
    };

    private readonly Random _random = new(seed);
    private readonly TestClock _time = new();
    private readonly List<Input> _input = []; // offset n at n - 1
    private readonly HashSet<long> _left = [];
    private IJournal _eye = null!;
    private Instance _now = null!;
    private Instance? _zombie;
    private JournaledBuffer? _zombieWorker;
    private bool _isShort; // the journal may lack what it has acknowledged
    private bool _hasVerified; // since the server has come back
    private bool _isQuiet; // no more faults
    private long _newestMs = 1_000_000;

    /// <summary>What was done, for whoever looks for a fault.</summary>
    public List<string> Steps { get; } = [];

    private sealed record Input(long Offset, int Trace, bool Root, long AtMs, byte[] Bytes);

    /// <summary>How often the server has come back with less, and it was noticed.</summary>
    public long Restored { get; private set; }

    /// <summary>How often entries were carried forward.</summary>
    public int Carried { get; private set; }

    public async Task RunAsync(int steps)
    {
        _eye = await open();
        _now = await StartAsync();
        for (int step = 0; step < steps; step++) await StepAsync();

        _isQuiet = true;
        _zombie = null;
        _zombieWorker = null;
        while (_now.Next <= _input.Count)
        {
            await AppendAsync(_now);
            await SettleAsync(now: true); // what the reader misses in the journal, the worker brings
        }
        for (int round = 0; (await _eye.LookAsync(Shard, default)).WaitingSpans > 0 || _isShort || round == 0; round++)
        {
            if (round == 200) Assert.Fail($"the journal is never empty: {await _eye.LookAsync(Shard, default)}, short: {_isShort}");
            await FlushAsync(long.MaxValue);
            await SettleAsync(now: true);
            await _now.Appender.ResendAsync(default);
            await LookForLossAsync();
        }
        Restored += _now.Cells.RestoredJournals;
        Assert.Equal(_input.Select(span => span.Offset), _left.Order());
        Assert.Empty(await _eye.ReadAsync(Shard, 0, 10, default));
    }

    private async Task StepAsync()
    {
        _time.Advance(TimeSpan.FromMilliseconds(_random.Next(400)));
        switch (_random.Next(24))
        {
            case < 8:
                await AppendAsync(_now);
                break;
            case < 10:
                await TryAsync(async () => await _now.Appender.ResendAsync(default));
                break;
            case < 16:
                await FlushAsync(_now.Cells.ClockMs);
                break;
            case < 18:
                await SettleAsync(now: _random.Next(2) == 0);
                break;
            case 18 when !_isShort:
                Steps.Add("worker dies");
                _zombieWorker = _now.Worker;
                _now.Worker = NewWorker(_now);
                break;
            case 19 when !_isShort && _random.Next(2) == 0:
                Steps.Add("both sides die");
                Restored += _now.Cells.RestoredJournals;
                (_zombie, _zombieWorker) = (_now, _now.Worker);
                _now = await StartAsync();
                break;
            case 20:
                Steps.Add("saves");
                await server.Save();
                break;
            case 21 when _now.IsReady && _random.Next(3) == 0:
                Steps.Add("comes back");
                await server.ComeBack();
                (_zombie, _zombieWorker) = (null, null); // a server that has forgotten a generation cannot refuse it
                (_isShort, _hasVerified) = (true, false);
                break;
            default:
                await BeZombiesAsync();
                break;
        }
        Steps.Add($"stored {_now.Cells.StoredThrough}, read {_now.Cells.ReadThrough}, short {_isShort}, ready {_now.IsReady}");
        if (_isShort) await LookForLossAsync();
    }

    /// <summary>A process with both sides of the shard: opens as a run does, and reads on behind what is stored.</summary>
    private async Task<Instance> StartAsync()
    {
        var journal = new UnsureJournal(await open(), this);
        var control = new ControlBlock(workers: 1, shards: 1);
        var appender = new JournalAppender(journal, control, (_, what) => Assert.Fail(what));
        JournalShard opened = await UntilDoneAsync(async () => await appender.OpenAsync(Shard, default));
        if (opened.Stored is null)
        {
            await UntilDoneAsync(async () =>
            {
                await appender.BeginAsync(Shard, new StoredPosition(0, StreamClock.NotStarted), SettledOffsets.None, default);
                return true;
            });
        }
        var instance = new Instance(control, journal, appender) { Next = Math.Max(0, opened.Stored?.Offset ?? 0) + 1 };
        ShardCells cells = instance.Cells;
        cells.StoredThrough = instance.Next - 1;
        cells.SetClock(opened.Stored?.Clock ?? StreamClock.NotStarted);
        instance.Worker = NewWorker(instance);
        return instance;
    }

    private JournaledBuffer NewWorker(Instance instance)
    {
        (instance.IsReady, instance.Removed) = (false, []);
        var memory = new MemoryBuffer(Rules, shardCount: 1, maxBytes: 1 << 30, keepsProgress: true);
        return new JournaledBuffer(instance.Journal, memory, instance.Control, worker: 0, Options, _time, trouble: _ => { });
    }

    /// <summary>Appends the next batch of the input; one that was not acknowledged is the next one still.</summary>
    private async Task AppendAsync(Instance instance)
    {
        if (instance.Pending is not { } batch)
        {
            int count = _random.Next(1, 6);
            while (!_isQuiet && _input.Count < instance.Next - 1 + count) AddInput();
            batch = instance.Pending = BatchOf(instance.Next, Math.Min(instance.Next - 1 + count, _input.Count));
        }
        if (!await TryAsync(async () => await instance.Appender.AppendAsync(batch, default))) return;
        ShardCells cells = instance.Cells;
        cells.StoredThrough = batch.Through.Offset;
        cells.SetClock(batch.Through.Clock);
        instance.Next = batch.Through.Offset + 1;
        instance.Pending = null;
    }

    /// <summary>Claims what is due and removes it, trace by trace or all at once.</summary>
    private async Task FlushAsync(long beforeMs)
    {
        if (!await TakeOverAsync()) return;
        Instance instance = _now;
        long stored = instance.Cells.StoredThrough;
        var claim = new ClaimBatch();
        if (!await TryWorkAsync(async () => await instance.Worker.ClaimAsync(Shard, beforeMs, _random.Next(1, 8), claim, default))) return;
        Assert.True(instance.Cells.ReadThrough >= stored, "a claim was given before the memory had what is stored");
        for (int t = 0; t < claim.TraceCount; t++) await AssertWholeAsync(instance, claim, t);
        for (int t = 0; t < claim.TraceCount; t++) claim.Traces[t].NextDeadlineMs = SegmentRules.Never;
        claim.Removed.Fill(true);
        int removed = _random.Next(2) == 0 ? claim.TraceCount : _random.Next(claim.TraceCount + 1); // or the worker dies in the middle
        if (removed > 0)
        {
            await instance.Worker.RemoveAsync(claim, ..removed, default);
            for (int t = 0; t < removed; t++)
            {
                foreach (ref readonly BufferedSpan span in claim.SpansOf(claim.Traces[t])) instance.Removed.Add(span.SourceOffset);
            }
        }
        _left.UnionWith(instance.Removed);
        if (removed < claim.TraceCount) instance.IsReady = false; // takes over again
    }

    private async Task AssertWholeAsync(Instance instance, ClaimBatch claim, int t)
    {
        ClaimedTrace trace = claim.Traces[t];
        long[] offsets = [.. claim.SpansOf(trace).ToArray().Select(span => span.SourceOffset)];
        long[] expected = [.. _input.Where(span => (ulong)span.Trace == trace.Key.TraceId.Low && span.Offset <= instance.Cells.ReadThrough
            && !instance.Settled(span.Offset) && !instance.Removed.Contains(span.Offset)).Select(span => span.Offset)];
        Assert.Equal(expected, offsets);
        await instance.Worker.ReadPayloadsAsync(claim, Enumerable.Range(trace.FirstSpan, trace.SpanCount).ToArray(), default);
        for (int i = trace.FirstSpan; i < trace.FirstSpan + trace.SpanCount; i++)
        {
            Input span = _input[(int)claim.Spans[i].SourceOffset - 1];
            Assert.True(instance.Worker.Payload(claim, i).SequenceEqual(span.Bytes));
            Assert.Equal(span.AtMs, claim.Spans[i].StreamTimeMs);
        }
    }

    private async Task SettleAsync(bool now)
    {
        if (!await TakeOverAsync()) return;
        if (await TryWorkAsync(async () => await _now.Worker.SettleAsync(now, default))) _hasVerified |= now;
    }

    /// <summary>A worker that begins, or that its journal has failed, takes its shards over first.</summary>
    private async Task<bool> TakeOverAsync()
    {
        Instance instance = _now;
        if (instance.IsReady) return true;
        return instance.IsReady = await TryAsync(async () => await instance.Worker.TakeOverAsync(new[] { Shard }, default));
    }

    private async Task<bool> TryWorkAsync(Func<Task> step) => _now.IsReady = await TryAsync(step);

    /// <summary>What a process does that others have taken for dead: nothing of it counts.</summary>
    private async Task BeZombiesAsync()
    {
        if (_zombieWorker is { } worker && _random.Next(2) == 0)
        {
            var claim = new ClaimBatch();
            await AssertRefusedAsync(async () =>
            {
                await worker.SettleAsync(now: true, default);
                await worker.ClaimAsync(Shard, long.MaxValue, 10, claim, default);
                claim.Removed.Fill(true);
                foreach (ref readonly BufferedSpan span in claim.Spans) _left.Add(span.SourceOffset); // until the next one has opened the shard, it counts
                await worker.RemoveAsync(claim, .., default);
                await worker.SettleAsync(now: true, default);
            }, orClaims: true);
        }
        if (_zombie is { Pending: null } reader)
        {
            while (_input.Count < reader.Next) AddInput();
            reader.Pending = BatchOf(reader.Next, reader.Next);
        }
        if (_zombie is { Pending: { } batch } zombie) await AssertRefusedAsync(async () => await zombie.Appender.AppendAsync(batch, default), orClaims: false);
    }

    private static async Task AssertRefusedAsync(Func<Task> step, bool orClaims)
    {
        try
        {
            await step();
        }
        catch (Exception e) when (e is BufferUnavailableException or ClaimLapsedException)
        {
            return;
        }
        Assert.True(orClaims, "a process that others have taken for dead has appended");
    }

    /// <summary>Whether the journal has everything again that it has acknowledged and that has not left.</summary>
    private async Task LookForLossAsync()
    {
        JournalShard holds = await _eye.LookAsync(Shard, default);
        long acknowledged = _now.Next - 1;
        if (!holds.IsWhole || holds.Stored is not { } stored || stored.Offset < acknowledged) return;
        var offsets = new HashSet<long>();
        var messages = new JournalMessages();
        for (long after = 0; await _eye.ReadAsync(Shard, after, 64, default) is { Count: > 0 } page; after = page[^1].Id)
        {
            foreach (JournalEntry entry in page)
            {
                _eye.Unpack(entry, messages);
                foreach (ref readonly JournalMessage message in messages.Messages) offsets.Add(message.SourceOffset);
            }
        }
        _isShort = _input.Take((int)acknowledged).Any(span => !_left.Contains(span.Offset) && !offsets.Contains(span.Offset));
        // Nothing may be missing but a step, which the worker still has to notice.
        _isShort |= !_now.IsReady || !_hasVerified;
    }

    private static async Task<bool> TryAsync(Func<Task> step)
    {
        try
        {
            await step();
            return true;
        }
        catch (BufferUnavailableException)
        {
            return false;
        }
    }

    private static async Task<T> UntilDoneAsync<T>(Func<Task<T>> step)
    {
        while (true)
        {
            try
            {
                return await step();
            }
            catch (BufferUnavailableException)
            {
                // Once more.
            }
        }
    }

    private void AddInput()
    {
        long offset = _input.Count + 1;
        _newestMs += _random.Next(20) == 0 ? 15_000 : _random.Next(900);
        int trace = _random.Next(1, Traces + 1);
        bool root = _random.Next(3) == 0;
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"{trace:x32}\",\"span_id\":\"{offset:x16}\",\"parent_span_id\":{(root ? "null" : "\"00000000000000ff\"")},\"start_timestamp\":1,\"end_timestamp\":2.5,\"received\":3,\"retention_days\":90,\"status\":\"ok\",\"filler\":\"{new string('x', _random.Next(3000))}\"}}");
        _input.Add(new Input(offset, trace, root, _newestMs, Encoding.UTF8.GetBytes(text)));
    }

    private SpanBatch BatchOf(long first, long last)
    {
        var batch = new SpanBatch(Shard);
        var block = new MemoryStream();
        batch.Reset(default);
        for (long offset = first; offset <= last; offset++)
        {
            Input input = _input[(int)offset - 1];
            var id = new SpanId((ulong)offset);
            batch.Add() = new TraceSpan
            {
                Trace = new TraceKey(1, new TraceId(0, (ulong)input.Trace)), SpanId = id, EffectiveParent = input.Root ? id : new SpanId(0xff), IsSegmentRoot = input.Root,
                StreamTimeMs = input.AtMs, SourceOffset = offset, PayloadStart = (int)block.Length, PayloadLength = input.Bytes.Length,
            };
            block.Write(input.Bytes);
        }
        batch.Refer(block.ToArray());
        batch.Through = new StoredPosition(last, _input[(int)last - 1].AtMs);
        return batch;
    }

    /// <summary>One process: the reader's side and the worker's, as they stand now.</summary>
    private sealed class Instance(ControlBlock control, UnsureJournal journal, JournalAppender appender)
    {
        public ControlBlock Control { get; } = control;

        public UnsureJournal Journal { get; } = journal;

        public JournalAppender Appender { get; } = appender;

        public JournaledBuffer Worker { get; set; } = null!;

        public ShardCells Cells => Control.Shard(Shard);

        /// <summary>The offset behind what the journal has acknowledged.</summary>
        public long Next { get; set; }

        /// <summary>The batch that is to be appended next.</summary>
        public SpanBatch? Pending { get; set; }

        /// <summary>The worker holds the shard, and nothing has failed it since.</summary>
        public bool IsReady { get; set; }

        /// <summary>What the worker has removed since it has opened the shard.</summary>
        public HashSet<long> Removed { get; set; } = [];

        /// <summary>Whether it was settled when the worker opened the shard.</summary>
        public bool Settled(long offset) => offset <= Journal.OpenedByWorker!.ReadOn || Journal.OpenedByWorker.Settled.Contains(offset);
    }

    /// <summary>A journal whose steps fail now and then: before they have happened, or after.</summary>
    private sealed class UnsureJournal(IJournal inner, JournaledBufferModel model) : IJournal
    {
        /// <summary>What the worker was told when it opened the shard last.</summary>
        public JournalShard? OpenedByWorker { get; private set; }

        public async ValueTask<JournalShard> OpenAsync(ShardId shard, JournalSide side, CancellationToken cancel)
        {
            JournalShard opened = await UnsureAsync(() => inner.OpenAsync(shard, side, cancel));
            if (side == JournalSide.Worker) OpenedByWorker = opened;
            return opened;
        }

        public ValueTask<JournalOutcome> RenewAsync(ShardId shard, JournalGeneration generation, CancellationToken cancel) =>
            UnsureAsync(() => inner.RenewAsync(shard, generation, cancel));

        public ValueTask<JournalShard> LookAsync(ShardId shard, CancellationToken cancel) => UnsureAsync(() => inner.LookAsync(shard, cancel));

        public ValueTask<JournalOutcome> BeginAsync(
            ShardId shard, JournalGeneration generation, StoredPosition stored, SettledOffsets settled, CancellationToken cancel) =>
            UnsureAsync(() => inner.BeginAsync(shard, generation, stored, settled, cancel));

        public JournalEntry Pack(SpanBatch batch, Range range, long first, StoredPosition through) => inner.Pack(batch, range, first, through);

        public ValueTask<JournalOutcome> AppendAsync(ShardId shard, JournalEntry entry, JournalGeneration generation, CancellationToken cancel) =>
            entry.Spans > 1 && model._random.Next(20) == 0 && !model._isQuiet
                ? new(JournalOutcome.TooLarge)
                : UnsureAsync(() => inner.AppendAsync(shard, entry, generation, cancel));

        public ValueTask<IReadOnlyList<JournalEntry>> ReadAsync(ShardId shard, long after, int most, CancellationToken cancel) =>
            UnsureAsync(() => inner.ReadAsync(shard, after, most, cancel));

        public void Unpack(in JournalEntry entry, JournalMessages into) => inner.Unpack(entry, into);

        public ValueTask<JournalOutcome> SettleAsync(
            ProgressSnapshot progress, ReadOnlyMemory<long> removed, long settledSpans, long readThrough, JournalGeneration generation, CancellationToken cancel) =>
            UnsureAsync(() => inner.SettleAsync(progress, removed, settledSpans, readThrough, generation, cancel));

        public ValueTask<JournalOutcome> VerifyAsync(ShardId shard, long readThrough, JournalGeneration generation, CancellationToken cancel) =>
            UnsureAsync(() => inner.VerifyAsync(shard, readThrough, generation, cancel));

        public ValueTask<(JournalOutcome Outcome, long Id)> CarryForwardAsync(
            ShardId shard, JournalEntry waiting, ReadOnlyMemory<long> replaced, long readThrough, JournalGeneration generation, CancellationToken cancel)
        {
            model.Carried++;
            return UnsureAsync(() => inner.CarryForwardAsync(shard, waiting, replaced, readThrough, generation, cancel));
        }

        public ValueTask<JournalOutcome> RestoreAsync(
            ProgressSnapshot progress, StoredPosition stored, IReadOnlyList<JournalEntry> entries, long waitingSpans, JournalGeneration generation,
            CancellationToken cancel) =>
            UnsureAsync(() => inner.RestoreAsync(progress, stored, entries, waitingSpans, generation, cancel));

        public ValueTask RemoveAsync(ShardId shard, CancellationToken cancel) => inner.RemoveAsync(shard, cancel);

        public ValueTask<double> LoadAsync(CancellationToken cancel) => inner.LoadAsync(cancel);

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private async ValueTask<T> UnsureAsync<T>(Func<ValueTask<T>> step, [System.Runtime.CompilerServices.CallerMemberName] string what = "")
        {
            int fate = model._isQuiet ? 0 : model._random.Next(16);
            if (fate == 1) model.Steps.Add($"  {what}: has not happened");
            if (fate == 1) throw new BufferUnavailableException("it has not happened");
            T answer = await step();
            Assert.True(model.Steps.Count < 20_000, "it goes on for ever");
            model.Steps.Add($"  {what}: {Text(answer)}{(fate == 2 ? ", has happened" : "")}");
            return fate == 2 ? throw new BufferUnavailableException("it has happened") : answer;
        }

        private static string Text(object? answer) => answer switch
        {
            IReadOnlyList<JournalEntry> entries => string.Join(' ', entries.Select(entry => $"{entry.Id}({entry.First}..{entry.Through.Offset})")),
            JournalShard shard => $"{shard.Generation.Side} {shard.Generation.Number}, stored {shard.Stored?.Offset}, settled up to {shard.ReadOn} and {shard.Settled.Count}",
            _ => $"{answer}",
        };
    }
}

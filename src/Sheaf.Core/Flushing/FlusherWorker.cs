using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;

namespace Sheaf.Flushing;

/// <summary>
/// Takes due segments of its shards from the buffer, produces them, removes them. It does not know whether it runs on a thread of the
/// parent or in a process of its own: the parent reaches it through the control block alone. One thread at a time.
/// </summary>
/// <remarks>
/// Where it dies, nothing is lost: until <see cref="ISpanClaimer.SettleAsync"/> the spans are in the buffer, or in the journal from which a successor
/// fills its own, and whoever takes the shards over flushes them again, as segments with the same flush ids.
/// </remarks>
public sealed class FlusherWorker
{
    private static readonly TimeSpan SignOfLife = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(1);

    private readonly int _index;
    private readonly ShardId[] _shards;
    private readonly long[] _held; // by index in _shards: the assignment that this worker acts on
    private readonly ShardId[] _taking;
    private readonly ControlBlock _control;
    private readonly ISpanClaimer _buffer;
    private readonly ISegmentSink _sink;
    private readonly Func<FlusherOptions> _options;
    private readonly WorkSignal _signal;
    private readonly SheafMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly Action<FaultPoint>? _faults;
    private readonly Action<SheafException>? _trouble;
    private readonly Accounting _accounting;
    private readonly SegmentAssembler _assembler;
    private readonly SegmentWriter _writer;
    private readonly string _shardTag;

    private readonly ClaimBatch _claim = new();
    private readonly List<AssembledTrace> _assembled = [];
    private readonly SegmentBatch _output = new();
    private readonly long[] _segments = new long[Enum.GetValues<FlushReason>().Length]; // by reason
    private readonly long[] _unsettled; // by index in _shards: spans that were removed, and are not settled
    private int _claimed; // index in _shards of the claim's shard
    private int[] _toWrite = new int[1024];

    /// <param name="buffer">This worker's own client; the caller disposes it.</param>
    /// <param name="sink">This worker's own client; the caller disposes it.</param>
    /// <param name="options">Read once per flush, so that a reload takes effect; the rules are those of the start.</param>
    /// <param name="faults">Called at every <see cref="FaultPoint"/>; null in production.</param>
    /// <param name="trouble">Told why the buffer has failed this worker, each time that it did; the worker goes on by itself.</param>
    public FlusherWorker(
        int index, IEnumerable<ShardId> shards, ControlBlock control, ISpanClaimer buffer, ISegmentSink sink, Func<FlusherOptions> options,
        WorkSignal signal, SheafMetrics metrics, TimeProvider time, Action<FaultPoint>? faults = null,
        Action<SheafException>? trouble = null)
    {
        _index = index;
        _shards = [.. shards];
        _held = new long[_shards.Length];
        Array.Fill(_held, long.MinValue);
        _taking = new ShardId[_shards.Length];
        _unsettled = new long[_shards.Length];
        _control = control;
        _buffer = buffer;
        _sink = sink;
        _options = options;
        _signal = signal;
        _metrics = metrics;
        _time = time;
        _faults = faults;
        _trouble = trouble;
        _accounting = new Accounting(control.Accounted(index));
        SegmentRules rules = options().Rules;
        _assembler = new SegmentAssembler(rules);
        _writer = new SegmentWriter(rules);
        _shardTag = string.Join(',', _shards);
    }

    /// <summary>Works until the parent says stop, or the input is drained. Throws when it cannot go on; the parent starts another one.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        Beat(WorkerPhase.Starting);
        await TakeOverAsync(why: null, cancel);
        WorkerCells cells = _control.Worker(_index);
        cells.HealthySince = _time.GetTimestamp();
        try
        {
            await WorkAsync(cancel);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // Its process was told to end, between two flushes.
            await LetAllGoAsync(cancel);
            throw;
        }
        Beat(WorkerPhase.Ended);
    }

    private async Task WorkAsync(CancellationToken cancel)
    {
        WorkerCells cells = _control.Worker(_index);
        while (true)
        {
            Beat(WorkerPhase.Claiming);
            WorkerCommand command = cells.Command;
            if (command == WorkerCommand.Stop)
            {
                await LetAllGoAsync(cancel);
                break;
            }
            bool more = false, isSettled;
            try
            {
                for (int i = 0; i < _shards.Length; i++)
                    more |= await FlushIfHeldAsync(i, command, cancel);
                isSettled = await SettleAsync(now: command == WorkerCommand.Drain && !more, cancel);
            }
            catch (SheafException e) when (e is BufferUnavailableException or TransactionAbortedException)
            {
                await TakeOverAsync(e, cancel);
                continue;
            }

            if (more)
            {
                BeBehind();
                continue;
            }
            if (isSettled && _accounting.ForgetInherited()) NothingIsUnremoved();
            cells.BackpressureSince = 0;
            if (command == WorkerCommand.Drain) break;
            Beat(WorkerPhase.Waiting);
            await _signal.WaitAsync(_options().IdleWait, cancel);
        }
    }

    /// <summary>Follows the shard's assignment, and flushes the shard while it is this process's. True where more may be due already.</summary>
    private async ValueTask<bool> FlushIfHeldAsync(int index, WorkerCommand command, CancellationToken cancel)
    {
        long assignment = _control.Shard(_shards[index]).Assignment;
        if (assignment < 0)
        {
            if (_held[index] > 0) await AliveAsync(_buffer.LetGoAsync(_shards[index], settles: true, cancel), cancel);
            Hold(index, assignment);
            return false;
        }
        _claimed = index;
        try
        {
            if (assignment != Math.Abs(_held[index]))
            {
                _taking[0] = _shards[index];
                await AliveAsync(_buffer.TakeOverAsync(_taking.AsMemory(0, 1), cancel), cancel);
                Hold(index, assignment);
            }
            return _held[index] == assignment && await FlushShardAsync(_shards[index], command, cancel);
        }
        catch (ClaimLapsedException e) when (assignment > 0 && !cancel.IsCancellationRequested)
        {
            // Another process was given the shard. To take it back would only be answered in kind; this one will be told.
            _trouble?.Invoke(e);
            _output.Clear();
            _accounting.Inherit();
            await _buffer.LetGoAsync(_shards[index], settles: false, cancel);
            Hold(index, -assignment);
            return false;
        }
    }

    /// <summary>From now on this worker acts on the shard under this assignment, and everybody can see that it does.</summary>
    private void Hold(int index, long assignment)
    {
        if (_held[index] == assignment) return;
        ShardCells cells = _control.Shard(_shards[index]);
        if (assignment > 0 && cells.HeldAssignment != assignment)
        {
            // These were of another life of the shard.
            cells.FlushedThroughMs = long.MinValue;
            cells.UnremovedSpans = 0;
            _unsettled[index] = 0;
        }
        _held[index] = assignment;
        cells.HeldAssignment = assignment;
    }

    /// <summary>
    /// Takes the shards over, trying until the buffer lets it, while showing signs of life and being behind. What was claimed is due again then; what was produced of
    /// it leaves once more, with the same flush ids.
    /// </summary>
    /// <param name="why">What the buffer has failed with; null at the start.</param>
    private async ValueTask TakeOverAsync(SheafException? why, CancellationToken cancel)
    {
        TimeSpan delay = ShortestRetry;
        _output.Clear();
        while (true)
        {
            if (why is not null)
            {
                _trouble?.Invoke(why);
                Beat(WorkerPhase.Recovering);
                BeBehind();
                if (_control.Worker(_index).Command == WorkerCommand.Stop) throw why;
                await AliveAsync(new ValueTask(Task.Delay(delay, _time, cancel)), cancel);
                delay = delay < LongestRetry ? 2 * delay : LongestRetry;
            }
            try
            {
                await TakeOverOwnedAsync(cancel);
                // A dead predecessor's claims and this worker's own are alike now.
                _accounting.Inherit();
                return;
            }
            catch (BufferUnavailableException e)
            {
                why = e; // no fault of this worker: ending would cost one of its restarts
            }
        }
    }

    private async ValueTask TakeOverOwnedAsync(CancellationToken cancel)
    {
        long[] assignments = new long[_shards.Length];
        int count = 0;
        for (int i = 0; i < _shards.Length; i++)
        {
            ShardCells cells = _control.Shard(_shards[i]);
            assignments[i] = cells.Assignment;
            // What another process has taken over stays its own.
            if (assignments[i] > 0 && cells.HeldAssignment == -assignments[i]) assignments[i] = -assignments[i];
            if (assignments[i] >= 0) _taking[count++] = _shards[i];
            else await LetGoAtOnceAsync(i, assignments[i], cancel);
        }
        if (count > 0) await AliveAsync(_buffer.TakeOverAsync(_taking.AsMemory(0, count), cancel), cancel);
        for (int i = 0; i < _shards.Length; i++) Hold(i, assignments[i]);
    }

    /// <summary>Whoever waits for that must not have to wait for the buffer.</summary>
    private async ValueTask LetGoAtOnceAsync(int index, long assignment, CancellationToken cancel)
    {
        if (_held[index] > 0) await _buffer.LetGoAsync(_shards[index], settles: false, cancel);
        Hold(index, assignment);
    }

    /// <summary>Before this worker ends: what has left is settled, so that nobody meets it again.</summary>
    private async ValueTask LetAllGoAsync(CancellationToken cancel)
    {
        try
        {
            await SettleAsync(now: true, cancel);
        }
        catch (SheafException e) when (e is BufferUnavailableException or ClaimLapsedException)
        {
            _trouble?.Invoke(e); // then it leaves once more
        }
    }

    /// <summary>Settles what was removed; it needs not be remembered then. False where it is too early for that.</summary>
    private async ValueTask<bool> SettleAsync(bool now, CancellationToken cancel)
    {
        ValueTask<bool> settling = _buffer.SettleAsync(now || _accounting.IsNearlyFull, cancel);
        bool isSettled;
        if (settling.IsCompleted) isSettled = await settling;
        else
        {
            Task<bool> task = settling.AsTask();
            await AliveAsync(new ValueTask(task), cancel);
            isSettled = await task;
        }
        if (!isSettled) return false;
        _accounting.Forget();
        bool any = false;
        for (int i = 0; i < _shards.Length; i++)
        {
            if (_unsettled[i] == 0) continue;
            ShardCells cells = _control.Shard(_shards[i]);
            cells.UnremovedSpans = Math.Max(0, cells.UnremovedSpans - _unsettled[i]);
            _unsettled[i] = 0;
            any = true;
        }
        if (any) _faults?.Invoke(FaultPoint.AfterSettle);
        return true;
    }

    /// <summary>Awaits what may take long, showing signs of life. A call that blocks the thread itself shows none.</summary>
    private async ValueTask AliveAsync(ValueTask operation, CancellationToken cancel)
    {
        if (operation.IsCompleted)
        {
            await operation;
            return;
        }
        Task task = operation.AsTask();
        WorkerPhase phase = _control.Worker(_index).Phase;
        while (!task.IsCompleted)
        {
            await task.WaitAsync(SignOfLife, _time, cancel)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancel.ThrowIfCancellationRequested();
            Beat(phase);
        }
        await task;
    }

    /// <summary>One claim and what follows from it. True where more may be due already.</summary>
    private async ValueTask<bool> FlushShardAsync(ShardId shard, WorkerCommand command, CancellationToken cancel)
    {
        ShardCells cells = _control.Shard(shard);
        long clock = cells.ClockMs;
        long leapt = cells.LeaptMs;
        bool drain = command == WorkerCommand.Drain;
        bool oldest = !drain && cells.FlushOldest;
        if (clock == long.MinValue || (clock == cells.FlushedThroughMs && !drain && !oldest)) return false;

        FlusherOptions options = _options();
        await AliveAsync(_buffer.ClaimAsync(shard, drain ? long.MaxValue : clock, options.MaxFlushSegments, _claim, cancel), cancel);
        FlushReason? closeAll = drain ? FlushReason.Shutdown : null;
        if (_claim.TraceCount == 0 && oldest)
        {
            // Nothing is due any more: now the oldest of what is not.
            closeAll = FlushReason.BufferFull;
            await AliveAsync(_buffer.ClaimAsync(shard, long.MaxValue, options.MaxFlushSegments, _claim, cancel), cancel);
        }
        _faults?.Invoke(FaultPoint.AfterClaim);

        int done = 0, removed = 0;
        while (done < _claim.TraceCount)
        {
            done = await ProduceTracesAsync(done, clock, leapt, closeAll, options, cancel);
            // A transaction costs the same whatever is in it: so one for the whole claim. Otherwise what is produced is removed while it is still in the processor's cache.
            if (_sink.IsTransactional && done < _claim.TraceCount) continue;
            await RemoveAsync(removed..done, cancel);
            removed = done;
        }

        // A full claim may have left due traces behind; anything less has not.
        bool more = _claim.TraceCount >= options.MaxFlushSegments || (drain && _claim.TraceCount > 0);
        if (!more) cells.FlushedThroughMs = clock;
        return more;
    }

    /// <summary>Assembles, writes and produces claimed traces from this one on, as many as make a good batch. Returns the next one.</summary>
    private async ValueTask<int> ProduceTracesAsync(int first, long clock, long leapt, FlushReason? closeAll, FlusherOptions options, CancellationToken cancel)
    {
        Beat(WorkerPhase.Assembling);
        int end = Assemble(first, clock, leapt, closeAll, options.ProduceBytes, out int toWrite);
        await AliveAsync(_buffer.ReadPayloadsAsync(_claim, _toWrite.AsMemory(0, toWrite), cancel), cancel);
        for (int trace = first; trace < end; trace++)
        {
            AssembledTrace assembled = _assembled[trace - first];
            for (int segment = 0; segment < assembled.Segments.Length; segment++)
            {
                _writer.Write(_buffer, _claim, _claim.Traces[trace], assembled.Segments[segment], assembled.MembersOf(assembled.Segments[segment]), _output);
                // One huge trace must not become one huge batch. What is produced early is removed with the rest of its trace.
                if (_output.Length >= 8 * options.ProduceBytes) await ProduceAsync(cancel);
            }
        }
        await ProduceAsync(cancel);
        CountCopies(first, end);
        return end;
    }

    private async ValueTask RemoveAsync(Range traces, CancellationToken cancel)
    {
        if (_sink.IsTransactional) _faults?.Invoke(FaultPoint.BeforeCommit);
        await AliveAsync(_sink.CompleteAsync(_claim, traces, cancel), cancel);
        _faults?.Invoke(FaultPoint.AfterProduceBeforeRemove);
        Beat(WorkerPhase.Removing);
        await AliveAsync(_buffer.RemoveAsync(_claim, traces, cancel), cancel);
        foreach (ref readonly ClaimedTrace trace in _claim.Traces[traces])
            _unsettled[_claimed] += _claim.Removed.Slice(trace.FirstSpan, trace.SpanCount).Count(true);
        _faults?.Invoke(FaultPoint.AfterRemove);
        await SettleAsync(now: false, cancel);
    }

    private int Assemble(int first, long clock, long leapt, FlushReason? closeAll, int produceBytes, out int toWrite)
    {
        toWrite = 0;
        long bytes = 0;
        int trace = first;
        for (; trace < _claim.TraceCount && bytes < produceBytes; trace++)
        {
            if (trace - first == _assembled.Count) _assembled.Add(new AssembledTrace());
            AssembledTrace assembled = _assembled[trace - first];
            ref ClaimedTrace claimed = ref _claim.Traces[trace];
            ReadOnlySpan<BufferedSpan> spans = _claim.SpansOf(claimed);
            _assembler.Assemble(spans, clock, leapt, closeAll, assembled);

            claimed.NextDeadlineMs = assembled.NextDeadlineMs;
            Span<bool> removed = _claim.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
            foreach (int span in assembled.Duplicates) removed[span] = true;
            foreach (int span in assembled.Redelivered) removed[span] = true;
            if (toWrite + assembled.Members.Length > _toWrite.Length)
                Array.Resize(ref _toWrite, Math.Max(2 * _toWrite.Length, toWrite + assembled.Members.Length));
            foreach (int span in assembled.Members)
            {
                removed[span] = true;
                bytes += spans[span].PayloadLength;
                _toWrite[toWrite++] = claimed.FirstSpan + span;
            }
        }
        return trace;
    }

    private async ValueTask ProduceAsync(CancellationToken cancel)
    {
        if (_output.Length == 0) return;
        _faults?.Invoke(FaultPoint.BeforeProduce);
        Beat(WorkerPhase.Producing);
        long start = _time.GetTimestamp();
        ValueTask producing = _sink.ProduceAsync(_output, cancel);
        // An output that makes its writers wait (a pipe whose reader pauses, a broker that is away) is not a hang: the worker lives and says so,
        // and it is behind, so that the input pauses.
        if (!producing.IsCompleted) BeBehind();
        await AliveAsync(producing, cancel);
        CountProduced();
        _metrics.Produced(_shardTag, _output, _time.GetElapsedTime(start));
        _output.Clear();
    }

    private void CountProduced()
    {
        long spans = 0, payloadBytes = 0;
        Array.Clear(_segments);
        long oversized = 0, repeated = 0;
        bool repeats = false; // parts of a segment follow each other
        ShardCells cells = _control.Shard(_claim.Shard);
        long assignment = cells.HeldAssignment;
        ReadOnlySpan<SegmentMessage> messages = _output.Messages;
        for (int i = 0; i < messages.Length; i++)
        {
            ref readonly SegmentMessage message = ref messages[i];
            bool isNew = _accounting.TryAdd(message, assignment);
            if (isNew)
            {
                spans += message.SpanCount;
                payloadBytes += message.PayloadBytes;
            }
            if (message.BeginsSegment)
            {
                repeats = !isNew;
                if (repeats) repeated++;
                else _segments[(int)message.Reason]++;
            }
            else if (!repeats && messages[i - 1].BeginsSegment)
            {
                oversized++; // all its parts are in one batch
            }
        }
        cells.UnremovedSpans += spans;
        _accounting.Publish();
        cells.ProducedSpans += spans;
        cells.FlushedBytes += payloadBytes;
        cells.ProducedBytes += _output.Length - messages.Length; // the line feeds between them are no part of them
        cells.OversizedSegments += oversized;
        cells.RepeatedSegments += repeated;
        for (int reason = 0; reason < _segments.Length; reason++)
            if (_segments[reason] > 0) cells.AddSegments((FlushReason)reason, _segments[reason]);
    }

    /// <summary>Copies are removed without being produced. They count before they go, as what is produced does.</summary>
    private void CountCopies(int first, int end)
    {
        long copies = 0, payloadBytes = 0;
        ShardCells cells = _control.Shard(_claim.Shard);
        for (int trace = first; trace < end; trace++)
        {
            AssembledTrace assembled = _assembled[trace - first];
            if (assembled.Duplicates.IsEmpty) continue;
            ClaimedTrace claimed = _claim.Traces[trace];
            ReadOnlySpan<BufferedSpan> spans = _claim.SpansOf(claimed);
            foreach (int span in assembled.Duplicates)
            {
                if (!_accounting.TryAddCopy(claimed.Key, spans[span].SourceOffset, cells.HeldAssignment)) continue;
                copies++;
                payloadBytes += spans[span].PayloadLength;
            }
        }
        if (copies == 0) return;
        cells.UnremovedSpans += copies;
        _accounting.Publish();
        cells.DuplicateSpans += copies;
        cells.FlushedBytes += payloadBytes;
    }

    /// <summary>But for the shards that were let go: what is handed over of those is still to be counted, without what had been produced.</summary>
    private void NothingIsUnremoved()
    {
        for (int i = 0; i < _shards.Length; i++)
        {
            if (_held[i] < 0) continue;
            ShardCells cells = _control.Shard(_shards[i]);
            cells.UnremovedSpans = 0;
        }
    }

    private void BeBehind()
    {
        WorkerCells cells = _control.Worker(_index);
        if (cells.BackpressureSince == 0) cells.BackpressureSince = _time.GetTimestamp();
    }

    private void Beat(WorkerPhase phase)
    {
        WorkerCells cells = _control.Worker(_index);
        cells.Phase = phase;
        cells.Heartbeat = _time.GetTimestamp();
    }
}

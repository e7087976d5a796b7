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
/// Where it dies, nothing is lost: until <see cref="ISpanBuffer.RemoveAsync"/> the spans are in the buffer, and whoever takes the shards over flushes
/// them again, as segments with the same flush ids.
/// </remarks>
public sealed class FlusherWorker
{
    private static readonly TimeSpan SignOfLife = TimeSpan.FromMilliseconds(250);

    private readonly int _index;
    private readonly ShardId[] _shards;
    private readonly ControlBlock _control;
    private readonly ISpanBuffer _buffer;
    private readonly ISegmentSink _sink;
    private readonly Func<FlusherOptions> _options;
    private readonly WorkSignal _signal;
    private readonly SheafMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly Action<FaultPoint>? _faults;
    private readonly SegmentAssembler _assembler;
    private readonly SegmentWriter _writer;
    private readonly string _shardTag;

    private readonly ClaimBatch _claim = new();
    private readonly List<AssembledTrace> _assembled = [];
    private readonly SegmentBatch _output = new();
    private readonly long[] _segmentsByReason = new long[Enum.GetValues<FlushReason>().Length];
    private int[] _toWrite = new int[1024];
    private long _oversized;

    /// <param name="buffer">This worker's own client; the caller disposes it.</param>
    /// <param name="sink">This worker's own client; the caller disposes it.</param>
    /// <param name="options">Read once per flush, so that a reload takes effect; the rules are those of the start.</param>
    /// <param name="faults">Called at every <see cref="FaultPoint"/>; null in production.</param>
    public FlusherWorker(
        int index, IEnumerable<ShardId> shards, ControlBlock control, ISpanBuffer buffer, ISegmentSink sink, Func<FlusherOptions> options,
        WorkSignal signal, SheafMetrics metrics, TimeProvider time, Action<FaultPoint>? faults = null)
    {
        _index = index;
        _shards = [.. shards];
        _control = control;
        _buffer = buffer;
        _sink = sink;
        _options = options;
        _signal = signal;
        _metrics = metrics;
        _time = time;
        _faults = faults;
        SegmentRules rules = options().Rules;
        _assembler = new SegmentAssembler(rules);
        _writer = new SegmentWriter(rules);
        _shardTag = string.Join(',', _shards);
    }

    /// <summary>Works until the parent says stop, or the input is drained. Throws when it cannot go on; the parent starts another one.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        WorkerCells cells = _control.Worker(_index);
        Beat(WorkerPhase.Starting);
        await _buffer.TakeOverAsync(_shards, cancel);
        cells.HealthySince = _time.GetTimestamp();
        while (true)
        {
            Beat(WorkerPhase.Claiming);
            WorkerCommand command = cells.Command;
            if (command == WorkerCommand.Stop) break;
            bool more = false;
            foreach (ShardId shard in _shards)
                more |= await FlushShardAsync(shard, command, cancel);

            if (more)
            {
                BeBehind();
                continue;
            }
            cells.BackpressureSince = 0;
            if (command == WorkerCommand.Drain) break;
            Beat(WorkerPhase.Waiting);
            await _signal.WaitAsync(_options().IdleWait, cancel);
        }
        Beat(WorkerPhase.Ended);
    }

    /// <summary>One claim and what follows from it. True where more may be due already.</summary>
    private async ValueTask<bool> FlushShardAsync(ShardId shard, WorkerCommand command, CancellationToken cancel)
    {
        ShardCells cells = _control.Shard(shard);
        long clock = cells.ClockMs;
        bool drain = command == WorkerCommand.Drain;
        bool oldest = !drain && cells.FlushOldest;
        if (clock == long.MinValue || (clock == cells.FlushedThroughMs && !drain && !oldest)) return false;

        FlusherOptions options = _options();
        await _buffer.ClaimAsync(shard, drain ? long.MaxValue : clock, options.MaxFlushSegments, _claim, cancel);
        FlushReason? closeAll = drain ? FlushReason.Shutdown : null;
        if (_claim.TraceCount == 0 && oldest)
        {
            // Nothing is due any more: now the oldest of what is not.
            closeAll = FlushReason.BufferFull;
            await _buffer.ClaimAsync(shard, long.MaxValue, options.MaxFlushSegments, _claim, cancel);
        }
        _faults?.Invoke(FaultPoint.AfterClaim);

        int done = 0;
        while (done < _claim.TraceCount)
            done = await FlushTracesAsync(done, clock, closeAll, options, cancel);

        // A full claim may have left due traces behind; anything less has not.
        bool more = _claim.TraceCount >= options.MaxFlushSegments || (drain && _claim.TraceCount > 0);
        if (!more) cells.FlushedThroughMs = clock;
        return more;
    }

    /// <summary>Assembles, writes, produces and removes claimed traces from this one on, as many as make a good batch. Returns the next one.</summary>
    private async ValueTask<int> FlushTracesAsync(int first, long clock, FlushReason? closeAll, FlusherOptions options, CancellationToken cancel)
    {
        Beat(WorkerPhase.Assembling);
        int end = Assemble(first, clock, closeAll, options.ProduceBytes, out int toWrite);
        await _buffer.ReadPayloadsAsync(_claim, _toWrite.AsMemory(0, toWrite), cancel);
        for (int trace = first; trace < end; trace++)
        {
            AssembledTrace assembled = _assembled[trace - first];
            for (int segment = 0; segment < assembled.Segments.Length; segment++)
            {
                Write(trace, assembled, assembled.Segments[segment]);
                // One huge trace must not become one huge batch. What is produced early is removed with the rest of its trace.
                if (_output.Length >= 8 * options.ProduceBytes) await ProduceAsync(cancel);
            }
        }
        await ProduceAsync(cancel);
        _faults?.Invoke(FaultPoint.AfterProduceBeforeRemove);
        Beat(WorkerPhase.Removing);
        await _buffer.RemoveAsync(_claim, first..end, cancel);
        Count(end - first);
        _faults?.Invoke(FaultPoint.AfterRemove);
        return end;
    }

    private int Assemble(int first, long clock, FlushReason? closeAll, int produceBytes, out int toWrite)
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
            _assembler.Assemble(spans, clock, closeAll, assembled);

            claimed.NextDeadlineMs = assembled.NextDeadlineMs;
            Span<bool> removed = _claim.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
            foreach (int span in assembled.Duplicates) removed[span] = true;
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

    private void Write(int trace, AssembledTrace assembled, in AssembledSegment segment)
    {
        int messages = _writer.Write(_buffer, _claim, _claim.Traces[trace], segment, assembled.MembersOf(segment), _output);
        if (messages > 1) _oversized++;
    }

    private async ValueTask ProduceAsync(CancellationToken cancel)
    {
        if (_output.Length == 0) return;
        _faults?.Invoke(FaultPoint.BeforeProduce);
        Beat(WorkerPhase.Producing);
        long start = _time.GetTimestamp();
        Task producing = _sink.ProduceAsync(_output, cancel).AsTask();
        while (!producing.IsCompleted)
        {
            // An output that makes its writers wait (a pipe whose reader pauses, a broker that is away) is not a hang: the worker lives and says so,
            // and it is behind, so that the input pauses. A write that blocks the thread itself shows no sign of life.
            BeBehind();
            await producing.WaitAsync(SignOfLife, _time, cancel)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancel.ThrowIfCancellationRequested();
            Beat(WorkerPhase.Producing);
        }
        await producing;
        _metrics.Produced(_shardTag, _output, _time.GetElapsedTime(start));
        ShardCells cells = _control.Shard(_claim.Shard);
        cells.ProducedBytes += _output.Length - _output.Messages.Length; // the line feeds between them are no part of them
        _output.Clear();
    }

    private void Count(int traces)
    {
        long spans = 0, duplicates = 0;
        Array.Clear(_segmentsByReason);
        for (int i = 0; i < traces; i++)
        {
            AssembledTrace assembled = _assembled[i];
            spans += assembled.Members.Length;
            duplicates += assembled.Duplicates.Length;
            foreach (ref readonly AssembledSegment segment in assembled.Segments)
                _segmentsByReason[(int)segment.Reason]++;
        }
        ShardCells cells = _control.Shard(_claim.Shard);
        cells.ProducedSpans += spans;
        cells.DuplicateSpans += duplicates;
        cells.OversizedSegments += _oversized;
        _oversized = 0;
        for (int reason = 0; reason < _segmentsByReason.Length; reason++)
            if (_segmentsByReason[reason] > 0) cells.AddSegments((FlushReason)reason, _segmentsByReason[reason]);
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

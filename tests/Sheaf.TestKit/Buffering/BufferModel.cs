using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.TestKit.Buffering;

/// <summary>
/// Random work on a buffer against a model that is obviously right: what was appended, by trace, in input order. The segments that leave the
/// buffer, over any number of claims, partial removals, crashes and takeovers, are those of assembling each trace's whole history once;
/// none is missing, and only a crash between producing and removing lets one come again.
/// </summary>
public sealed class BufferModel(int seed, Func<ValueTask<ISpanBuffer>> open, int shard, SegmentRules rules)
{
    private readonly Random _random = new(seed);
    private readonly SpanInput _input = new();
    private readonly ShardId _shard = new(shard);
    private readonly Dictionary<TraceKey, List<BufferedSpan>> _history = [];
    private readonly SegmentAssembler _assembler = new(rules);
    private readonly AssembledTrace _assembled = new();
    private readonly ClaimBatch _claim = new();
    private readonly Dictionary<string, int> _produced = [];
    private readonly HashSet<string> _mayRepeat = [];
    private readonly List<string> _unremoved = [];
    private long _newestMs = 1_000_000;
    private long _clockMs = long.MinValue;

    public async Task RunAsync(int steps)
    {
        ISpanBuffer appender = await open();
        ISpanBuffer worker = await StartWorkerAsync();
        for (int step = 0; step < steps; step++)
        {
            switch (_random.Next(10))
            {
                case < 4:
                    await AppendAsync(appender);
                    break;
                case 4:
                    _newestMs += _random.Next(3) == 0 ? 70_000 : _random.Next(12_000);
                    break;
                case 5:
                    _clockMs = _newestMs; // all of it is stored
                    break;
                default:
                    worker = await FlushAsync(appender, worker, closeAll: null);
                    break;
            }
        }
        _clockMs = long.MaxValue;
        for (BufferDepth depth = await worker.MeasureAsync(_shard, default); depth.Spans > 0; depth = await worker.MeasureAsync(_shard, default))
            worker = await FlushAsync(appender: null, worker, FlushReason.Shutdown);
        Compare();
    }

    private async Task<ISpanBuffer> StartWorkerAsync()
    {
        ISpanBuffer worker = await open();
        await worker.TakeOverAsync(new[] { _shard }, default);
        return worker;
    }

    private async Task AppendAsync(ISpanBuffer appender)
    {
        var drafts = new SpanDraft[_random.Next(1, 12)];
        for (int i = 0; i < drafts.Length; i++)
        {
            _newestMs += _random.Next(500);
            drafts[i] = new SpanDraft((ulong)_random.Next(8), _newestMs, _random.Next(4) == 0, Size: 20, Parent: 1000 + (ulong)_random.Next(1, 200));
        }
        SpanBatch batch = _input.Batch(shard, drafts);
        await appender.AppendAsync(batch, default);
        foreach (ref readonly TraceSpan span in batch.Spans)
        {
            if (!_history.TryGetValue(span.Trace, out List<BufferedSpan>? spans)) _history.Add(span.Trace, spans = []);
            spans.Add(new BufferedSpan
            {
                SpanId = span.SpanId, EffectiveParent = span.EffectiveParent, IsSegmentRoot = span.IsSegmentRoot, PayloadHash = span.PayloadHash,
                PayloadLength = span.PayloadLength, SourceOffset = span.SourceOffset, StreamTimeMs = span.StreamTimeMs,
            });
        }
    }

    // One flush, which may crash at any point; then the answer is the worker that took over.
    private async Task<ISpanBuffer> FlushAsync(ISpanBuffer? appender, ISpanBuffer worker, FlushReason? closeAll)
    {
        await worker.ClaimAsync(_shard, _clockMs, _random.Next(1, 6), _claim, default);
        _unremoved.Clear();
        int crash = _random.Next(12);
        if (crash == 0) return await CrashAsync(worker); // before producing
        int removed = 0;
        for (int t = 0; t < _claim.TraceCount; t++)
        {
            CloseTrace(ref _claim.Traces[t], closeAll);
            if (crash != 1 || _random.Next(2) == 0) continue;
            await worker.RemoveAsync(_claim, removed..(t + 1), default);
            _unremoved.Clear();
            removed = t + 1;
        }
        if (appender is not null && _random.Next(2) == 0) await AppendAsync(appender);
        if (crash is 1 or 2) return await CrashAsync(worker); // after producing, with some or all of it not removed
        await worker.RemoveAsync(_claim, removed.., default);
        return worker;
    }

    private async Task<ISpanBuffer> CrashAsync(ISpanBuffer worker)
    {
        _mayRepeat.UnionWith(_unremoved);
        ISpanBuffer successor = await StartWorkerAsync();
        await Assert.ThrowsAsync<ClaimLapsedException>(async () => await worker.RemoveAsync(_claim, .., default));
        return successor;
    }

    private void CloseTrace(ref ClaimedTrace trace, FlushReason? closeAll)
    {
        ReadOnlySpan<BufferedSpan> spans = _claim.SpansOf(trace);
        _assembler.Assemble(spans, _clockMs, leaptMs: 0, closeAll, _assembled);
        foreach (AssembledSegment segment in _assembled.Segments)
        {
            string produced = Describe(trace.Key, segment, spans);
            _produced[produced] = _produced.GetValueOrDefault(produced) + 1;
            _unremoved.Add(produced);
            foreach (int member in _assembled.MembersOf(segment)) _claim.Removed[trace.FirstSpan + member] = true;
        }
        trace.NextDeadlineMs = _assembled.NextDeadlineMs;
    }

    private string Describe(TraceKey trace, in AssembledSegment segment, ReadOnlySpan<BufferedSpan> spans)
    {
        var offsets = new List<long>();
        foreach (int member in _assembled.MembersOf(segment)) offsets.Add(spans[member].SourceOffset);
        return $"{trace} {segment.SegmentId} {segment.Reason} [{string.Join(' ', offsets)}]";
    }

    private void Compare()
    {
        var expected = new HashSet<string>();
        foreach ((TraceKey trace, List<BufferedSpan> history) in _history)
        {
            BufferedSpan[] spans = [.. history];
            _assembler.Assemble(spans, long.MaxValue, leaptMs: 0, FlushReason.Shutdown, _assembled);
            foreach (AssembledSegment segment in _assembled.Segments) expected.Add(Describe(trace, segment, spans));
        }
        string missing = string.Join('\n', expected.Except(_produced.Keys));
        string unexpected = string.Join('\n', _produced.Keys.Except(expected));
        string repeated = string.Join('\n', _produced.Where(p => p.Value > 1 && !_mayRepeat.Contains(p.Key)).Select(p => p.Key));
        Assert.True((missing + unexpected + repeated).Length == 0, $"seed {seed}\nmissing:\n{missing}\nunexpected:\n{unexpected}\ntwice without a crash:\n{repeated}");
    }
}

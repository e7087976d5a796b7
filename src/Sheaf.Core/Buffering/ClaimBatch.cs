using Sheaf.Spans;

namespace Sheaf.Buffering;

/// <summary>A claimed trace: its spans as they were at the claim. What arrives later is not among them and stays.</summary>
public struct ClaimedTrace
{
    public TraceKey Key;

    /// <summary>The engine's own handle.</summary>
    public long Token;

    /// <summary>Index of its first span in <see cref="ClaimBatch.Spans"/>.</summary>
    public int FirstSpan;

    public int SpanCount;

    /// <summary>
    /// Set by the worker before <see cref="ISpanClaimer.RemoveAsync"/>: the earliest deadline among the spans that stay, or
    /// <see cref="Segments.SegmentRules.Never"/> where none stays.
    /// </summary>
    public long NextDeadlineMs;
}

/// <summary>What an engine outside of this process keeps spans in: those of a trace that were appended together.</summary>
public struct ClaimedRecord
{
    /// <summary>Index of its trace in <see cref="ClaimBatch.Traces"/>. Records of one trace follow each other.</summary>
    public int Trace;

    /// <summary>Where its name lies; see <see cref="ClaimBatch.NameOf"/>.</summary>
    public int NameStart;
    public int NameLength;
}

/// <summary>
/// What one claim brought: traces and their spans, in arrays that are used again for the next claim. Owner: one flusher worker.
/// </summary>
public sealed class ClaimBatch
{
    private BufferedSpan[] _spans = new BufferedSpan[1024];
    private bool[] _removed = new bool[1024];
    private ClaimedTrace[] _traces = new ClaimedTrace[64];
    private ClaimedRecord[] _records = [];
    private byte[] _names = [];
    private int _recordCount;
    private int _nameBytes;

    public ShardId Shard { get; private set; }

    public int TraceCount { get; private set; }

    public int SpanCount { get; private set; }

    public Span<ClaimedTrace> Traces => _traces.AsSpan(0, TraceCount);

    /// <summary>The spans of all claimed traces, trace by trace, each in input order.</summary>
    public ReadOnlySpan<BufferedSpan> Spans => _spans.AsSpan(0, SpanCount);

    /// <summary>By index of <see cref="Spans"/>: true for what <see cref="ISpanClaimer.RemoveAsync"/> shall remove. The worker sets it.</summary>
    public Span<bool> Removed => _removed.AsSpan(0, SpanCount);

    /// <summary>The spans of one claimed trace.</summary>
    public ReadOnlySpan<BufferedSpan> SpansOf(in ClaimedTrace trace) => _spans.AsSpan(trace.FirstSpan, trace.SpanCount);

    /// <summary>Empties the batch for a claim of this shard. For engines.</summary>
    public void Reset(ShardId shard)
    {
        Shard = shard;
        TraceCount = 0;
        SpanCount = 0;
        _recordCount = 0;
        _nameBytes = 0;
    }

    /// <summary>The records of the claimed traces; empty where the engine knows none. For engines.</summary>
    public ReadOnlySpan<ClaimedRecord> Records => _records.AsSpan(0, _recordCount);

    /// <summary>What the engine calls a record.</summary>
    public ReadOnlySpan<byte> NameOf(in ClaimedRecord record) => _names.AsSpan(record.NameStart, record.NameLength);

    /// <summary>Adds a record of the trace begun last, and returns its index. For engines.</summary>
    public int AddRecord(ReadOnlySpan<byte> name)
    {
        if (_recordCount == _records.Length) Array.Resize(ref _records, Math.Max(64, 2 * _recordCount));
        if (_names.Length - _nameBytes < name.Length) Array.Resize(ref _names, Math.Max(_nameBytes + name.Length, 2 * _names.Length));
        name.CopyTo(_names.AsSpan(_nameBytes));
        _records[_recordCount] = new ClaimedRecord { Trace = TraceCount - 1, NameStart = _nameBytes, NameLength = name.Length };
        _nameBytes += name.Length;
        return _recordCount++;
    }

    /// <summary>Brings the spans of the trace begun last into input order: by source offset, and where that is the same, by payload reference. For engines.</summary>
    public void SortSpans()
    {
        ClaimedTrace trace = _traces[TraceCount - 1];
        Span<BufferedSpan> spans = _spans.AsSpan(trace.FirstSpan, trace.SpanCount);
        for (int i = 1; i < spans.Length; i++)
        {
            if (ByInput(spans[i - 1], spans[i]) <= 0) continue;
            spans.Sort(ByInput);
            return;
        }
    }

    private static int ByInput(BufferedSpan a, BufferedSpan b)
    {
        int order = a.SourceOffset.CompareTo(b.SourceOffset);
        return order != 0 ? order : a.PayloadRef.CompareTo(b.PayloadRef);
    }

    /// <summary>Begins the next trace; the spans added after it are its own. For engines.</summary>
    public void AddTrace(TraceKey key, long token)
    {
        if (TraceCount == _traces.Length) Array.Resize(ref _traces, 2 * _traces.Length);
        _traces[TraceCount++] = new ClaimedTrace { Key = key, Token = token, FirstSpan = SpanCount, NextDeadlineMs = Segments.SegmentRules.Never };
    }

    /// <summary>
    /// Adds a trace of which the number of spans is known, and returns the index of the first: the engine fills them all through
    /// <see cref="SpanAt"/>, in whatever order it likes.
    /// </summary>
    public int AddTrace(TraceKey key, long token, int spanCount)
    {
        AddTrace(key, token);
        int first = SpanCount;
        while (_spans.Length < first + spanCount) Grow();
        _traces[TraceCount - 1].SpanCount = spanCount;
        _removed.AsSpan(first, spanCount).Clear();
        SpanCount += spanCount;
        return first;
    }

    /// <summary>A span to be filled in place. For engines.</summary>
    public ref BufferedSpan SpanAt(int index) => ref _spans[index];

    /// <summary>Room for the next span of the trace begun last, to be filled in place. For engines.</summary>
    public ref BufferedSpan AddSpan()
    {
        if (SpanCount == _spans.Length) Grow();
        _traces[TraceCount - 1].SpanCount++;
        _removed[SpanCount] = false;
        return ref _spans[SpanCount++];
    }

    private void Grow()
    {
        Array.Resize(ref _spans, 2 * _spans.Length);
        Array.Resize(ref _removed, 2 * _removed.Length);
    }
}

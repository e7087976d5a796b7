using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics.X86;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Benchmarks;

/// <summary>
/// The memory engine with some 270,000 live spans of 1.1 KB: append, claim, copy the payloads out, remove; against the least that a
/// buffer can do, which is copying each span into a ring and later out again in random order (bench/README.md: at most 2.5 times that).
/// </summary>
internal static class EngineBench
{
    private const int SpansPerTurn = 250;

    public static void Run()
    {
        var runner = new BenchRunner("memory engine: append, claim, read, remove; 270,000 live spans of 1.1 KB", "span");
        var ring = new Ring(450 << 20);
        runner.Add("buffer floor: into a ring, out in random order", SpansPerTurn, ring.Turn);
        EngineLoad[] loads = [new(1), new(10), new(100)];
        foreach (EngineLoad load in loads)
        {
            load.WarmUp();
            runner.Add($"{load.SpansPerTrace} spans per trace", SpansPerTurn, load.Turn);
        }
        runner.Run();
        foreach (EngineLoad load in loads) load.PrintParts();
    }

    public static void RunMemory()
    {
        foreach (int spansPerTrace in (int[])[1, 10, 100])
        {
            var load = new EngineLoad(spansPerTrace, liveSpans: 1_100_000);
            load.WarmUp();
            load.PrintParts();
        }
    }

    private static byte[] Payloads(out int[] starts, out int[] lengths)
    {
        var random = new Random(1);
        starts = new int[SpansPerTurn];
        lengths = new int[SpansPerTurn];
        int bytes = 0;
        for (int i = 0; i < SpansPerTurn; i++)
        {
            starts[i] = bytes;
            lengths[i] = random.Next(700, 1546); // 1123 on average
            bytes += lengths[i];
        }
        byte[] block = new byte[bytes];
        random.NextBytes(block);
        return block;
    }

    /// <summary>The floor: no tables, no order, no reuse of memory to think of.</summary>
    private sealed class Ring
    {
        private readonly byte[] _ring;
        private readonly byte[] _block;
        private readonly byte[] _out;
        private readonly int[] _starts;
        private readonly int[] _lengths;
        private readonly Random _random = new(2);
        private readonly int[] _positions = new int[SpansPerTurn + 4];
        private int _at;

        public Ring(int bytes)
        {
            _ring = new byte[bytes];
            _block = Payloads(out _starts, out _lengths);
            _out = new byte[_block.Length];
            Array.Fill(_ring, (byte)1);
        }

        public void Turn()
        {
            for (int i = 0; i < SpansPerTurn; i++)
            {
                if (_at + 2000 > _ring.Length) _at = 0;
                _block.AsSpan(_starts[i], _lengths[i]).CopyTo(_ring.AsSpan(_at));
                _at += _lengths[i];
            }
            for (int i = 0; i < _positions.Length; i++) _positions[i] = _random.Next(_ring.Length - 4000);
            for (int i = 0; i < SpansPerTurn; i++)
            {
                Prefetch(_ring, _positions[i + 4], 1123);
                _ring.AsSpan(_positions[i], _lengths[i]).CopyTo(_out.AsSpan(_starts[i]));
            }
        }

        private static unsafe void Prefetch(byte[] bytes, int start, int length)
        {
            if (!Sse.IsSupported) return;
            fixed (byte* first = &bytes[start])
                for (int i = 0; i < length; i += 64) Sse.Prefetch0(first + i);
        }
    }

    /// <summary>
    /// Spans arrive at 100 per ms of stream time, those of a trace scattered over 0.7 s; half of the traces are claimed 1.35 s after their first span, half 4.05 s.
    /// </summary>
    private sealed class EngineLoad
    {
        private const int SpansPerMs = 100;

        private readonly MemoryBuffer _buffer;
        private readonly MemorySpanBuffer _client;
        private readonly SpanBatch _batch = new(new ShardId(0));
        private readonly ClaimBatch _claim = new();
        private readonly byte[] _block;
        private readonly byte[] _out = new byte[4 << 20];
        private readonly int[] _all = [.. Enumerable.Range(0, 1 << 20)];
        private readonly Random _random = new(3);
        private readonly (TraceKey Key, int Left)[] _active;
        private readonly int _liveSpans;
        private readonly int[] _starts;
        private readonly int[] _lengths;
        private readonly List<long>[] _parts = [new(1 << 20), new(1 << 20), new(1 << 20), new(1 << 20)];
        private long _arrived;

        public EngineLoad(int spansPerTrace, int liveSpans = 270_000)
        {
            SpansPerTrace = spansPerTrace;
            _liveSpans = liveSpans;
            _buffer = new MemoryBuffer(new SegmentRules(3 * liveSpans / SpansPerMs / 2, liveSpans / SpansPerMs / 2), shardCount: 1, maxBytes: 1L << 40);
            _client = _buffer.OpenClient();
            Complete(_client.TakeOverAsync(new[] { new ShardId(0) }, default));
            _block = Payloads(out _starts, out _lengths);
            _active = new (TraceKey, int)[Math.Max(1, 70_000 / spansPerTrace)];
        }

        public int SpansPerTrace { get; }

        /// <summary>Fills the engine and turns its content over, until its memory is as mixed as after hours.</summary>
        public void WarmUp()
        {
            for (int i = 0; i < 6 * _liveSpans / SpansPerTurn; i++) Turn();
            foreach (List<long> part in _parts) part.Clear();
        }

        public void Turn()
        {
            long start = Stopwatch.GetTimestamp();
            Append();
            long appended = Stopwatch.GetTimestamp();
            Claim(_arrived / SpansPerMs);
            long claimed = Stopwatch.GetTimestamp();
            Read();
            long read = Stopwatch.GetTimestamp();
            Remove();
            long removed = Stopwatch.GetTimestamp();
            _parts[0].Add(appended - start);
            _parts[1].Add(claimed - appended);
            _parts[2].Add(read - claimed);
            _parts[3].Add(removed - read);
        }

        public void PrintParts()
        {
            BufferDepth depth = Measure();
            double allocated = (double)_buffer.AllocatedBytes / depth.PayloadBytes;
            double used = (double)_buffer.UsedBytes / depth.PayloadBytes;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {SpansPerTrace} per trace: {depth.Spans} live spans, allocated / payload {allocated:F3}, in use / payload {used:F3}, overhead {(_buffer.AllocatedBytes - depth.PayloadBytes) / depth.Spans} B per span; medians: append {Median(0):F0}, claim {Median(1):F0}, read {Median(2):F0}, remove {Median(3):F0} ns"));
        }

        private double Median(int part)
        {
            if (_parts[part].Count == 0) return 0;
            _parts[part].Sort();
            return Stopwatch.GetElapsedTime(0, _parts[part][_parts[part].Count / 2]).TotalNanoseconds / SpansPerTurn;
        }

        private void Append()
        {
            _batch.Reset(_block);
            for (int i = 0; i < SpansPerTurn; i++)
            {
                ref (TraceKey Key, int Left) trace = ref _active[_random.Next(_active.Length)];
                if (trace.Left == 0) trace = (new TraceKey(1, new TraceId((ulong)_random.NextInt64(), (ulong)_random.NextInt64())), SpansPerTrace);
                trace.Left--;
                ref TraceSpan span = ref _batch.Add();
                span.Trace = trace.Key;
                span.SourceOffset = _arrived;
                span.StreamTimeMs = _arrived++ / SpansPerMs;
                span.IsSegmentRoot = (trace.Key.TraceId.Low & 1) == 0;
                span.PayloadStart = _starts[i];
                span.PayloadLength = _lengths[i];
            }
            _buffer.Shard(new ShardId(0)).Append(_batch);
        }

        private void Claim(long beforeMs) => Complete(_client.ClaimAsync(new ShardId(0), beforeMs, 2000, _claim, default));

        private void Read()
        {
            Complete(_client.ReadPayloadsAsync(_claim, _all.AsMemory(0, _claim.SpanCount), default));
            int at = 0;
            for (int i = 0; i < _claim.SpanCount; i++)
            {
                ReadOnlySpan<byte> payload = _client.Payload(_claim, i);
                if (at + payload.Length > 1 << 20) at = 0;
                payload.CopyTo(_out.AsSpan(at));
                at += payload.Length;
            }
        }

        private void Remove()
        {
            _claim.Removed.Fill(true);
            Complete(_client.RemoveAsync(_claim, .., default));
        }

        private BufferDepth Measure() => _buffer.Shard(new ShardId(0)).Measure();

        private static void Complete(ValueTask operation)
        {
            if (!operation.IsCompletedSuccessfully) throw new InvalidOperationException("the memory engine completes at once");
        }
    }
}

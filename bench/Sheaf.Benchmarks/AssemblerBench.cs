using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Benchmarks;

/// <summary>Time per span to assemble traces of several sizes: everything closes at the end, and segments close all along.</summary>
internal static class AssemblerBench
{
    private const int SpansPerCall = 100_000;

    public static void Run()
    {
        BenchRunner runner = new("assembler", "span");
        foreach (int size in (int[])[10, 1, 100, 10_000]) runner.Add($"traces of {size} spans", SpansPerCall, Assemble(Trees(size)));
        runner.Add("traces of 10 spans, children first", SpansPerCall, Assemble(Reversed(Trees(10))));
        runner.Add("one trace, a segment for every 10 spans", SpansPerCall, Assemble(ClosingAllAlong()));
        runner.Run();
    }

    private static Action Assemble(BufferedSpan[][] traces)
    {
        SegmentAssembler assembler = new(new SegmentRules());
        AssembledTrace result = new();
        return () =>
        {
            foreach (BufferedSpan[] spans in traces) assembler.Assemble(spans, long.MaxValue, 0, null, result);
        };
    }

    /// <summary>Random trees with a segment root at the top and now and then below. Few traces are used over and over, so that they stay in the cache.</summary>
    private static BufferedSpan[][] Trees(int size)
    {
        Random random = new(1);
        BufferedSpan[][] different = new BufferedSpan[Math.Max(1, Math.Min(50, SpansPerCall / size))][];
        for (int t = 0; t < different.Length; t++)
        {
            BufferedSpan[] spans = different[t] = new BufferedSpan[size];
            for (int i = 0; i < size; i++)
            {
                bool isRoot = i == 0 || random.Next(20) == 0;
                SpanId id = new((ulong)random.NextInt64());
                spans[i] = Span(i, id, isRoot ? id : spans[random.Next(i)].SpanId, isRoot, i / 10);
            }
        }
        return [.. Enumerable.Range(0, SpansPerCall / size).Select(i => different[i % different.Length])];
    }

    private static BufferedSpan[][] Reversed(BufferedSpan[][] traces) =>
        [.. traces.Select(spans => spans.Reverse().Select((span, i) => span with { SourceOffset = i, StreamTimeMs = 0 }).ToArray())];

    private static BufferedSpan[][] ClosingAllAlong()
    {
        Random random = new(1);
        BufferedSpan[] spans = new BufferedSpan[SpansPerCall];
        SpanId root = default;
        for (int i = 0; i < spans.Length; i++)
        {
            SpanId id = new((ulong)random.NextInt64());
            if (i % 10 == 0) root = id;
            spans[i] = Span(i, id, root, i % 10 == 0, 100L * i);
        }
        return [spans];
    }

    private static BufferedSpan Span(int index, SpanId id, SpanId parent, bool isRoot, long timeMs) => new()
    {
        SpanId = id,
        EffectiveParent = parent,
        IsSegmentRoot = isRoot,
        SourceOffset = index,
        StreamTimeMs = timeMs,
        PayloadHash = id.Value,
        PayloadLength = 700,
    };
}

using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.TestKit;

/// <summary>Random traces that favour what is hard: few ids, loops, missing and late parents, namesakes, copies, gaps that end at a deadline.</summary>
public static class RandomTrace
{
    /// <summary>Rules in which every limit is sometimes off, sometimes tight.</summary>
    public static SegmentRules Rules(Random random) => new(
        TimeoutMs: random.Next(4) == 0 ? 10 : 60,
        RootTimeoutMs: random.Next(4) == 0 ? 80 : 10,
        MaxSegmentAgeMs: random.Next(3) switch { 0 => 0, 1 => 45, _ => 200 },
        MaxSegmentBytes: random.Next(3) == 0 ? random.Next(20, 300) : 1 << 20);

    /// <summary>A trace of up to <paramref name="most"/> spans; stream times in ms around the timeouts of <see cref="Rules"/>.</summary>
    public static BufferedSpan[] Spans(Random random, int most)
    {
        int count = random.Next(1, most + 1);
        int ids = random.Next(1, count + 3);
        int haste = random.Next(1, 6);
        bool namesakes = random.Next(3) == 0;
        BufferedSpan[] spans = new BufferedSpan[count];
        HashSet<ulong> used = [];
        long time = 1000;
        for (int i = 0; i < count; i++)
        {
            time += random.Next(haste) != 0 ? 0 : random.Next(8) switch { 0 => 10, 1 => 60, 2 => 11, 3 => 61, 4 => random.Next(100), _ => random.Next(5) };
            ulong id = 1 + (ulong)random.Next(ids);
            if (i > 0 && random.Next(12) == 0)
            {
                spans[i] = spans[random.Next(i)]; // a copy, or the same delivery
                if (random.Next(2) == 0) spans[i].SourceOffset = i;
            }
            else if (!namesakes && !used.Add(id))
            {
                id = 1000 + (ulong)i;
                spans[i] = Span(random, i, id, ids);
            }
            else
            {
                spans[i] = Span(random, i, id, ids);
            }
            spans[i].StreamTimeMs = time;
        }
        return spans;
    }

    /// <summary>Lets the clock leap between spans, and single spans be ahead of it. Answers with what it has leapt over in the end.</summary>
    public static long Leap(Random random, BufferedSpan[] spans)
    {
        long leapt = 0;
        foreach (ref BufferedSpan span in spans.AsSpan())
        {
            if (random.Next(5) == 0) leapt += random.Next(200);
            span.LeaptMs = leapt + (random.Next(5) == 0 ? random.Next(1_000) : 0);
            span.StreamTimeMs += span.LeaptMs;
        }
        return leapt + (random.Next(3) == 0 ? random.Next(200) : 0);
    }

    private static BufferedSpan Span(Random random, int index, ulong id, int ids)
    {
        bool isRoot = random.Next(6) == 0;
        return new BufferedSpan
        {
            SpanId = new SpanId(id),
            EffectiveParent = new SpanId(isRoot ? id : 1 + (ulong)random.Next(ids)),
            IsSegmentRoot = isRoot,
            SourceOffset = index,
            PayloadHash = (ulong)random.Next(1, 4) + (random.Next(2) == 0 ? 0 : (ulong)index << 8),
            PayloadLength = random.Next(10, 20),
        };
    }
}

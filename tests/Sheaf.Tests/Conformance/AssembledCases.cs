using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Conformance;

/// <summary>Every conformance case gives exactly its expected segments at the assembler, however it is cut into flushes.</summary>
public sealed class AssembledCases
{
    public static TheoryData<string> Names => [.. ConformanceCase.All.Keys];

    [Fact]
    public void There_are_cases() => Assert.NotEmpty(ConformanceCase.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void At_once(string name) => Check(name, (_, _, _) => { });

    [Theory]
    [MemberData(nameof(Names))]
    public void With_a_flush_after_every_span(string name) => Check(name, (run, _, next) => run.Flush(next));

    [Theory]
    [MemberData(nameof(Names))]
    public void With_flushes_at_random_whose_clocks_lag_at_random(string name)
    {
        for (int seed = 0; seed < 5; seed++)
        {
            Random random = new(seed);
            Check(name, (run, at, next) =>
            {
                while (random.Next(3) == 0) run.Flush(random.NextInt64(at - 30_000, next + 1));
            });
        }
    }

    /// <param name="afterSpan">Called after each span with its stream time and the next one, in ms.</param>
    private static void Check(string name, Action<IncrementalAssembly, long, long> afterSpan)
    {
        ConformanceCase c = ConformanceCase.All[name];
        List<ConformanceSegment> actual = [];
        foreach (var unit in c.Spans.Select((span, index) => (Span: span, Index: index)).GroupBy(s => s.Span.Unit))
        {
            (ConformanceSpan Span, int Index)[] spans = [.. unit];
            long end = spans[^1].Span.StreamTimeMs + 10_000_000;
            IncrementalAssembly run = new(c.Rules);
            for (int i = 0; i < spans.Length; i++)
            {
                run.Append(spans[i].Span.ToBuffered(spans[i].Index));
                afterSpan(run, spans[i].Span.StreamTimeMs, i + 1 < spans.Length ? spans[i + 1].Span.StreamTimeMs : end);
            }
            run.Flush(end);
            actual.AddRange(run.Closed.Select(closed => Expected(unit.Key, closed.Segment, closed.Spans)));
        }
        Assert.Equal(
            c.Expected.Select(s => s.ToString()).Order(StringComparer.Ordinal),
            actual.Select(s => s.ToString()).Order(StringComparer.Ordinal));
    }

    private static ConformanceSegment Expected((int Shard, long ProjectId, string TraceId) unit, ClosedSegment segment, BufferedSpan[] spans) => new(
        unit.ProjectId, unit.TraceId, segment.SegmentId.ToString(),
        [.. spans.Select(span => span.SpanId.ToString()).Distinct().Order(StringComparer.Ordinal)],
        segment.HasRoot, segment.DeadlineMs / 1000.0);
}

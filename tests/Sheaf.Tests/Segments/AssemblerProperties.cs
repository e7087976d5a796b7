using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Segments;

/// <summary>What has to hold for any trace. Each failure names the seed that shows it.</summary>
public sealed class AssemblerProperties
{
    private const int Traces = 4_000;

    [Fact]
    public void The_assembler_gives_what_the_model_gives()
    {
        AssembledTraces(seed =>
        {
            Random random = new(seed);
            SegmentRules rules = RandomTrace.Rules(random);
            BufferedSpan[] spans = RandomTrace.Spans(random, most: seed % 200 == 0 ? 40 : 10);
            long clock = spans[^1].StreamTimeMs + random.Next(-20, 90);
            long leapt = random.Next(3) == 0 ? RandomTrace.Leap(random, spans) : 0;
            clock += leapt;
            FlushReason? closeAll = random.Next(4) == 0 ? FlushReason.Shutdown : null;
            string expected = SegmentModel.Assemble(rules, spans, clock, closeAll, leapt).Describe(spans);
            return (expected, AssemblyOutcome.By(new SegmentAssembler(rules), spans, clock, closeAll, leapt).Describe(spans));
        });
    }

    [Fact]
    public void Any_cuts_into_flushes_give_what_one_run_over_the_history_gives()
    {
        AssembledTraces(seed =>
        {
            Random random = new(seed);
            SegmentRules rules = RandomTrace.Rules(random);
            BufferedSpan[] spans = RandomTrace.Spans(random, most: seed % 50 == 0 ? 200 : 25);
            long end = spans[^1].StreamTimeMs + random.Next(0, 90);

            IncrementalAssembly whole = new(rules);
            foreach (BufferedSpan span in spans) whole.Append(span);
            whole.Flush(end);

            IncrementalAssembly cut = new(rules);
            int rarity = random.Next(2, 6);
            for (int i = 0; i < spans.Length; i++)
            {
                cut.Append(spans[i]);
                long next = i + 1 < spans.Length ? spans[i + 1].StreamTimeMs : end;
                // Any clock up to the next stream time, also one that lags behind what is buffered.
                while (random.Next(rarity) == 0) cut.Flush(next - (random.Next(2) == 0 ? 0 : random.Next(100)));
            }
            cut.Flush(end);
            return (Describe(whole), Describe(cut));
        });

        static string Describe(IncrementalAssembly run) =>
            $"{string.Join('\n', run.Segments.Order(StringComparer.Ordinal))}\nduplicates: {run.Duplicates}\nnext: {run.NextDeadlineMs}";
    }

    [Fact]
    public void No_two_segments_that_are_open_together_have_one_id()
    {
        AssembledTraces(seed =>
        {
            Random random = new(seed);
            SegmentRules rules = RandomTrace.Rules(random);
            BufferedSpan[] spans = RandomTrace.Spans(random, most: seed % 50 == 0 ? 100 : 15);
            SegmentAssembler assembler = new(rules);
            AssemblyOutcome outcome = AssemblyOutcome.By(assembler, spans, spans[^1].StreamTimeMs, FlushReason.Shutdown);
            SpanId[] open = [.. outcome.Segments.Where(s => s.Reason == FlushReason.Shutdown).Select(s => s.SegmentId)];
            return (string.Join(' ', open.Distinct()), string.Join(' ', open));
        });
    }

    [Fact]
    public void At_one_stream_time_any_order_gives_the_same_segments_where_only_roots_share_an_id()
    {
        AssembledTraces(seed =>
        {
            Random random = new(seed);
            SegmentRules rules = RandomTrace.Rules(random) with { MaxSegmentBytes = 1 << 20 };
            BufferedSpan[] spans =
            [
                .. RandomTrace.Spans(random, most: 20)
                    .DistinctBy(span => span.SourceOffset).DistinctBy(span => (span.SpanId, span.PayloadHash, span.PayloadLength))
                    .GroupBy(span => span.SpanId)
                    .SelectMany(same => same.Any(IsRoot) ? same.Where(IsRoot) : same.Take(1)),
            ];
            for (int i = 0; i < spans.Length; i++) spans[i].StreamTimeMs = 1000;
            BufferedSpan[] shuffled = [.. spans];
            random.Shuffle(shuffled);
            return (Describe(spans), Describe(shuffled));

            static bool IsRoot(BufferedSpan span) => span.IsSegmentRoot;

            string Describe(BufferedSpan[] input)
            {
                AssemblyOutcome outcome = AssemblyOutcome.By(new SegmentAssembler(rules), input, long.MaxValue, null);
                return string.Join('\n', outcome.Segments.Select(s =>
                    s with { Members = [.. s.Members.OrderBy(i => input[i].SourceOffset)] }).Select(s => s.Describe(input)));
            }
        });
    }

    [Fact]
    public void An_assembler_that_was_used_before_gives_the_same_as_a_new_one()
    {
        Random random = new(7);
        SegmentRules rules = new(60, 10, 200, 200);
        SegmentAssembler used = new(rules);
        for (int i = 0; i < 2_000; i++)
        {
            BufferedSpan[] spans = RandomTrace.Spans(random, most: random.Next(1, 80));
            string expected = AssemblyOutcome.By(new SegmentAssembler(rules), spans, long.MaxValue, null).Describe(spans);
            Assert.Equal(expected, AssemblyOutcome.By(used, spans, long.MaxValue, null).Describe(spans));
        }
    }

    [Fact]
    public void Nothing_is_allocated_once_the_scratch_memory_has_grown()
    {
        SegmentRules rules = new(60, 10, 45, 300);
        SegmentAssembler assembler = new(rules);
        AssembledTrace result = new();
        BufferedSpan[][] traces = [.. Enumerable.Range(0, 200).Select(seed => RandomTrace.Spans(new Random(seed), most: 40))];
        Assert.Equal(0, Garbage.Of(AssembleAll));

        void AssembleAll()
        {
            foreach (BufferedSpan[] spans in traces) assembler.Assemble(spans, long.MaxValue, 0, null, result);
        }
    }

    private static void AssembledTraces(Func<int, (string Expected, string Actual)> run)
    {
        for (int seed = 0; seed < Traces; seed++)
        {
            (string expected, string actual) = run(seed);
            if (expected != actual) Assert.Fail($"seed {seed}\nexpected:\n{expected}\nactual:\n{actual}");
        }
    }
}

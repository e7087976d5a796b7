using Sheaf.Flushing;
using Sheaf.Segments;
using Sheaf.TestKit.Running;

namespace Sheaf.Tests.Running;

/// <summary>ARCHITECTURE.md, rule 4: segments are a pure function of a shard's input.</summary>
public class PureFunctionPropertyTests
{
    private const long Later = 1_800_000_000_000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Any_cut_any_number_of_workers_and_any_delay_give_the_same_bytes(int seed)
    {
        TestMessage[] input = RandomInput.Messages(seed, count: 1500, shards: 4);
        SegmentRules rules = RulesOf(seed);
        string[] expected = await UndisturbedAsync(input, rules);
        Assert.NotEmpty(expected);
        for (int variant = 0; variant < 6; variant++)
        {
            using var run = new PipelineRun(input, rules, shards: 4, workers: 1 + (variant % 4), lanes: 1 + (variant % 3), new Random((100 * seed) + variant));
            await run.RunAsync(Later);
            run.AssertLedgerAddsUp();
            Assert.Equal(expected, run.Sink.Messages.Select(m => m.Body).Order(StringComparer.Ordinal));
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public async Task Workers_that_die_anywhere_lose_nothing_and_repeat_only_what_can_be_recognised(int seed)
    {
        TestMessage[] input = RandomInput.Messages(seed, count: 1500, shards: 4);
        SegmentRules rules = RulesOf(seed);
        string[] expected = await UndisturbedAsync(input, rules);
        var chance = new Random(seed);
        using var run = new PipelineRun(input, rules, shards: 4, workers: 3, lanes: 2, new Random(seed))
        {
            Faults = _ =>
            {
                lock (chance)
                    if (chance.Next(6) == 0) throw new InjectedFaultException();
            },
        };
        await run.RunAsync(Later);

        Assert.True(run.Deaths > 10, $"only {run.Deaths} workers died: the test does not test");
        run.AssertLedgerAddsUp();
        // A copy of a span that comes after its segment has closed makes the same segment again, so even an undisturbed run may repeat a message.
        string[] distinct = [.. expected.Distinct()];
        Assert.Equal(distinct, run.DistinctBodies());
        Assert.Equal(distinct.Length, run.Sink.Messages.Select(m => m.Header.FlushId).Distinct().Count());
    }

    [Theory]
    [InlineData(FaultPoint.AfterClaim, false)]
    [InlineData(FaultPoint.BeforeProduce, false)]
    [InlineData(FaultPoint.AfterProduceBeforeRemove, true)]
    [InlineData(FaultPoint.AfterRemove, false)]
    public async Task What_a_death_at_each_point_repeats(FaultPoint point, bool repeats)
    {
        TestMessage[] input = RandomInput.Messages(seed: 11, count: 300, shards: 1);
        SegmentRules rules = new();
        string[] expected = await UndisturbedAsync(input, rules, shards: 1);
        int deaths = 0;
        using var run = new PipelineRun(input, rules)
        {
            Faults = at =>
            {
                if (at == point && Interlocked.Increment(ref deaths) == 1) throw new InjectedFaultException();
            },
        };
        await run.RunAsync(Later);

        Assert.Equal(1, run.Deaths);
        run.AssertLedgerAddsUp();
        Assert.Equal(expected.Distinct(), run.DistinctBodies());
        Assert.Equal(repeats, run.Sink.Messages.Count > expected.Length);
    }

    private static SegmentRules RulesOf(int seed) => (seed % 3) switch
    {
        0 => new SegmentRules(),
        1 => new SegmentRules(TimeoutMs: 20_000, RootTimeoutMs: 20_000, MaxSegmentAgeMs: 45_000),
        _ => new SegmentRules(MaxSegmentAgeMs: 0, MaxSegmentBytes: 2_000),
    };

    private static async Task<string[]> UndisturbedAsync(TestMessage[] input, SegmentRules rules, int shards = 4)
    {
        using var run = new PipelineRun(input, rules, shards);
        await run.RunAsync(Later);
        run.AssertLedgerAddsUp();
        return [.. run.Sink.Messages.Select(m => m.Body).Order(StringComparer.Ordinal)];
    }
}

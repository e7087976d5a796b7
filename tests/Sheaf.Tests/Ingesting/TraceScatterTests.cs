using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Sheaf.TestKit;

namespace Sheaf.Tests.Ingesting;

/// <summary>A topic that is not keyed by trace is noticed, and one that is raises no alarm.</summary>
public sealed class TraceScatterTests : IDisposable
{
    private const long Noon = 1_700_000_000_000;
    private const int Partitions = 4, SpansOfATrace = 10;

    private readonly TraceScatter _scatter = new(Partitions);
    private readonly TestClock _time = new();
    private readonly LogRecorder _logged = new();
    private readonly KeyingWatch _watch;

    public TraceScatterTests() => _watch = new KeyingWatch(_scatter, "spans", _logged.CreateLogger("test"), _time);

    public void Dispose() => _logged.Dispose();

    [Fact]
    public void A_topic_that_is_keyed_by_trace_is_never_told_of()
    {
        for (int trace = 0; trace < 5000; trace++)
            for (int span = 0; span < SpansOfATrace; span++) Look(trace, trace % Partitions, Noon + trace + span);
        _watch.Look();
        Assert.True(_scatter.Repeated > 100);
        Assert.Equal(0, Torn());
        Assert.Empty(_logged.Events);
    }

    [Fact]
    public void A_topic_that_is_not_keyed_by_trace_is_told_of_once_and_again_after_an_hour()
    {
        Scatter(0, 2000);
        _watch.Look();
        Assert.Equal(EventIds.TopicNotKeyedByTrace, Assert.Single(_logged.Events).Id);
        Assert.True(Torn() > 50);

        Scatter(10_000, 2000);
        _watch.Look();
        Assert.Single(_logged.Events);

        _time.Advance(TimeSpan.FromHours(1));
        Scatter(20_000, 2000);
        _watch.Look();
        Assert.Equal(2, _logged.Events.Count);
    }

    [Fact]
    public void A_topic_that_was_mended_is_not_told_of_again()
    {
        Scatter(0, 2000);
        _watch.Look();
        _time.Advance(TimeSpan.FromHours(2));
        for (int trace = 10_000; trace < 15_000; trace++)
            for (int span = 0; span < SpansOfATrace; span++) Look(trace, trace % Partitions, Noon + trace + span);
        _watch.Look();
        Assert.Single(_logged.Events);
    }

    [Fact]
    public void Traces_that_move_once_because_the_topic_gains_partitions_are_no_alarm()
    {
        for (int trace = 0; trace < 2000; trace++)
        {
            for (int span = 0; span < SpansOfATrace; span++)
                Look(trace, span < 5 ? trace % 2 : trace % Partitions, Noon + (span < 5 ? 0 : 5000) + span);
        }
        _watch.Look();
        Assert.True(Torn() > 20); // which is so, for the moment of the change
        Assert.Empty(_logged.Events);
    }

    [Fact]
    public void Partitions_that_are_read_one_after_the_other_are_no_alarm_for_a_trace_that_moved()
    {
        for (int trace = 0; trace < 2000; trace++)
        {
            Look(trace, 1, Noon + 10_000);
            Look(trace, 0, Noon);
            Look(trace, 1, Noon + 11_000);
            Look(trace, 0, Noon + 1000);
        }
        _watch.Look();
        Assert.Empty(_logged.Events);
    }

    [Fact]
    public void An_id_that_comes_again_much_later_is_another_trace()
    {
        for (int round = 0; round < 4; round++)
            for (int trace = 0; trace < 500; trace++) Look(trace, round, Noon + round * 61_000);
        _watch.Look();
        Assert.Equal(0, Torn());
        Assert.Empty(_logged.Events);
    }

    [Fact]
    public void Times_at_the_ends_of_their_range_are_taken()
    {
        foreach (long time in new[] { long.MinValue, -1, 0, long.MaxValue })
            for (int trace = 0; trace < 100; trace++) Look(trace, trace % Partitions, time);
        Assert.Equal(0, Torn());
    }

    [Fact]
    public void One_of_sixteen_traces_is_looked_at()
    {
        int count = Enumerable.Range(0, 16_000).Count(trace => TraceScatter.IsLookedAt(KeyOf(trace)));
        Assert.InRange(count, 800, 1200);
    }

    private void Scatter(int firstTrace, int count)
    {
        for (int trace = firstTrace; trace < firstTrace + count; trace++)
            for (int span = 0; span < SpansOfATrace; span++) Look(trace, (trace + span) % Partitions, Noon + trace + span);
    }

    private void Look(int trace, int partition, long time) => _scatter.Look(KeyOf(trace), new ShardId(partition), time);

    private static TraceKey KeyOf(int trace) => new(1, new TraceId(0, (ulong)trace));

    private long Torn() => Enumerable.Range(0, Partitions).Sum(p => _scatter.Torn(new ShardId(p)));
}

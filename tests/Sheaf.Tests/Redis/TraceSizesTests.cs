using Sheaf.Redis;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Redis;

public class TraceSizesTests
{
    private const long Limit = 8000;

    [Fact]
    public void A_trace_is_looked_at_when_it_passes_the_limit_and_then_at_every_eighth_more()
    {
        var sizes = new TraceSizes(Limit);
        Assert.False(sizes.Add(Trace(1), Limit));
        Assert.True(sizes.Add(Trace(1), 1));
        Assert.False(sizes.Add(Trace(1), Limit / 8));
        Assert.True(sizes.Add(Trace(1), 1));
    }

    [Fact]
    public void A_large_trace_is_noticed_among_very_many_small_ones()
    {
        var sizes = new TraceSizes(Limit);
        bool noticed = false;
        for (ulong i = 0; i < 200_000; i++)
        {
            Assert.False(sizes.Add(Trace(i + 10), 10));
            if (i % 100 == 0) noticed |= sizes.Add(Trace(1), 100);
        }
        Assert.True(noticed);
    }

    private static TraceKey Trace(ulong number) => new(1, new TraceId(number * 0x9E3779B97F4A7C15, number));
}

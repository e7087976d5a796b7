using System.Text;
using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Redis;

/// <summary>What the journal writes into Redis has names that other versions and people rely on.</summary>
public class RedisNames
{
    [Theory]
    [InlineData(null, "sheaf:{3}")]
    [InlineData(0, "sheaf:{0:3}")]
    [InlineData(17, "sheaf:{17:3}")]
    public void Keys_are_frozen(int? slice, string common)
    {
        var keys = new JournalKeys(slice, new ShardId(3));
        Assert.Equal([common + ":state", common + ":log"], keys.All.Select(key => key.ToString()));
    }

    [Theory]
    [InlineData(1700000000123, 40, 12345678901234567890, 1700000050000, "1700000000123 40 12345678901234567890 1700000050000")]
    [InlineData(0, 0, 0, 0, "0 0 0 0")]
    [InlineData(StreamClock.None, 0, 0, 0, "")]
    public void A_clock_is_written_so_and_read_again(long ms, long leapt, ulong ahead, long aheadMs, string text)
    {
        var clock = new StreamClock(ms, leapt, ahead, aheadMs);
        Assert.Equal(text, JournalState.Text(clock).ToString());
        Assert.True(JournalState.TryReadClock(text, out StreamClock read));
        Assert.Equal(clock, read);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("1 2 3")]
    [InlineData("1 2 3 4 5")]
    [InlineData("a 2 3 4")]
    [InlineData("1 2 -3 4")]
    public void What_is_no_clock_is_not_read(string text) => Assert.False(JournalState.TryReadClock(text, out _));
}

using System.Text;
using Sheaf.Buffering;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;

namespace Sheaf.Tests.Kafka;

/// <summary>How progress is written.</summary>
public sealed class ProgressRecordsTests
{
    private static readonly KafkaAddress Input = new("a:1", ["spans"], "group/with/slashes", []);

    [Fact]
    public void Keys_are_read_as_they_were_written()
    {
        Assert.True(ProgressRecords.TryReadKey(ProgressRecords.HeadKey(Input, 7), Input, out int partition, out long? chunk));
        Assert.Equal((7, null), (partition, chunk));
        Assert.True(ProgressRecords.TryReadKey(ProgressRecords.ChunkKey(Input, 12, 345_678), Input, out partition, out chunk));
        Assert.Equal((12, 345_678L), (partition, chunk));
    }

    [Theory]
    [InlineData("group/with/slashes/other/7/head")]
    [InlineData("group/with/spans/7/head")]
    [InlineData("group/with/slashes/spans/7")]
    [InlineData("group/with/slashes/spans/7/tail")]
    [InlineData("group/with/slashes/spans/-7/1")]
    [InlineData("group/with/slashes/spans/7/1/2")]
    [InlineData("")]
    public void What_belongs_to_somebody_else_is_passed_over(string key) => Assert.False(ProgressRecords.TryReadKey(Encoding.UTF8.GetBytes(key), Input, out _, out _));

    [Fact]
    public void A_head_is_read_as_it_was_written_and_one_of_a_later_version_not_at_all()
    {
        var head = new ProgressHead(ProgressHead.Present, 1_700_000_000_000, 42, 1_000_000_007, long.MinValue);
        Assert.Equal(head, ProgressRecords.ReadHead(ProgressRecords.WriteHead(head)));
        head = new ProgressHead(ProgressHead.Present, 1, 2, 3, 4, LeaptMs: 5, Ahead: ulong.MaxValue, AheadMs: 6);
        Assert.Equal(head, ProgressRecords.ReadHead(ProgressRecords.WriteHead(head)));
        Assert.Equal(new StreamClock(4, 5, ulong.MaxValue, 6), head.Clock);
        Assert.Null(ProgressRecords.ReadHead(ProgressRecords.WriteHead(head with { Version = 2 })));
        Assert.Null(ProgressRecords.ReadHead("not json"u8));
        Assert.Null(ProgressRecords.ReadHead("[]"u8));
    }

    [Fact]
    public void A_head_of_an_earlier_version_has_a_clock_that_nothing_is_ahead_of()
    {
        ProgressHead? head = ProgressRecords.ReadHead("""{"version":1,"epoch":1700000000000,"sequence":42,"read_on_from":7,"clock_ms":1700000000123}"""u8);
        Assert.Equal(new StreamClock(1_700_000_000_123), head!.Clock);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sheaf-progress 1")]
    [InlineData("sheaf-progress 1 two")]
    [InlineData("other 1 2")]
    public void An_offset_that_somebody_else_has_committed_has_no_mark(string metadata) => Assert.Null(ProgressMark.Parse(metadata));

    [Fact]
    public void A_mark_is_read_as_it_was_written()
    {
        var mark = new ProgressMark(1_700_000_000_000, 42);
        Assert.Equal(mark, ProgressMark.Parse(mark.ToString()));
    }
}

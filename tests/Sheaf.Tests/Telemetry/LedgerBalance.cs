using Sheaf.Spans;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.Tests.Telemetry;

public class LedgerBalance
{
    [Fact]
    public void Received_is_everything_else_together()
    {
        Assert.Equal(0, new LedgerCounts(15, 1, 2, 3, 4, 5).Balance);
        Assert.Equal(1, new LedgerCounts(16, 1, 2, 3, 4, 5).Balance);
        Assert.Equal(-1, new LedgerCounts(14, 1, 2, 3, 4, 5).Balance);
    }

    [Fact]
    public void The_total_is_the_sum_of_the_rows()
    {
        var ledger = new Ledger([new ShardLedger(new ShardId(0), new LedgerCounts(15, 1, 2, 3, 4, 5)), new ShardLedger(null, new LedgerCounts(150, 10, 20, 30, 40, 50))]);
        Assert.Equal(new LedgerCounts(165, 11, 22, 33, 44, 55), ledger.Total);
        Assert.True(ledger.AddsUp);
    }

    [Fact]
    public void Rows_that_are_off_in_opposite_ways_do_not_add_up()
    {
        var ledger = new Ledger([new ShardLedger(new ShardId(0), new LedgerCounts(2, 1, 0, 0, 0, 0)), new ShardLedger(new ShardId(1), new LedgerCounts(1, 2, 0, 0, 0, 0))]);
        Assert.Equal(0, ledger.Total.Balance);
        Assert.Equal(2, ledger.Balance);
        Assert.False(ledger.AddsUp);
    }
}

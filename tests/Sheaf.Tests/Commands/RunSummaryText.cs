using Sheaf.Commands;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.Tests.Commands;

/// <summary>The summary, letter by letter.</summary>
public class RunSummaryText
{
    private static readonly RunReport Report = new()
    {
        Outcome = RunOutcome.Done,
        Ledger = new Ledger(
        [
            new ShardLedger(new ShardId(0), new LedgerCounts(500_000, 499_980, 0, 5, 10, 5)),
            new ShardLedger(new ShardId(1), new LedgerCounts(499_997, 499_997, 0, 0, 0, 0)),
            new ShardLedger(null, new LedgerCounts(3, 0, 0, 3, 0, 0)),
        ]),
        Segments = new Dictionary<FlushReason, long> { [FlushReason.Shutdown] = 1_000, [FlushReason.RootTimeout] = 40_000, [FlushReason.MaxAge] = 0 },
        Elapsed = TimeSpan.FromSeconds(6),
        Active = TimeSpan.FromSeconds(4),
        BytesIn = 1_073_741_824,
        BytesOut = 1_083_741_824,
        DeadLetterFile = "sheaf-dead-letters.jsonl",
    };

    private static readonly RunReport Off = Report with
    {
        Outcome = RunOutcome.Failed,
        Reason = "The disk is full.",
        Ledger = new Ledger([new ShardLedger(new ShardId(0), new LedgerCounts(10, 7, 1, 0, 0, 0)), new ShardLedger(new ShardId(1), new LedgerCounts(10, 12, 0, 0, 0, 0))]),
        Segments = new Dictionary<FlushReason, long>(),
        DeadLetterFile = null,
        Elapsed = TimeSpan.Zero,
        Active = TimeSpan.Zero,
    };

    [Fact]
    public void A_ledger_that_adds_up() => Assert.Equal(
        """
        Done after 6.0 s: 1,000,000 spans in (1.0 GiB), 41,000 segments out (1.0 GiB), 250,000 spans/s, 256.0 MiB/s

        shard   received  produced  buffered  dead letters  duplicates  dropped
        0        500,000   499,980         0             5          10        5
        1        499,997   499,997         0             0           0        0
        none           3         0         0             3           0        0
        total  1,000,000   999,977         0             8          10        5
        received = produced + buffered + dead letters + duplicates + dropped: the ledger adds up
        segments by reason: root_timeout 40,000, shutdown 1,000
        dead letters: sheaf-dead-letters.jsonl
        """,
        RunSummary.Text(Report));

    [Theory]
    [InlineData(1.99, false)]
    [InlineData(2, true)]
    public void A_rate_is_told_of_a_run_that_was_long_enough_to_have_one(double active, bool isTold) =>
        Assert.Equal(isTold, RunSummary.Text(Report with { Active = TimeSpan.FromSeconds(active) }).Contains("spans/s", StringComparison.Ordinal));

    [Fact]
    public void A_ledger_that_does_not_and_two_errors_do_not_hide_each_other() => Assert.Equal(
        """
        The disk is full.
        Failed after 0.0 s: 20 spans in (1.0 GiB), 0 segments out (1.0 GiB)

        shard  received  produced  buffered  dead letters  duplicates  dropped
        0            10         7         1             0           0        0
        1            10        12         0             0           0        0
        total        20        19         1             0           0        0
        received = produced + buffered + dead letters + duplicates + dropped: THE LEDGER DOES NOT ADD UP by 4
        """,
        RunSummary.Text(Off));

    [Fact]
    public void What_waited_before_and_what_was_lost_have_columns_where_there_is_any() => Assert.Contains(
        """

        shard  received  carried over  produced  buffered  dead letters  duplicates  dropped  lost
        0            10             7        13         0             0           0        0     4
        1            10             0        10         0             0           0        0     0
        total        20             7        23         0             0           0        0     4
        received + carried over = produced + buffered + dead letters + duplicates + dropped + lost: the ledger adds up
        """,
        RunSummary.Text(Report with
        {
            Ledger = new Ledger(
            [
                new ShardLedger(new ShardId(0), new LedgerCounts(10, 13, 0, 0, 0, 0, CarriedOver: 7, Lost: 4)),
                new ShardLedger(new ShardId(1), new LedgerCounts(10, 10, 0, 0, 0, 0)),
            ]),
        }),
        StringComparison.Ordinal);

    [Fact]
    public void Of_many_shards_only_those_that_do_not_add_up_have_a_row()
    {
        ShardLedger[] rows = [.. Enumerable.Range(0, 100).Select(s => new ShardLedger(new ShardId(s), new LedgerCounts(1, s == 57 ? 0 : 1, 0, 0, 0, 0)))];
        string text = RunSummary.Text(Report with { Ledger = new Ledger(rows) });
        Assert.Contains("\nshard  received  produced  buffered  dead letters  duplicates  dropped\n57            1         0         0             0           0        0\ntotal       100        99 ", text, StringComparison.Ordinal);
    }

    [Fact]
    public void As_json() => Assert.Equal(
        """{"outcome":"done","reason":null,"exit_code":0,"wall_seconds":6,"received":1000000,"produced":999977,"buffered":0,"dead_letters":8,"duplicates":10,"dropped":5,"carried_over":0,"lost":0,"handed_over":0,"adds_up":true,"balance":0,"segments":41000,"segments_by_reason":{"root_timeout":40000,"idle_timeout":0,"max_age":0,"max_bytes":0,"buffer_full":0,"shutdown":1000},"bytes_in":1073741824,"bytes_out":1083741824,"dead_letter_file":"sheaf-dead-letters.jsonl","shards":[{"shard":0,"received":500000,"produced":499980,"buffered":0,"dead_letters":5,"duplicates":10,"dropped":5,"carried_over":0,"lost":0,"handed_over":0},{"shard":1,"received":499997,"produced":499997,"buffered":0,"dead_letters":0,"duplicates":0,"dropped":0,"carried_over":0,"lost":0,"handed_over":0},{"shard":null,"received":3,"produced":0,"buffered":0,"dead_letters":3,"duplicates":0,"dropped":0,"carried_over":0,"lost":0,"handed_over":0}]}""",
        RunSummary.Json(Report, 0));
}

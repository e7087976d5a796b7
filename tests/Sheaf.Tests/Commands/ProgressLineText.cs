using Sheaf.Commands;
using Sheaf.Ingesting;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.Tests.Commands;

/// <summary>The progress line, and how it shares the terminal with other lines.</summary>
public class ProgressLineText
{
    [Fact]
    public void A_terminal_that_has_closed_ends_nothing()
    {
        var console = new ErrorConsole(new ClosedTerminal(), isTerminal: true, () => 80);
        console.ShowStatus("a");
        console.WriteLine("b");
        console.ClearStatus();
    }

    private sealed class ClosedTerminal : StringWriter
    {
        public override void Flush() => throw new IOException("Input/output error");
    }

    private const string Erase = "\r\u001b[K";

    private static readonly RunSnapshot Before = new() { Counts = new LedgerCounts(1_000_000, 0, 0, 0, 0, 0) };

    private static readonly RunSnapshot Now = new()
    {
        Counts = new LedgerCounts(1_100_000, 900_000, 182_113, 0, 0, 0),
        BufferedBytes = 187_066_000,
        Segments = 41_022,
        Lag = TimeSpan.FromMilliseconds(12_440),
    };

    private static readonly RunSnapshot Paused = new() { Counts = new LedgerCounts(5, 0, 0, 5, 0, 0), Pauses = PauseReasons.BufferFull | PauseReasons.Backpressure };

    [Fact]
    public void It_tells_the_rate_since_the_last_one() =>
        Assert.Equal(
            "200,000 spans/s  buffered 182,113 (178.4 MiB)  lag 12.4 s  received 1,100,000  segments 41,022  12.3 s",
            ProgressLine.Render(Now, Before, TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(12.34), room: 200));

    [Fact]
    public void It_tells_why_it_pauses_before_anything_else_and_dead_letters() =>
        Assert.Equal(
            "paused: a flusher worker is behind, the buffer is full  0 spans/s  buffered 0 (0 B)  lag 0.0 s  dead letters 5  received 5  segments 0  0.0 s",
            ProgressLine.Render(Paused, new RunSnapshot(), TimeSpan.Zero, TimeSpan.Zero, int.MaxValue));

    [Theory]
    [InlineData(200, "200,000 spans/s  buffered 182,113 (178.4 MiB)  lag 12.4 s  received 1,100,000  segments 41,022  12.3 s")]
    [InlineData(103, "200,000 spans/s  buffered 182,113 (178.4 MiB)  lag 12.4 s  received 1,100,000  segments 41,022  12.3 s")]
    [InlineData(79, "200k/s  buffered 182k  lag 12s  in 1.1M  out 41k  12s")]
    [InlineData(39, "200k/s  buffered 182k  lag 12s  in 1.1M")]
    [InlineData(10, "200k/s")]
    [InlineData(5, "")]
    public void It_is_never_cut_where_it_does_not_fit_it_says_less(int room, string line) =>
        Assert.Equal(line, ProgressLine.Render(Now, Before, TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(12.34), room));

    [Theory]
    [InlineData(79, "paused: behind, full  0/s  buffered 0  lag 0s  dead 5  in 5  out 0  0s")]
    [InlineData(39, "paused: behind, full  0/s  buffered 0")]
    public void A_pause_is_the_last_thing_that_is_left_out(int room, string line) =>
        Assert.Equal(line, ProgressLine.Render(Paused, new RunSnapshot(), TimeSpan.Zero, TimeSpan.Zero, room));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(999.4, "999")]
    [InlineData(999.6, "1.0k")]
    [InlineData(9_949, "9.9k")]
    [InlineData(9_951, "10k")]
    [InlineData(182_113, "182k")]
    [InlineData(999_499, "999k")]
    [InlineData(999_501, "1.0M")]
    [InlineData(1_234_567_890, "1.2G")]
    public void Counts_are_written_in_few_letters(double count, string text) => Assert.Equal(text, CountText.Of(count));

    [Fact]
    public void On_a_terminal_it_is_written_over_cut_to_the_width_and_other_lines_go_above()
    {
        var writer = new StringWriter();
        var console = new ErrorConsole(writer, isTerminal: true, () => 11);
        console.ShowStatus("0123456789abc");
        console.ShowStatus("second");
        console.WriteLine("a line");
        console.ClearStatus();
        console.ClearStatus();
        console.WriteLine("the end");
        Assert.Equal($"{Erase}0123456789{Erase}second{Erase}a line\nsecond{Erase}the end\n", writer.ToString());
    }

    [Fact]
    public void Elsewhere_each_is_a_line_of_its_own()
    {
        var writer = new StringWriter();
        var console = new ErrorConsole(writer, isTerminal: false, () => 5);
        console.ShowStatus("0123456789");
        console.WriteLine("a line");
        console.ClearStatus();
        Assert.Equal("0123456789\na line\n", writer.ToString());
    }

    [Fact]
    public void It_looks_again_each_time()
    {
        var writer = new StringWriter();
        int looks = 0;
        var progress = new ProgressLine(new ErrorConsole(writer, isTerminal: false, () => 80), TimeProvider.System, () => new RunSnapshot { Segments = ++looks });
        progress.Show();
        progress.Show();
        Assert.Contains("segments 1 ", writer.ToString(), StringComparison.Ordinal);
        Assert.Contains("segments 2 ", writer.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.0 KiB")]
    [InlineData(1048575, "1.0 MiB")]
    [InlineData(187066000, "178.4 MiB")]
    [InlineData(long.MaxValue, "8192.0 PiB")]
    public void Bytes_are_written_for_people(long bytes, string text) => Assert.Equal(text, ByteText.Of(bytes));
}

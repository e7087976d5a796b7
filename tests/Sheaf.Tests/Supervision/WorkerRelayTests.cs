using System.Text;
using Microsoft.Extensions.Logging;
using Sheaf.Spans;
using Sheaf.Supervision;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Supervision;

/// <summary>What a worker process says, and what else may come out of it.</summary>
public sealed class WorkerRelayTests : IDisposable
{
    private readonly LogRecorder _log = new();
    private readonly SheafMetrics _metrics = new();
    private readonly MetricRecorder _recorder;
    private readonly WorkerRelay _relay;

    public WorkerRelayTests()
    {
        _recorder = new MetricRecorder(_metrics);
        _relay = new WorkerRelay(new WorkerShards(1, [new ShardId(1), new ShardId(3)]), _metrics, _log);
    }

    public void Dispose()
    {
        _recorder.Dispose();
        _metrics.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void What_the_channel_writes_comes_out_as_it_went_in()
    {
        var stream = new MemoryStream();
        using var channel = new ParentChannel(stream, () => LogLevel.Information);
        ILogger logger = channel.CreateLogger("Sheaf.Some");
        Write(logger, LogLevel.Debug, "not wanted", null);
        Write(logger, LogLevel.Warning, "two\nlines, \"quoted\", ünïcode", new InvalidOperationException("why"));
        channel.Measured(SegmentBatches.Numbered(1, 2, 10), TimeSpan.FromMilliseconds(250));
        channel.Fail("the gist\nand more");
        TakeAll(stream);

        RecordedEvent logged = Assert.Single(_log.Events);
        Assert.Equal(
            new RecordedEvent(
                "Sheaf.Some", LogLevel.Warning, 7,
                "Flusher worker 1 (shard 1,3): two\nlines, \"quoted\", ünïcode | System.InvalidOperationException: why"),
            logged);
        IReadOnlyList<RecordedMetric> measured = _recorder.Collect();
        Assert.Equal(0.25, Assert.Single(measured, m => m.Name == SheafMetrics.Names.WaitProduce).Value);
        Assert.Equal([1, 1], measured.Where(m => m.Name == SheafMetrics.Names.SpansPerSegment).Select(m => m.Value));
        Assert.Equal(2, measured.Count(m => m.Name == SheafMetrics.Names.SegmentSize));
        Assert.All(measured, m => Assert.Equal("1,3", m.Tags["shard"]));
        Assert.Equal("the gist\nand more", _relay.LastWords);
    }

    [Fact]
    public void No_line_is_longer_than_its_reader_takes()
    {
        var stream = new MemoryStream();
        using var channel = new ParentChannel(stream, () => LogLevel.Trace);
        string long_ = new('\u0001', 1_000_000); // each becomes six bytes
        Write(channel.CreateLogger("Sheaf"), LogLevel.Error, long_, new InvalidOperationException(long_));
        channel.Measured(SegmentBatches.Numbered(1, 2 * WorkerMessage.MaxMeasured + 1, 1), TimeSpan.FromSeconds(1));
        channel.Fail(long_);
        string[] lines = Encoding.UTF8.GetString(stream.ToArray()).TrimEnd('\n').Split('\n');
        Assert.Equal(5, lines.Length);
        Assert.All(lines, line => Assert.InRange(Encoding.UTF8.GetByteCount(line), 1, WorkerMessage.MaxBytes));
        TakeAll(stream);
        IReadOnlyList<RecordedMetric> measured = _recorder.Collect();
        Assert.Single(measured, m => m.Name == SheafMetrics.Names.WaitProduce);
        Assert.Equal(2 * WorkerMessage.MaxMeasured + 1, measured.Count(m => m.Name == SheafMetrics.Names.SegmentSize));
        Assert.DoesNotContain(_log.Events, logged => logged.Id == EventIds.WorkerStrayLine);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"log\":null}")]
    [InlineData("{\"log\":{}}")]
    [InlineData("{\"log\":{\"level\":6,\"category\":\"c\",\"id\":1,\"text\":\"t\"}}")]
    [InlineData("{\"log\":{\"level\":-1,\"category\":\"c\",\"id\":1,\"text\":\"t\"}}")]
    [InlineData("{\"log\":{\"level\":1,\"category\":null,\"id\":1,\"text\":\"t\"}}")]
    [InlineData("{\"log\":{\"level\":1,\"category\":\"c\",\"id\":99999999999,\"text\":\"t\"}}")]
    [InlineData("{\"measured\":{\"sizes\":[1],\"spans\":[]}}")]
    [InlineData("{\"measured\":{\"waited\":1,\"sizes\":null,\"spans\":[]}}")]
    [InlineData("{\"measured\":{\"waited\":null,\"sizes\":[1],\"spans\":[1,2]}}")]
    [InlineData("{\"failure\":3}")]
    [InlineData("{\"failure\":\"a\"} x")]
    [InlineData("Unhandled exception. System.NullReferenceException")]
    [InlineData("\u001b[31mred\u0007")]
    public void A_line_that_is_no_message_is_a_warning_and_kept(string line)
    {
        _relay.Take(Encoding.UTF8.GetBytes(line));
        RecordedEvent logged = Assert.Single(_log.Events);
        Assert.Equal((LogLevel.Warning, EventIds.WorkerStrayLine), (logged.Level, logged.Id));
        Assert.Empty(_recorder.Collect());
        Assert.Equal(line.Replace('\u001b', ' ').Replace('\u0007', ' '), _relay.LastWords);
    }

    [Fact]
    public void Bytes_that_are_no_text_do_no_harm()
    {
        byte[] noise = new byte[100_000];
        new Random(1).NextBytes(noise);
        _relay.Take(noise);
        _relay.Take([0xFF, 0xFE, (byte)'{']);
        _relay.Take([]);
        Assert.Equal(2, _log.Events.Count);
        Assert.All(_log.Events, logged => Assert.True(logged.Text.Length < 700));
    }

    [Fact]
    public void The_first_stray_line_and_the_last_ones_are_kept()
    {
        for (int i = 1; i <= 1000; i++) _relay.Take(Encoding.UTF8.GetBytes($"line {i}"));
        _relay.End();
        string[] words = _relay.LastWords!.Split('\n');
        Assert.Equal(["line 1", "…", "line 982", .. Enumerable.Range(983, 18).Select(i => $"line {i}")], words);
        Assert.Equal(51, _log.Events.Count);
        Assert.EndsWith("left 950 more such lines", _log.Events.Last().Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Categories_without_end_do_not_fill_the_logger_factory()
    {
        for (int i = 0; i < 1000; i++) _relay.Take(Encoding.UTF8.GetBytes($$$"""{"log":{"level":3,"category":"c{{{i}}}","id":1,"text":"t"}}"""));
        Assert.Equal(1000, _log.Events.Count);
        Assert.InRange(_log.Events.Select(logged => logged.Category).Distinct().Count(), 2, 65);
    }

    private void TakeAll(MemoryStream stream)
    {
        foreach (string line in Encoding.UTF8.GetString(stream.ToArray()).Split('\n')) _relay.Take(Encoding.UTF8.GetBytes(line));
    }

    private static void Write(ILogger logger, LogLevel level, string text, Exception? error) =>
        logger.Log(level, new EventId(7), text, error, static (state, _) => state);
}

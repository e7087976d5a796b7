using Microsoft.Extensions.Logging;
using Sheaf.Configuration;
using Sheaf.Kafka;

namespace Sheaf.Tests.Commands;

/// <summary>A command line as the original's operators have it is understood; what has no meaning here is told.</summary>
public class OriginalCommandLines
{
    private readonly TestHost _host = new();

    public OriginalCommandLines()
    {
        _host.Variables["SHEAF_INPUT"] = "kafka://broker/ingest-spans";
        _host.Variables["SHEAF_OUTPUT"] = "kafka://broker/buffered-segments";
    }

    [Fact]
    public async Task What_self_hosted_passes_binds_as_it_is_meant()
    {
        int exitCode = await RunAsync(
            "run consumer process-spans --consumer-group process-spans --auto-offset-reset=earliest --no-strict-offset-reset --max-poll-interval-ms 300000 -- --flusher-processes 2");
        Assert.True(exitCode == 0, _host.Error);
        KafkaConsumerOptions consumer = _host.Plan!.KafkaInput!.Consumer;
        Assert.Equal(("ingest-spans", "process-spans"), (consumer.Address.Topic, consumer.Address.Group));
        Assert.Equal((AutoOffsetReset.Earliest, false, TimeSpan.FromMinutes(5)), (consumer.AutoOffsetReset, consumer.StrictOffsetReset, consumer.MaxPollInterval));
        Assert.Equal(2, _host.Plan.FlusherProcesses);
        Assert.Empty(Told);
    }

    [Theory]
    [InlineData("run consumer process-spans --consumer-group g")]
    [InlineData("run consumer --log-level info process-spans --consumer-group g")]
    [InlineData("run --loglevel info consumer process-spans --consumer-group g")]
    [InlineData("run consumer process-spans --consumer-group g --")]
    [InlineData("process-spans --consumer-group=g --")]
    public async Task The_words_around_the_consumers_name_are_passed_over(string words)
    {
        Assert.True(await RunAsync(words) == 0, _host.Error);
        Assert.Equal("g", _host.Plan!.KafkaInput!.Consumer.Address.Group);
    }

    [Theory]
    [InlineData("--strict-offset-reset", true)]
    [InlineData("--no-strict-offset-reset", false)]
    [InlineData("", true)]
    public async Task Either_name_of_the_strict_reset_is_one(string word, bool isStrict)
    {
        Assert.True(await RunAsync($"process-spans --consumer-group g {word}") == 0, _host.Error);
        Assert.Equal(isStrict, _host.Plan!.KafkaInput!.Consumer.StrictOffsetReset);
    }

    [Fact]
    public async Task Both_names_of_the_strict_reset_exclude_each_other()
    {
        Assert.Equal(2, await RunAsync("process-spans --consumer-group g --strict-offset-reset --no-strict-offset-reset"));
        Assert.Contains("--no-strict-offset-reset: and --strict-offset-reset exclude each other", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_group_begins_with_what_is_there()
    {
        Assert.True(await RunAsync("process-spans --consumer-group g") == 0, _host.Error);
        Assert.Equal(AutoOffsetReset.Earliest, _host.Plan!.KafkaInput!.Consumer.AutoOffsetReset);
    }

    [Theory]
    [InlineData("--log-level info", LogLevel.Information)]
    [InlineData("--loglevel WARNING", LogLevel.Warning)]
    [InlineData("-l critical", LogLevel.Critical)]
    public async Task Levels_have_the_originals_names_too(string words, LogLevel level)
    {
        Assert.True(await RunAsync("process-spans --consumer-group g " + words) == 0, _host.Error);
        Assert.Equal(level, _host.Plan!.Reloadable.LogLevel);
    }

    [Fact]
    public async Task The_join_timeout_is_the_time_for_a_stop()
    {
        Assert.True(await RunAsync("process-spans --consumer-group g --join-timeout 12.5") == 0, _host.Error);
        Assert.Equal(TimeSpan.FromSeconds(12.5), _host.Plan!.ShutdownTimeout);
    }

    [Theory]
    [InlineData("--processes 4", "--processes")]
    [InlineData("--processes=4", "--processes")]
    [InlineData("--logformat machine", "--logformat")]
    [InlineData("--enable-dlq --input-block-size 1000 --output-block-size 1000", "--enable-dlq", "--input-block-size", "--output-block-size")]
    [InlineData("--quantized-rebalance-delay-secs 5 --max-dlq-buffer-length 7", "--quantized-rebalance-delay-secs", "--max-dlq-buffer-length")]
    public async Task What_may_be_left_out_without_harm_is_passed_over_with_a_line_each(string words, params string[] names)
    {
        Assert.True(await RunAsync($"process-spans --consumer-group g {words} --shards 3") == 0, _host.Error);
        Assert.Equal(3, _host.Plan!.Shards);
        Assert.Equal(names.Length, Told.Length);
        Assert.All(names, name => Assert.Contains(Told, line => line.StartsWith($"sheaf: {name} ", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("--topic spans", "--topic", "--input")]
    [InlineData("--cluster default", "--cluster", "--kafka-config")]
    [InlineData("--disable-dlq", "--disable-dlq", "--dead-letter")]
    [InlineData("--synchronize-commit-group g2 --synchronize-commit-log-topic t", "--synchronize-commit-group", "commit log")]
    [InlineData("--enable-autocommit", "--enable-autocommit", "when their spans are safe")]
    [InlineData("--stale-threshold-sec 60", "--stale-threshold-sec", "backlog")]
    public async Task What_would_be_missed_is_refused_with_the_way_out(string words, string name, string wayOut)
    {
        Assert.Equal(2, await RunAsync("process-spans --consumer-group g " + words));
        Assert.Contains($"  {name}: ", _host.Error, StringComparison.Ordinal);
        Assert.Contains(wayOut, _host.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("belongs to no option", _host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "--input: 'kafka://broker/ingest-spans' names no consumer group")]
    [InlineData("--consumer-group g --input kafka://broker/spans?group=h", "--consumer-group: 'g' is not the group in --input, 'h'")]
    [InlineData("--consumer-group=", "--consumer-group: needs a value")]
    public async Task The_group_is_named_once(string words, string fault)
    {
        Assert.Equal(2, await RunAsync("process-spans " + words));
        Assert.Contains(fault, _host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("help", "Commands:")]
    [InlineData("-h", "Commands:")]
    [InlineData("help process-spans", "--flusher-processes")]
    [InlineData("help config check", "sheaf config check")]
    [InlineData("process-spans -h", "--flusher-processes")]
    [InlineData("run consumer process-spans -h", "--flusher-processes")]
    [InlineData("version", ".")]
    public async Task Help_and_version_need_no_dashes(string words, string shown)
    {
        Assert.True(await RunAsync(words) == 0, _host.Error);
        Assert.Contains(shown, _host.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_consumer_is_refused_by_its_name()
    {
        Assert.Equal(2, await RunAsync("run consumer ingest-metrics --consumer-group g"));
        Assert.Contains("process-spans", _host.Error, StringComparison.Ordinal);
    }

    private string[] Told => [.. _host.Error.Split('\n').Where(line => line.StartsWith("sheaf: ", StringComparison.Ordinal))];

    private Task<int> RunAsync(string words) => _host.RunAsync(words.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}

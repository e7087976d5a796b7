using Microsoft.Extensions.Logging;
using Sheaf.Files;
using Sheaf.Configuration;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Redis;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.Tests.Commands;
using Xunit;

namespace Sheaf.Tests.Configuration;

/// <summary>From words, variables and file to the plan.</summary>
public sealed class PlanBinding : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestHost _host = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Defaults_make_a_plan()
    {
        Assert.Equal(0, await _host.ProcessSpansAsync());
        ProcessSpansPlan plan = _host.Plan!;
        Assert.Equal(
            new ProcessSpansPlan
            {
                Input = "-",
                Output = "-",
                InputFormat = SpanFormat.SentryJson,
                Delivery = DeliveryGuarantee.AtLeastOnce,
                ExistingOutput = ExistingContent.Refuse,
                WithHeaders = false,
                MaxMessageBytes = 64 << 20,
                Rules = new SegmentRules(60_000, 10_000, 600_000, 10 << 20),
                Shards = 6,
                FlusherProcesses = 1,
                MaxBufferBytes = 4L << 30,
                OnBufferFull = BufferFullPolicy.Pause,
                Buffer = new BufferTarget.Memory(),
                Isolation = FlusherIsolation.Thread,
                EarlierRun = EarlierRun.Refuse,
                MaxMemoryShare = 1,
                RedisTtl = TimeSpan.FromHours(1),
                CompressionLevel = 1,
                SliceId = null,
                MaxUnhealthy = TimeSpan.FromSeconds(60),
                Backpressure = TimeSpan.FromSeconds(10),
                ShutdownTimeout = TimeSpan.FromSeconds(30),
                DeadLetter = new DeadLetterTarget.File("sheaf-dead-letters.jsonl"),
                Progress = ProgressMode.Auto,
                Summary = SummaryFormat.Text,
                LogFormat = LogFormat.Text,
                LogInterval = TimeSpan.FromMinutes(1),
                ConfigPath = null,
                Reloadable = plan.Reloadable,
            },
            plan);
        Assert.False(plan.Reloadable.DropRules.Any);
        Assert.Equal((500, 0.01, 1000, LogLevel.Warning), (plan.Reloadable.MaxFlushSegments, plan.Reloadable.DeadLetterMaxRatio, plan.Reloadable.DeadLetterMaxConsecutive, plan.Reloadable.LogLevel));
    }

    [Fact]
    public async Task Every_option_reaches_the_plan()
    {
        string output = _folder.Write("out.jsonl", "old");
        string input = _folder.Write("in.jsonl", "");
        string config = _folder.Write("sheaf.json", "{}");
        Assert.Equal(0, await _host.RunAsync(
            "process-spans", "--input", input, "--output", output, "--overwrite", "--with-headers", "--max-message-bytes", "2KiB",
            "--timeout", "5m", "--root-timeout", "1.5", "--max-segment-age", "0", "--max-segment-bytes", "1MiB", "--shards", "3",
            "--flusher-processes", "2", "--max-flush-segments", "7", "--max-buffer-bytes", "1GiB", "--on-buffer-full", "flush-oldest",
            "--max-unhealthy-seconds", "2", "--backpressure-seconds", "3", "--shutdown-timeout", "4", "--dead-letter", "stop",
            "--dead-letter-max-ratio", "0.5", "--dead-letter-max-consecutive", "9", "--drop-organizations", "1,2", "--drop-organizations", "3",
            "--drop-projects=4", "--drop-traces", "0123456789abcdef0123456789abcdef", "--progress", "never", "--summary", "none",
            "--log-level", "debug", "--log-format", "json", "--log-interval", "5s", "--config", config, "--buffer", "redis://:secret@host/2", "--max-memory-percentage", "0.8", "--redis-ttl", "2h",
            "--compression-level", "-1", "--kafka-slice-id", "5", "--discard", "--flusher-isolation", "process"));
        ProcessSpansPlan plan = _host.Plan!;
        ReloadablePlan live = plan.Reloadable;
        Assert.Equal(
            new ProcessSpansPlan
            {
                Input = input,
                Output = output,
                InputFormat = SpanFormat.SentryJson,
                Delivery = DeliveryGuarantee.AtLeastOnce,
                ExistingOutput = ExistingContent.Overwrite,
                WithHeaders = true,
                MaxMessageBytes = 2048,
                Rules = new SegmentRules(300_000, 1_500, 0, 1 << 20),
                Shards = 3,
                FlusherProcesses = 2,
                MaxBufferBytes = 1 << 30,
                OnBufferFull = BufferFullPolicy.FlushOldest,
                Buffer = new BufferTarget.Redis(new RedisAddress.Standalone(new HostPort("host", 6379), 2) { Password = "secret" }),
                Isolation = FlusherIsolation.Process,
                EarlierRun = EarlierRun.Discard,
                MaxMemoryShare = 0.8,
                RedisTtl = TimeSpan.FromHours(2),
                CompressionLevel = -1,
                SliceId = 5,
                MaxUnhealthy = TimeSpan.FromSeconds(2),
                Backpressure = TimeSpan.FromSeconds(3),
                ShutdownTimeout = TimeSpan.FromSeconds(4),
                DeadLetter = new DeadLetterTarget.Stop(),
                Progress = ProgressMode.Never,
                Summary = SummaryFormat.None,
                LogFormat = LogFormat.Json,
                LogInterval = TimeSpan.FromSeconds(5),
                ConfigPath = config,
                Reloadable = live,
            },
            plan);
        Assert.Equal([1, 2, 3], live.DropRules.Organizations.Order());
        Assert.Equal([4], live.DropRules.Projects);
        Assert.Equal([new TraceId(0x0123456789abcdef, 0x0123456789abcdef)], live.DropRules.Traces);
        Assert.Equal((7, 0.5, 9, LogLevel.Debug), (live.MaxFlushSegments, live.DeadLetterMaxRatio, live.DeadLetterMaxConsecutive, live.LogLevel));
    }

    [Theory]
    [InlineData("--resume", "--resume: there is nothing of an earlier run in memory; it is for a Redis buffer (--buffer redis://…) (command line)")]
    [InlineData("--discard", "--discard: there is nothing of an earlier run in memory")]
    [InlineData("--resume --discard --buffer redis://host", "--discard: and --resume exclude each other")]
    [InlineData("--drain", "--drain: there is nothing of an earlier run in memory")]
    [InlineData("--drain --buffer redis://host", "--drain: is for a topic")]
    [InlineData("--resume --overwrite --buffer redis://host", "--overwrite: and --resume exclude each other: a run that goes on continues its output")]
    [InlineData("--buffer redis://host --timeout 31m", "--redis-ttl: '1h' is shorter than twice the longer of timeout and root-timeout: spans would expire before their segment closes (default)")]
    [InlineData("--buffer redis://host --redis-ttl 1s", "--redis-ttl: '1s' is shorter than twice")]
    [InlineData("--flusher-isolation process", "--flusher-isolation: 'process' needs a buffer outside of this process (--buffer redis://…)")]
    [InlineData("--flusher-isolation process --buffer redis://host", "--flusher-isolation: 'process': standard output is a stream, in which worker processes could not cut off what one of them was killed in; name a file, or use --flusher-isolation thread")]
    public async Task Options_that_do_not_go_together_are_refused(string words, string fault)
    {
        Assert.Equal(2, await _host.ProcessSpansAsync(words.Split(' ')));
        Assert.Contains(fault, _host.Error, StringComparison.Ordinal);
        Assert.Null(_host.Plan);
    }

    [Fact]
    public async Task Workers_are_processes_where_that_is_possible_and_nothing_else_is_asked_for()
    {
        string output = _folder.Write("out.jsonl", "");
        Assert.Equal(0, await _host.RunAsync("process-spans", "--input", "-", "--output", output, "--buffer", "redis://host"));
        Assert.Equal(FlusherIsolation.Process, _host.Plan!.Isolation);
        Assert.Equal(0, await _host.ProcessSpansAsync("--buffer", "redis://host"));
        Assert.Equal(FlusherIsolation.Thread, _host.Plan!.Isolation);
        Assert.Equal(0, await _host.RunAsync("process-spans", "--input", "-", "--output", output, "--buffer", "redis://host", "--flusher-isolation", "thread"));
        Assert.Equal(FlusherIsolation.Thread, _host.Plan!.Isolation);
    }

    [Theory]
    [InlineData("redis://:s3cret@host:0")]
    [InlineData("redis://user:s3cret@host/x")]
    [InlineData("redis://user:s3@cret@host/x")]
    [InlineData("redis-sentinel://user:s3cret@a")]
    [InlineData("redis-sentinel://a?service=m&sentinel-password=s3cret&what=1")]
    public async Task A_password_in_a_faulty_address_is_not_told(string address)
    {
        Assert.Equal(2, await _host.ProcessSpansAsync("--buffer", address));
        Assert.Contains("--buffer: '", _host.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("cret", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_is_not_shown_with_the_configuration()
    {
        Assert.Equal(0, await _host.RunAsync("config", "show", "--buffer", "redis://user:s3cret@host"));
        Assert.Contains("redis://user:***@host", _host.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", _host.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_line_beats_the_environment_beats_the_file_beats_the_default()
    {
        _host.Variables["SHEAF_CONFIG"] = _folder.Write("sheaf.json", """{ "shards": 11, "flusher-processes": 11, "max-flush-segments": 11, "drop-projects": [1, "2"] }""");
        _host.Variables["SHEAF_SHARDS"] = "12";
        _host.Variables["SHEAF_FLUSHER_PROCESSES"] = "12";
        Assert.Equal(0, await _host.ProcessSpansAsync("--shards", "13"));
        ProcessSpansPlan plan = _host.Plan!;
        Assert.Equal((13, 12, 11), (plan.Shards, plan.FlusherProcesses, plan.Reloadable.MaxFlushSegments));
        Assert.Equal([1, 2], plan.Reloadable.DropRules.Projects.Order());
        Assert.Equal(TimeSpan.FromSeconds(10), plan.Backpressure);
    }

    [Fact]
    public async Task Kafka_in_and_out_has_its_options()
    {
        Assert.Equal(0, await _host.RunAsync(
            "process-spans", "--input", "kafka://a,b:1/spans?group=g&fetch.min.bytes=5", "--output", "kafka://c/one,two", "--auto-offset-reset", "earliest", "--no-strict-offset-reset",
            "--max-poll-interval-ms", "7000", "--group-instance-id", "me", "--max-batch-size", "7", "--max-batch-time-ms", "8", "--clock-slack", "9s", "--output-key", "trace",
            "--kafka-config", "sasl.password=x,y", "--kafka-config", "linger.ms=3", "--dead-letter", "kafka:dead", "--buffer", "redis://host"));
        ProcessSpansPlan plan = _host.Plan!;
        KafkaConsumerOptions consumer = plan.KafkaInput!.Consumer;
        Assert.Equal(("a:9092,b:1", "spans", "g"), (consumer.Address.Brokers, consumer.Address.Topic, consumer.Address.Group));
        Assert.Equal(
            (AutoOffsetReset.Earliest, false, TimeSpan.FromSeconds(7), "me"),
            (consumer.AutoOffsetReset, consumer.StrictOffsetReset, consumer.MaxPollInterval, consumer.GroupInstanceId));
        Assert.Equal([new("sasl.password", "x,y"), new("linger.ms", "3")], consumer.Config.Properties);
        Assert.Equal(new KafkaSourceOptions(7, TimeSpan.FromMilliseconds(8), TimeSpan.FromSeconds(9)), plan.KafkaInput.Source);
        Assert.Equal(["one", "two"], plan.KafkaOutput!.Address.Topics.ToArray());
        Assert.Equal((KafkaKeyChoice.Trace, (int?)null), (plan.KafkaOutput.Key, plan.KafkaOutput.MaxSegmentBytes));
        Assert.Equal(new DeadLetterTarget.Kafka("dead"), plan.DeadLetter);
        Assert.Equal(FlusherIsolation.Process, plan.Isolation);
    }

    [Theory]
    [InlineData("g", "g.sheaf-progress")]
    [InlineData("a%20group/of:mine", "a-group-of-mine.sheaf-progress")]
    [InlineData("g", "mine", "--progress-topic", "mine")]
    [InlineData("g", null, "--progress-topic", "none")]
    public async Task Progress_goes_to_a_topic_named_after_the_group_unless_told_otherwise(string group, string? topic, params string[] more)
    {
        Assert.Equal(0, await _host.RunAsync(["process-spans", "--input", $"kafka://a/spans?group={group}", "--output", "kafka://a/segments", .. more]));
        Assert.Equal(topic, _host.Plan!.KafkaInput!.ProgressTopic);
        Assert.Equal(DeliveryGuarantee.AtLeastOnce, _host.Plan.Delivery);
    }

    [Theory]
    [InlineData("needs --buffer memory", "--buffer", "redis://host")]
    [InlineData("is from Kafka to Kafka", "--output", "-")]
    [InlineData("needs a progress topic", "--progress-topic", "none")]
    public async Task Exactly_once_says_what_it_needs(string problem, params string[] more)
    {
        string[] output = more.Contains("--output") ? [] : ["--output", "kafka://a/segments"];
        Assert.Equal(2, await _host.RunAsync(["process-spans", "--input", "kafka://a/spans?group=g", "--delivery", "exactly-once", .. output, .. more]));
        Assert.Contains(problem, _host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--progress-topic", "spans", "topic spans is that of the input or the output too")]
    [InlineData("--output", "kafka://a/spans", "topic spans is that of --input too")]
    [InlineData("--dead-letter", "kafka:spans", "topic spans is that of the input or the output too")]
    [InlineData("--buffer", "redis://host", "is for a file", "--resume")]
    public async Task What_does_not_go_together_with_kafka_is_told(string option, string value, string problem, string more = "--with-headers")
    {
        string[] output = option == "--output" ? [] : ["--output", "-"];
        Assert.Equal(2, await _host.RunAsync(["process-spans", "--input", "kafka://a/spans?group=g", .. output, option, value, more]));
        Assert.Contains(problem, _host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("group.id=g", "--consumer-group")]
    [InlineData("group.instance.id=one", "--group-instance-id")]
    [InlineData("bootstrap.servers=a:1", "--input")]
    [InlineData("metadata.broker.list=a:1", "--input")]
    [InlineData("transactional.id=t", "--delivery")]
    [InlineData("auto.offset.reset=latest", "--auto-offset-reset")]
    [InlineData("max.poll.interval.ms=9000", "--max-poll-interval-ms")]
    [InlineData("acks=0", "must stay all")]
    [InlineData("enable.auto.commit=true", "must stay false")]
    [InlineData("linger.ms=3,enable.idempotence=false", "must stay true")]
    public async Task A_property_that_sheaf_sets_itself_is_refused_with_what_to_use(string property, string instead)
    {
        string name = property.Split(',')[^1].Split('=')[0];
        Assert.Equal(2, await _host.RunAsync("process-spans", "--input", "kafka://a/spans?group=g", "--output", "kafka://a/segments", "--kafka-config", property));
        Assert.Contains($"--kafka-config: {name} ", _host.Error, StringComparison.Ordinal);
        Assert.Contains(instead, _host.Error, StringComparison.Ordinal);
        Assert.Equal(2, await _host.RunAsync("process-spans", "--input", "-", "--output", $"kafka://a/segments?{property.Split(',')[^1]}"));
        Assert.Contains($"{name} ", _host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("acks=all")]
    [InlineData("enable.auto.commit=false")]
    public async Task A_property_that_says_what_holds_anyway_is_taken(string property) => Assert.Equal(0, await _host.ProcessSpansAsync("--kafka-config", property));

    [Fact]
    public async Task Dead_letters_for_a_topic_need_brokers()
    {
        Assert.Equal(2, await _host.ProcessSpansAsync("--dead-letter", "kafka:dead"));
        Assert.Contains("neither is Kafka", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_of_kafka_are_not_shown_however_they_were_given()
    {
        Assert.Equal(0, await _host.RunAsync("config", "show", "--kafka-config", "sasl.password=s3cret,s3cret2", "--kafka-config", "linger.ms=3"));
        Assert.Contains("sasl.password=***,linger.ms=3", _host.Out, StringComparison.Ordinal);
        Assert.Equal(2, await _host.ProcessSpansAsync("--kafka-config", "s3cret"));
        Assert.Equal(2, await _host.RunAsync("process-spans", "--input", "kafka://u:s3cret@a/t?group=g&sasl.password=s3cret", "--output", "-"));
        Assert.DoesNotContain("s3cret", _host.Out + _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_is_taken_from_one_source_whole_and_can_be_emptied()
    {
        _host.Variables["SHEAF_DROP_PROJECTS"] = "1,2";
        _host.Variables["SHEAF_DROP_ORGANIZATIONS"] = "3";
        Assert.Equal(0, await _host.ProcessSpansAsync("--drop-projects", "7", "--drop-organizations", ""));
        Assert.Equal([7], _host.Plan!.Reloadable.DropRules.Projects);
        Assert.Empty(_host.Plan.Reloadable.DropRules.Organizations);
    }

    [Fact]
    public async Task All_faults_of_all_sources_are_told_at_once_and_nothing_starts()
    {
        string config = _folder.Write("sheaf.json", """
            {
              // a comment
              "max-flush-segments": 0,
              "max-flush-segment": 5,
              "timeout": { "seconds": 5 },
              "drop-projects": [1, true],
            }
            """);
        _host.Variables["SHEAF_BACKPRESSURE_SECONDS"] = "0";
        _host.Variables["SHEAF_TIMEOUTS"] = "5";
        int exitCode = await _host.RunAsync("process-spans", "--flusher-processes", "two", "--shard", "3", "--output", "-", "--config", config);
        Assert.Equal(2, exitCode);
        Assert.Null(_host.Plan);
        Assert.Equal(
            $"""
            sheaf: the configuration has 9 faults; nothing was started
              --shard: there is no such option; did you mean --shards? (command line)
              --flusher-processes: 'two' is not an integer from 1 to 1024 (command line)
              SHEAF_TIMEOUTS: there is no such variable; did you mean SHEAF_TIMEOUT? (environment)
              --backpressure-seconds: '0' is not a time from 1s to 1h (seconds, or a number with ms, s, m, h or d) (SHEAF_BACKPRESSURE_SECONDS)
              "max-flush-segment": there is no such option; did you mean max-flush-segments? ({config}, line 4)
              --timeout: an object is not a time from 1ms to 30d (seconds, or a number with ms, s, m, h or d) ({config}, line 5)
              --drop-projects: a list of other things than texts and numbers is not a list of integers from 0 to 9223372036854775807, separated by commas ({config}, line 6)
              --max-flush-segments: '0' is not an integer from 1 to 100000 ({config}, line 3)
              --input: is required: a path, - or kafka://HOST:PORT[,HOST:PORT]/TOPIC?group=NAME (or SHEAF_INPUT, or "input" in the file)
            see sheaf process-spans --help, or docs/configuration.md

            """,
            _host.Error);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("two")]
    public async Task Too_few_flusher_processes_are_refused_with_the_range(string text)
    {
        Assert.Equal(2, await _host.ProcessSpansAsync("--flusher-processes", text));
        Assert.Contains($"--flusher-processes: '{text}' is not an integer from 1 to 1024 (command line)", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_option_needs_its_value_and_only_one()
    {
        Assert.Equal(2, await _host.ProcessSpansAsync("--shards", "1", "--shards", "2", "--progress", "--overwrite", "spare"));
        Assert.Contains("--shards: is given 2 times (command line)", _host.Error, StringComparison.Ordinal);
        Assert.Contains("--progress: needs a value: one of auto, always, never (command line)", _host.Error, StringComparison.Ordinal);
        Assert.Contains("'spare': belongs to no option (command line)", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_weaker_source_is_checked_even_where_a_stronger_one_has_the_option()
    {
        _host.Variables["SHEAF_SHARDS"] = "0";
        Assert.Equal(2, await _host.ProcessSpansAsync("--shards", "2"));
        Assert.Contains("(SHEAF_SHARDS)", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_cannot_be_used_are_faults()
    {
        string full = _folder.Write("full.jsonl", "x");
        Assert.Equal(2, await _host.RunAsync("process-spans", "--input", _folder.PathOf("none"), "--output", full));
        Assert.Contains($"--input: there is no file '{_folder.PathOf("none")}' (command line)", _host.Error, StringComparison.Ordinal);
        Assert.Contains($"--output: '{full}' exists and is not empty; --overwrite throws its content away (command line)", _host.Error, StringComparison.Ordinal);

        var second = new TestHost();
        Assert.Equal(2, await second.RunAsync("process-spans", "--input", _folder.PathOf(""), "--output", _folder.PathOf("a/b")));
        Assert.Contains("is a directory (command line)", second.Error, StringComparison.Ordinal);
        Assert.Contains($"--output: there is no directory '{_folder.PathOf("a")}' (command line)", second.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_file_serves_two_purposes_by_whatever_name()
    {
        string spans = _folder.Write("spans.jsonl", "");
        File.CreateSymbolicLink(_folder.PathOf("link.jsonl"), spans);
        Assert.Equal(2, await _host.RunAsync("process-spans", "--input", spans, "--output", _folder.PathOf("./link.jsonl"), "--dead-letter", "file:" + spans));
        Assert.Contains("--output: '" + _folder.PathOf("./link.jsonl") + "' is the file of --input too (command line)", _host.Error, StringComparison.Ordinal);
        Assert.Contains($"--dead-letter: 'file:{spans}' is the file of --input too (command line)", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_output_file_needs_no_permission_and_devices_serve_twice()
    {
        Assert.Equal(0, await _host.RunAsync("process-spans", "--input", "/dev/null", "--output", _folder.Write("empty.jsonl", "")));
        Assert.Equal(0, await _host.RunAsync("process-spans", "--input", "/dev/null", "--output", "/dev/null", "--dead-letter", "file:/dev/null"));
    }
}

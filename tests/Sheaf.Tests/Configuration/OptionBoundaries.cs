using System.Globalization;
using Sheaf.Configuration;
using Sheaf.Tests.Commands;
using Xunit;

namespace Sheaf.Tests.Configuration;

/// <summary>Default, lowest, highest and just outside, for every option of the table; an option that lacks them fails here.</summary>
public class OptionBoundaries
{
    private const string Trace = "0123456789abcdef0123456789abcdef";

    /// <param name="Default">As Sheaf writes it; null = no default.</param>
    /// <param name="Accepted">Lowest and highest first, then other ways to write values.</param>
    /// <param name="Refused">Just below and just above first, then what is no such value.</param>
    private sealed record Boundaries(string? Default, string[] Accepted, string[] Refused);

    private static readonly string[] NoDuration = ["1x", "-1", "ten", "", "1 0", "1e3", "1s1", ".", "s", "99999999999999999999"];
    private static readonly string[] NoSize = ["10M", "-1", "ten", "", "1e3", "KiB", "0.1", "99999999999999999999"];

    private static readonly Dictionary<string, Boundaries> Expected = new()
    {
        ["input"] = new(null, ["-", "spans.jsonl", "kafka://a:1,b/spans?group=g", "kafka://a/spans"], ["", "a\0b", "kafka://a/s,t?group=g", "kafka://u:p@a/s?group=g"]),
        ["input-format"] = new("sentry-json", ["sentry-json", "Sentry-JSON"], ["", "json", "otlp"]),
        ["output"] = new(null, ["-", "segments.jsonl", "kafka://a/one,two"], ["", "a\0b", "kafka://a", "kafka://a:0/t"]),
        ["kafka-config"] = new("", ["", "a=", "security.protocol=ssl", "a.b=1,2,c=3"], ["a", "=x", ",", "acks=0", "group.id=g"]),
        ["consumer-group"] = new(null, ["g", "a group/of:mine", new('g', 255)], ["", new('g', 256), "a\nb"]),
        ["auto-offset-reset"] = new("earliest", ["earliest", "latest", "error"], ["", "none"]),
        ["no-strict-offset-reset"] = new("false", ["false", "true"], ["", "yes"]),
        ["max-poll-interval-ms"] = new("30000", ["6000", "86400000"], ["5999", "86400001", "", "30s"]),
        ["group-instance-id"] = new(null, ["a", "sheaf-0.A_b"], ["", "a b", "ä", "a/b"]),
        ["max-batch-size"] = new("1000", ["1", "100000"], ["0", "100001", "", "many"]),
        ["max-batch-time-ms"] = new("1000", ["0", "60000"], ["-1", "60001", "", "1s"]),
        ["clock-slack"] = new("1s", ["0", "1h", "250ms"], ["3600.001", "61m", .. NoDuration]),
        ["progress-topic"] = new(null, ["none", "a", "process-spans.sheaf-progress"], ["", "a b", "ä", "a/b"]),
        ["delivery"] = new("at-least-once", ["at-least-once", "exactly-once"], ["", "at-most-once"]),
        ["output-key"] = new("none", ["none", "trace", "project"], ["", "span"]),
        ["overwrite"] = new("false", ["false", "true", "TRUE"], ["", "yes", "1"]),
        ["with-headers"] = new("false", ["false", "true"], ["", "yes", "1"]),
        ["max-message-bytes"] = new("64MiB", ["1024", "1073741824", "1KiB", "1GiB", "1.5 kb"], ["1023", "1073741825", .. NoSize]),
        ["timeout"] = new("1m", ["0.001", "2592000", "1ms", "30d", "2.5", "720 h", "90S"], ["0", "0.0009", "2592000.001", "31d", "1.5ms", .. NoDuration]),
        ["root-timeout"] = new("10s", ["1ms", "30d"], ["0", "0.5ms", "2592001", .. NoDuration]),
        ["max-segment-age"] = new("10m", ["0", "1", "60d", "5184000"], ["999ms", "5184000001ms", .. NoDuration]),
        ["max-segment-bytes"] = new(null, ["1KiB", "256MiB", "1000000"], ["1023", "268435457", .. NoSize]),
        ["shards"] = new("6", ["1", "1024"], ["0", "1025", "-1", "two", "", "1.0", "+1", " 1", "99999999999"]),
        ["flusher-processes"] = new("1", ["1", "1024"], ["0", "1025", "-1", "two", "", "1.0", "0x1"]),
        ["max-flush-segments"] = new("500", ["1", "100000"], ["0", "100001", "-1", "many"]),
        ["max-buffer-bytes"] = new("50%", ["1MiB", "16TiB", "1%", "100%", "12.5%"], ["1048575", "17592186044417", "0.9%", "100.1%", "%", "-1%", .. NoSize]),
        ["on-buffer-full"] = new("pause", ["pause", "flush-oldest", "Pause"], ["", "drop"]),
        ["buffer"] = new("memory",
            ["memory", "redis://host", "redis://user:p%40ss@host:7000/3", "rediss://host?ca=/ca.pem", "unix:///run/redis.sock", "redis-cluster://a:1,b:2", "redis-sentinel://a,b/2?service=main"],
            ["", "disk", "Memory", "http://host", "redis://", "redis://host:0", "redis://host:70000", "redis://host/x", "redis-sentinel://a", "redis://host?what=1"]),
        ["max-memory-percentage"] = new("1", ["0.01", "1", "0.5"], ["0.009", "1.01", "0", "", "80%"]),
        ["redis-ttl"] = new("1h", ["1", "365d"], ["0.999", "31536000.001", "0", .. NoDuration]),
        ["compression-level"] = new("1", ["-1", "19", "0"], ["-2", "20", "", "fast", "1.0"]),
        ["kafka-slice-id"] = new(null, ["0", "2147483647"], ["-1", "2147483648", "", "a"]),
        ["resume"] = new("false", ["false", "true"], ["", "yes"]),
        ["drain"] = new("false", ["false", "true"], ["", "yes"]),
        ["discard"] = new("false", ["false", "true"], ["", "yes"]),
        ["flusher-isolation"] = new(null, ["thread", "process", "Process"], ["", "fork"]),
        ["max-unhealthy-seconds"] = new("1m", ["1", "3600", "1h"], ["0", "999ms", "3601", .. NoDuration]),
        ["backpressure-seconds"] = new("10s", ["1", "3600"], ["0", "0.999", "3600.001", .. NoDuration]),
        ["shutdown-timeout"] = new("30s", ["1", "3600"], ["0", "0.999", "3600.001", .. NoDuration]),
        ["dead-letter"] = new("file:sheaf-dead-letters.jsonl", ["file:x", "stop", "kafka:dead-letters"], ["", "file:", "x.jsonl", "Stop", "kafka:", "kafka:a/b"]),
        ["dead-letter-max-ratio"] = new("0.01", ["0", "1", "0.5", "1.0"], ["-0.1", "1.01", "", "NaN", "half", "1%"]),
        ["dead-letter-max-consecutive"] = new("1000", ["0", "1000000000"], ["-1", "1000000001", "", "many"]),
        ["drop-organizations"] = new("", ["", "0", "9223372036854775807", "1, 2,3"], ["-1", "9223372036854775808", "1,,2", "1;2", "one"]),
        ["drop-projects"] = new("", ["", "0", "9223372036854775807", "1, 2,3"], ["-1", "9223372036854775808", "1,", "p"]),
        ["drop-traces"] = new("", ["", Trace, $"01234567-89ab-cdef-0123-456789ABCDEF,{Trace}"], [Trace[1..], Trace + "0", Trace[1..] + "g", "0"]),
        ["progress"] = new("auto", ["auto", "always", "never"], ["", "true"]),
        ["summary"] = new("text", ["text", "json", "none"], ["", "xml"]),
        ["log-level"] = new("warning", ["trace", "debug", "information", "warning", "error", "critical", "none", "info", "INFO"], ["", "fatal", "3"]),
        ["log-format"] = new("text", ["text", "json", "JSON"], ["", "human"]),
        ["log-interval"] = new("1m", ["1", "1h", "0"], ["0.999", "3600.001", .. NoDuration]),
        ["config"] = new(null, ["sheaf.json"], ["", "-"]),
    };

    [Fact]
    public void Every_option_has_boundaries_here() =>
        Assert.Equal(OptionTable.All.Select(o => o.Name).Order(), Expected.Keys.Order());

    public static TheoryData<string> Names() => [.. Expected.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Default(string name)
    {
        OptionSpec option = Option(name);
        Assert.Equal(Expected[name].Default, new EffectiveOptions(TestHost.Machine, []).Find(option)?.Text);
        if (Expected[name].Default is { Length: > 0 } text && option.Example is null) Assert.Equal(text, option.DefaultText);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_up_to_the_limits_are_accepted_and_written_so_that_they_read_the_same(string name)
    {
        foreach (string text in Expected[name].Accepted)
        {
            Assert.True(Option(name).TryRead(text, out object? value, out string? canonical), $"'{text}' was refused");
            Assert.True(Option(name).TryRead(canonical, out object? again, out string? canonicalAgain), $"'{canonical}', written for '{text}', was refused");
            Assert.Equal(canonical, canonicalAgain);
            Assert.Equal(value, again);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_outside_are_refused_with_name_value_range_and_source(string name)
    {
        OptionSpec option = Option(name);
        foreach (string text in Expected[name].Refused)
        {
            var layer = new ConfigurationLayer([new GivenValue(option, text, OptionSource.CommandLine)], []);
            ConfigurationFault fault = Assert.Single(new EffectiveOptions(TestHost.Machine, [layer]).Faults);
            Assert.Equal($"--{name}: {option.Problem(text)} (command line)", fault.ToString());
        }
    }

    [Theory]
    [InlineData("100MiB", 104_857_600)]
    [InlineData("25%", 2L << 30)]
    public void A_share_of_the_memory_is_taken_of_the_machine(string text, long bytes)
    {
        Assert.True(new MemoryKind().TryParse(text, out MemoryAmount amount));
        Assert.Equal(bytes, amount.On(TestHost.Machine));
    }

    [Fact]
    public void A_share_of_a_tiny_memory_is_still_a_mebibyte() =>
        Assert.Equal(1 << 20, new MemoryAmount(null, 1).On(new Machine(1, 10 << 20)));

    [Theory]
    [InlineData(0, "1")]
    [InlineData(5000, "1024")]
    public void Shards_stay_in_their_range_on_any_machine(int cores, string shards) =>
        Assert.Equal(shards, new EffectiveOptions(new Machine(cores, 1 << 30), []).Get(OptionTable.Shards).ToString(CultureInfo.InvariantCulture));

    private static OptionSpec Option(string name) => OptionTable.All.Single(o => o.Name == name);
}

using Sheaf.Commands;

namespace Sheaf.Tests.Commands;

/// <summary><c>sheaf config check</c> is as strict as a start, and says what it has looked at.</summary>
public sealed class ConfigChecks : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestHost _host = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--output", "-")]
    [InlineData("--input", "-")]
    [InlineData("--input", "no-such-file.jsonl", "--output", "-")]
    [InlineData("--input", "-", "--output", "-", "--resume")]
    [InlineData("--input", "kafka://a/spans", "--output", "-")]
    [InlineData("--input", "-", "--output", "-", "--kafka-config", "acks=0")]
    public async Task What_a_start_refuses_is_refused_in_the_same_words(params string[] words)
    {
        var start = new TestHost();
        Assert.Equal(2, await start.RunAsync(["process-spans", .. words]));
        Assert.Equal(2, await _host.RunAsync(["config", "check", .. words]));
        Assert.Equal(start.Error, _host.Error);
        Assert.Equal("", _host.Out);
    }

    [Fact]
    public async Task Every_thing_that_was_looked_at_has_a_line()
    {
        _host.Found =
        [
            new("input", FindingKind.Sound, "kafka://a:9092/spans: 8 partitions"),
            new("output", FindingKind.NotChecked, "no broker answers"),
        ];
        Assert.Equal(0, await _host.RunAsync("config", "check", "--input", "kafka://a/spans?group=g", "--output", "kafka://b/segments"));
        Assert.Equal(
            """
            sound        options: 2 given, the others have their defaults; sheaf config show prints them all
            sound        input: kafka://a:9092/spans: 8 partitions
            not checked  output: no broker answers

            """,
            _host.Out);
        Assert.Equal("", _host.Error);
        Assert.Equal("spans", _host.Plan!.KafkaInput!.Consumer.Address.Topic);
    }

    [Fact]
    public async Task All_faults_outside_of_the_process_are_told_at_once()
    {
        _host.Found =
        [
            new("input", FindingKind.Fault, "input: there is no topic"), new("output", FindingKind.Fault, "output: too small"), new("buffer", FindingKind.Sound, "memory"),
            new("dead-letter", FindingKind.Fault, "output: too small"),
        ];
        Assert.Equal(2, await _host.RunAsync("config", "check", "--input", "-", "--output", "-"));
        Assert.Equal(
            """
            sheaf: the configuration has 2 faults; nothing was started
              input: there is no topic
              output: too small
            see sheaf process-spans --help, or docs/configuration.md

            """,
            _host.Error);
        Assert.Contains("sound        buffer: memory\n", _host.Out, StringComparison.Ordinal);
    }
}

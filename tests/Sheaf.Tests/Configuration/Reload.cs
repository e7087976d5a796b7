using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Telemetry;
using Sheaf.TestKit;
using Sheaf.Tests.Commands;
using Xunit;

namespace Sheaf.Tests.Configuration;

/// <summary>What a change of the file does during a run.</summary>
public sealed class Reload : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _log = new();

    public void Dispose() => _folder.Dispose();

    private (ConfigurationWatcher Watcher, LivePlan Live) Start(string file, ConfigurationLayer? commandLine = null)
    {
        _folder.Write("sheaf.json", file);
        var sources = new ConfigurationSources(TestHost.Machine, commandLine ?? ConfigurationLayer.Empty, ConfigurationLayer.Empty, _folder.PathOf("sheaf.json"));
        EffectiveOptions options = sources.Read();
        Assert.Empty(options.Faults);
        var live = new LivePlan(PlanBinder.BindReloadable(options));
        var provider = new LineLoggerProvider(new ErrorConsole(_log, isTerminal: false, () => 80), TimeProvider.System, () => LogLevel.Information);
        var watcher = new ConfigurationWatcher(sources, options, live, provider.CreateLogger("test"));
        watcher.Look();
        Assert.Empty(Logged());
        return (watcher, live);
    }

    /// <summary>What was logged since the last call, without times.</summary>
    private string[] Logged()
    {
        string[] lines = [.. _log.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..])];
        _log.GetStringBuilder().Clear();
        return lines;
    }

    [Fact]
    public void Every_reloadable_option_changes_at_once()
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("{}");
        _folder.Write("sheaf.json", """
            { "drop-projects": [5], "drop-organizations": [6], "drop-traces": ["0123456789abcdef0123456789abcdef"], "max-flush-segments": 9,
              "dead-letter-max-ratio": 0.5, "dead-letter-max-consecutive": 3, "log-level": "debug" }
            """);
        watcher.Look();
        ReloadablePlan now = live.Current;
        Assert.Equal((1, 1, 1), (now.DropRules.Projects.Count, now.DropRules.Organizations.Count, now.DropRules.Traces.Count));
        Assert.Equal((9, 0.5, 3, LogLevel.Debug), (now.MaxFlushSegments, now.DeadLetterMaxRatio, now.DeadLetterMaxConsecutive, now.LogLevel));
        string[] logged = Logged();
        Assert.Equal(OptionTable.All.Count(o => o.Reloadable), logged.Length);
        Assert.Contains("information test 3000: max-flush-segments is now '9'; it was '500'", logged);
    }

    [Fact]
    public void SIGHUP_reads_the_file_at_once_and_says_so_whether_it_has_changed_or_not()
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("{}");
        using var signal = new ReloadSignal(watcher, NullLogger.Instance);
        signal.Receive();
        Assert.Contains($" {EventIds.ConfigurationReadAgain}: ", Assert.Single(Logged()), StringComparison.Ordinal);

        _folder.Write("sheaf.json", """{ "max-flush-segments": 9 }""");
        signal.Receive();
        Assert.Equal(9, live.Current.MaxFlushSegments);
        Assert.Equal(2, Logged().Length);
        watcher.Look();
        Assert.Empty(Logged());
    }

    [Fact]
    public void SIGHUP_without_a_file_says_that_there_is_none()
    {
        var log = new LogRecorder();
        using var signal = new ReloadSignal(null, log.CreateLogger("test"));
        signal.Receive();
        Assert.Equal([EventIds.NothingToReload], log.Events.Select(e => e.Id));
    }

    [Fact]
    public void A_faulty_file_keeps_the_old_values_and_tells_every_fault_once()
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("""{ "max-flush-segments": 5 }""");
        ReloadablePlan before = live.Current;
        string path = _folder.Write("sheaf.json", """{ "max-flush-segments": 0, "dead-letter-max-ratio": 0.5, "log-levl": "debug" }""");
        watcher.Look();
        watcher.Look();
        Assert.Same(before, live.Current);
        Assert.Equal(
            [
                $"error test 3001: {path} has a fault and is not used; the old values stay. \"log-levl\": there is no such option; did you mean log-level? ({path}, line 1)",
                $"error test 3001: {path} has a fault and is not used; the old values stay. --max-flush-segments: '0' is not an integer from 1 to 100000 ({path}, line 1)",
            ],
            Logged());

        _folder.Write("sheaf.json", """{ "max-flush-segments": 6 }""");
        watcher.Look();
        Assert.Equal(6, live.Current.MaxFlushSegments);
    }

    [Theory]
    [InlineData("{ \"output\": \"\\ud800\" }", false)]
    [InlineData("{ \"output\": \"é\" }", true)]
    public void A_file_that_is_no_text_keeps_the_old_values_and_the_watch_goes_on(string file, bool asLatin1)
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("""{ "max-flush-segments": 5 }""");
        string path = _folder.PathOf("sheaf.json");
        File.WriteAllBytes(path, asLatin1 ? System.Text.Encoding.Latin1.GetBytes(file) : System.Text.Encoding.UTF8.GetBytes(file));
        watcher.Look();
        watcher.Look();
        Assert.Equal(5, live.Current.MaxFlushSegments);
        Assert.Contains("error test 3001: ", Assert.Single(Logged()), StringComparison.Ordinal);
        _folder.Write("sheaf.json", """{ "max-flush-segments": 6 }""");
        watcher.Look();
        Assert.Equal(6, live.Current.MaxFlushSegments);
    }

    [Fact]
    public void A_file_that_is_gone_keeps_the_old_values()
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("""{ "max-flush-segments": 5 }""");
        File.Delete(_folder.PathOf("sheaf.json"));
        watcher.Look();
        watcher.Look();
        Assert.Equal(5, live.Current.MaxFlushSegments);
        Assert.Contains("cannot be read", Assert.Single(Logged()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_change_that_needs_a_restart_is_said_once_and_not_applied()
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("""{ "shards": 2 }""");
        _folder.Write("sheaf.json", """{ "shards": 4, "max-flush-segments": 5 }""");
        watcher.Look();
        Assert.Equal(
            [
                "warning test 3002: shards has changed to '4', which takes effect at the next start; it is still '2'",
                "information test 3000: max-flush-segments is now '5'; it was '500'",
            ],
            Logged());
        Assert.Equal(5, live.Current.MaxFlushSegments);

        _folder.Write("sheaf.json", """{ "shards": 5, "max-flush-segments": 5 }""");
        watcher.Look();
        Assert.Equal(["warning test 3002: shards has changed to '5', which takes effect at the next start; it is still '2'"], Logged());
        _folder.Write("sheaf.json", """{ "shards": 2, "max-flush-segments": 5 }""");
        watcher.Look();
        Assert.Empty(Logged());
    }

    [Fact]
    public void The_command_line_still_wins()
    {
        var words = new ConfigurationLayer([new GivenValue(OptionTable.MaxFlushSegments, "7", OptionSource.CommandLine)], []);
        (ConfigurationWatcher watcher, LivePlan live) = Start("{}", words);
        _folder.Write("sheaf.json", """{ "max-flush-segments": 5 }""");
        watcher.Look();
        Assert.Equal(7, live.Current.MaxFlushSegments);
        Assert.Empty(Logged());
    }

    [Fact]
    public void A_file_that_says_the_same_in_other_words_changes_nothing()
    {
        (ConfigurationWatcher watcher, LivePlan live) = Start("""{ "timeout": 60, "drop-projects": [1, 2] }""");
        _folder.Write("sheaf.json", """{ "drop-projects": "2,1", "timeout": "1m" }""");
        watcher.Look();
        Assert.Empty(Logged());
        Assert.Equal(2, live.Current.DropRules.Projects.Count);
    }
}

using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sheaf.Commands;
using Sheaf.Spans;
using Sheaf.Telemetry;
using Xunit;

namespace Sheaf.Tests.Commands;

/// <summary>How the command tells what became of a run.</summary>
public class RunningProcessSpans
{
    private readonly TestHost _host = new();

    // The outcome by its name: the type is internal, and a test method is public.
    [Theory]
    [InlineData("Done", 0)]
    [InlineData("Failed", 1)]
    [InlineData("DeadLetterLimit", 3)]
    [InlineData("NothingUsable", 4)]
    [InlineData("Interrupted", 130)]
    public async Task Each_outcome_has_its_exit_code_and_the_summary_is_told(string outcome, int exitCode)
    {
        _host.Run = _ => TestHost.Report with { Outcome = Enum.Parse<RunOutcome>(outcome) };
        Assert.Equal(exitCode, await _host.ProcessSpansAsync());
        Assert.Contains("the ledger adds up\n", _host.Error, StringComparison.Ordinal);
        Assert.Equal("", _host.Out);
    }

    [Theory]
    [InlineData("Done", 1, "failed")]
    [InlineData("Interrupted", 130, "interrupted")]
    [InlineData("Failed", 1, "failed")]
    public async Task A_ledger_that_does_not_add_up_is_never_a_success_and_says_so(string outcome, int exitCode, string told)
    {
        var counts = new LedgerCounts(Received: 5, Produced: 3, Buffered: 0, DeadLetters: 0, Duplicates: 0, Dropped: 0);
        _host.Run = _ => TestHost.Report with { Outcome = Enum.Parse<RunOutcome>(outcome), Ledger = new Ledger([new ShardLedger(new ShardId(0), counts)]) };
        Assert.Equal(exitCode, await _host.ProcessSpansAsync("--summary", "json"));
        using JsonDocument json = JsonDocument.Parse(_host.Error.TrimEnd().Split('\n')[^1]);
        Assert.Equal(exitCode, json.RootElement.GetProperty("exit_code").GetInt32());
        Assert.Equal(told, json.RootElement.GetProperty("outcome").GetString());
        Assert.Contains("by 2 spans", json.RootElement.GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_summary_can_be_one_line_of_json()
    {
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "json"));
        Assert.EndsWith("\n", _host.Error, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(_host.Error);
        Assert.Equal(0, json.RootElement.GetProperty("exit_code").GetInt32());
    }

    [Fact]
    public async Task Without_a_summary_a_good_run_is_silent_and_a_bad_one_still_says_why()
    {
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "none"));
        Assert.Equal("", _host.Error);
        _host.Run = _ => TestHost.Report with { Outcome = RunOutcome.Failed, Reason = "The disk is full." };
        Assert.Equal(1, await _host.ProcessSpansAsync("--summary", "none"));
        Assert.Matches($@"^\S+ error Sheaf\.Commands {EventIds.RunEnded}: .* reason: The disk is full\.\n$", _host.Error);
    }

    [Fact]
    public async Task What_is_thrown_on_purpose_is_told_in_one_line()
    {
        _host.Run = _ => throw new SourceException("spans.jsonl cannot be read.");
        Assert.Equal(1, await _host.ProcessSpansAsync());
        Assert.Equal("sheaf: spans.jsonl cannot be read.\n", _host.Error);
    }

    [Fact]
    public async Task A_bug_is_told_with_its_trace()
    {
        _host.Run = _ => throw new InvalidOperationException("oh");
        Assert.Equal(1, await _host.ProcessSpansAsync());
        Assert.StartsWith("sheaf: unexpected fault, please report it: System.InvalidOperationException: oh\n   at ", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_events_are_single_lines_from_the_level_that_holds_now()
    {
        _host.Run = context =>
        {
            ILogger log = context.Logs.CreateLogger("Sheaf.Test");
            Write(log, "one");
            context.Live.Current = context.Live.Current with { LogLevel = LogLevel.Information };
            Write(log, "two\nlines");
            return TestHost.Report;
        };
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "none"));
        string[] lines = _host.Error.TrimEnd().Split('\n');
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z information Sheaf\.Test 7: two\\nlines$", lines[0]);
        Assert.Matches($@" information Sheaf\.Commands {EventIds.RunEnded}: ", Assert.Single(lines[1..]));

        static void Write(ILogger log, string text) => log.Log(LogLevel.Information, new EventId(7), text, null, (state, _) => state);
    }

    [Fact]
    public async Task Log_events_can_be_json_with_their_fields()
    {
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "none", "--log-level", "information", "--log-format", "json", "--shards", "3"));
        JsonElement[] events = [.. _host.Error.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([EventIds.RunStarting, EventIds.RunEnded], events.Select(logged => logged.GetProperty("event").GetInt32()));
        Assert.Equal(("information", "Sheaf.Commands"), (events[0].GetProperty("level").GetString(), events[0].GetProperty("category").GetString()));
        Assert.Equal("input=- (command line), output=- (command line), shards=3 (command line), summary=none (command line), log-level=information (command line), log-format=json (command line)",
            events[0].GetProperty("fields").GetProperty("options").GetString());
        Assert.Equal(("done", 0), (events[1].GetProperty("fields").GetProperty("outcome").GetString(), events[1].GetProperty("fields").GetProperty("exit_code").GetInt32()));
    }

    [Fact]
    public async Task Without_a_terminal_the_beginning_and_the_end_are_logged()
    {
        _host.Own = TestHost.Machine with { HasTerminal = false };
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "none"));
        string[] lines = _host.Error.TrimEnd().Split('\n');
        Assert.Matches($@" information Sheaf\.Commands {EventIds.RunStarting}: ", lines[0]);
        Assert.Matches($@" information Sheaf\.Commands {EventIds.RunEnded}: ", lines[^1]);
    }

    [Fact]
    public async Task The_line_at_the_start_shows_no_secret()
    {
        _host.Variables["SHEAF_BUFFER"] = "redis://user:hidden@host";
        _host.Variables["SHEAF_KAFKA_CONFIG"] = "sasl.password=hidden";
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "none", "--log-level", "information"));
        Assert.Contains("SHEAF_KAFKA_CONFIG", _host.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Progress_is_silent_where_standard_error_is_no_terminal()
    {
        bool asked = false;
        _host.Run = context =>
        {
            context.ShowProgress(() =>
            {
                asked = true;
                return new RunSnapshot();
            });
            return TestHost.Report;
        };
        Assert.Equal(0, await _host.ProcessSpansAsync("--summary", "none"));
        Assert.False(asked);
        Assert.Equal("", _host.Error);
    }

    [Theory]
    [InlineData("proces-spans", "sheaf: Unrecognized command or argument 'proces-spans'; did you mean process-spans?\nsee sheaf --help\n")]
    [InlineData("config chek", "sheaf: Unrecognized command or argument 'chek'; did you mean check?\nsee sheaf config --help\n")]
    public async Task An_unknown_command_is_refused_with_the_nearest(string words, string error)
    {
        Assert.Equal(2, await _host.RunAsync(words.Split(' ')));
        Assert.Equal(error, _host.Error);
    }

    [Fact]
    public async Task Config_show_tells_each_value_and_its_source()
    {
        _host.Variables["SHEAF_TIMEOUT"] = "90";
        Assert.Equal(0, await _host.RunAsync("config", "show", "--shards", "3"));
        Assert.Matches(@"\nshards +3 +command line\n", _host.Out);
        Assert.Matches(@"\ntimeout +90s +SHEAF_TIMEOUT\n", _host.Out);
        Assert.Matches(@"\nroot-timeout +10s +default\n", _host.Out);
        Assert.Matches(@"\ninput +not set\n", _host.Out);
    }

    [Fact]
    public async Task Config_show_needs_no_input_but_tells_faults()
    {
        Assert.Equal(0, await _host.RunAsync("config", "show"));
        Assert.Equal("", _host.Error);
        Assert.Equal(2, await _host.RunAsync("config", "show", "--shards", "0"));
        Assert.Contains("--shards: '0' is not an integer from 1 to 1024 (command line)", _host.Error, StringComparison.Ordinal);
    }
}

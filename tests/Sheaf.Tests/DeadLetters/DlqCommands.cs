using System.Globalization;
using System.Text;
using System.Text.Json;
using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.Spans;
using Sheaf.TestKit;
using Sheaf.Tests.Commands;

namespace Sheaf.Tests.DeadLetters;

/// <summary><c>sheaf dlq</c> over files, and what it refuses; with brokers see the system tests.</summary>
public sealed class DlqCommands : IDisposable
{
    private static readonly byte[][] Messages = ["{\"trace_id\":7}"u8.ToArray(), [], [.. "\u001b[2J\n é"u8, 0xff], "not json"u8.ToArray()];

    private readonly TempFolder _folder = new();
    private readonly TestClock _clock = new();
    private readonly TestHost _host = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_list_has_a_line_for_each_letter_and_counts_them_by_reason()
    {
        string path = await WriteAsync();
        Assert.Equal(0, await _host.RunAsync("dlq", "list", "--dead-letter", $"file:{path}"));
        string[] lines = _host.Out.Split('\n');
        Assert.Matches("^place +written +reason +field +size +message came from$", lines[0]);
        Assert.Matches(@"^1 +2031-07-05T03:02:01\.000Z +wrong_type +trace_id +14 B +ingest-spans:3:100$", lines[1]);
        Assert.Matches("^4 .* invalid_json +message +8 B +ingest-spans:3:103$", lines[4]);
        Assert.Matches(@"\n\n4 dead letters, 31 B\n  invalid_json +2\n  empty +1\n  wrong_type +1\n$", _host.Out);
        Assert.Equal("", _host.Error);
    }

    [Fact]
    public async Task A_list_for_machines_is_json_with_the_counts_as_its_last_line()
    {
        Assert.Equal(0, await _host.RunAsync("dlq", "list", "--json", "--dead-letter", $"file:{await WriteAsync()}"));
        string[] lines = _host.Out.TrimEnd().Split('\n');
        Assert.Equal(5, lines.Length);
        using JsonDocument first = JsonDocument.Parse(lines[0]), last = JsonDocument.Parse(lines[4]);
        Assert.Equal(
            ["place", "time", "reason", "field", "error", "source", "source_partition", "source_offset", "bytes", "kept_bytes"], first.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal(100, first.RootElement.GetProperty("source_offset").GetInt64());
        Assert.Equal(4, last.RootElement.GetProperty("letters").GetInt64());
        Assert.Equal(1, last.RootElement.GetProperty("by_reason").GetProperty("empty").GetInt64());
    }

    [Theory]
    [InlineData("--reason empty,invalid_json", "2 3 4")]
    [InlineData("--source-partition 4", "")]
    [InlineData("--source-partition 3 --limit 2", "1 2")]
    [InlineData("--since 2031-07-05T03:02:02Z", "2 3 4")]
    [InlineData("--until 2031-07-05T03:02:03Z", "1 2")]
    [InlineData("--since 2031-07-05T03:02:02Z --until 2031-07-05T03:02:04Z --reason empty", "2")]
    [InlineData("--until 2031-07-05", "")]
    public async Task Filters_choose_letters(string words, string places)
    {
        Assert.Equal(0, await _host.RunAsync(["dlq", "list", "--json", "--dead-letter", $"file:{await WriteAsync()}", .. words.Split(' ')]));
        Assert.Equal(places, string.Join(' ', _host.Out.TrimEnd().Split('\n')[..^1].Select(line => JsonDocument.Parse(line).RootElement.GetProperty("place").GetString())));
    }

    [Fact]
    public async Task A_letter_is_shown_whole_and_can_go_to_a_terminal()
    {
        Assert.Equal(0, await _host.RunAsync("dlq", "show", "3", "--dead-letter", $"file:{await WriteAsync()}"));
        Assert.Contains("reason:    invalid_json\n", _host.Out, StringComparison.Ordinal);
        Assert.Contains("source:    ingest-spans\nshard:     3\nline:      102\nsize:      9 bytes\n", _host.Out, StringComparison.Ordinal);
        Assert.EndsWith("\n\n\\u001B[2J\\u000A é\\xFF\n", _host.Out, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', _host.Out);
    }

    [Fact]
    public async Task A_message_can_be_had_byte_for_byte()
    {
        string path = await WriteAsync();
        for (int i = 0; i < Messages.Length; i++)
        {
            var host = new TestHost();
            Assert.Equal(0, await host.RunAsync("dlq", "show", (i + 1).ToString(CultureInfo.InvariantCulture), "--raw", "--dead-letter", $"file:{path}"));
            Assert.Equal(Messages[i], host.OutBytes.ToArray());
            Assert.Equal("", host.Out);
        }
    }

    [Fact]
    public async Task A_torn_line_is_told_and_passed_over()
    {
        string path = await WriteAsync();
        await File.AppendAllTextAsync(path, "{\"reason\":\"mis");
        Assert.Equal(0, await _host.RunAsync("dlq", "list", "--dead-letter", $"file:{path}"));
        Assert.Contains("line 5 is no dead letter", _host.Error, StringComparison.Ordinal);
        Assert.Contains("\n4 dead letters, ", _host.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("list", "--dead-letter: is required: kafka://HOST:PORT[,HOST:PORT]/TOPIC or file:PATH")]
    [InlineData("list --dead-letter x", "--dead-letter: 'x' is not kafka://HOST:PORT[,HOST:PORT]/TOPIC or file:PATH (command line)")]
    [InlineData("list --dead-letter file:x --reason mising", "--reason: 'mising' is not a list of empty, invalid_json, ")]
    [InlineData("list --dead-letter file:x --limt 3", "--limt: there is no such option; did you mean --limit?")]
    [InlineData("list --dead-letter file:x --send", "--send: there is no such option")]
    [InlineData("show 0:1 --dead-letter file:x", "PLACE: '0:1' is not a line number, as `sheaf dlq list` tells it (command line)")]
    [InlineData("show 1 --dead-letter kafka://a/t", "PLACE: '1' is not PARTITION:OFFSET")]
    [InlineData("redrive --dead-letter file:x", "--to: must be kafka://HOST:PORT/TOPIC for dead letters in a file")]
    [InlineData("redrive --dead-letter file:x --to spans", "--to: must be kafka://HOST:PORT/TOPIC for dead letters in a file")]
    [InlineData("redrive --dead-letter file:x --to kafka://a/t --group g", "--group: is for a topic; of a file go on with --after-line")]
    [InlineData("redrive --dead-letter kafka://a/t --after-line 3", "--after-line: is for a file")]
    [InlineData("redrive --dead-letter kafka://a/t --to t", "--to: 't' is where the dead letters are")]
    [InlineData("redrive --dead-letter kafka://a/t --send --dry-run", "--dry-run: and --send exclude each other")]
    [InlineData("redrive --dead-letter kafka://a/t --rate fast", "--rate: 'fast' is not messages a second from 1/s to 1000000/s, or 0 for no limit")]
    public async Task What_cannot_be_meant_is_refused_with_the_way_out(string words, string fault)
    {
        Assert.Equal(2, await _host.RunAsync(["dlq", .. words.Split(' ')]));
        Assert.Contains(fault, _host.Error, StringComparison.Ordinal);
        Assert.Contains($"see sheaf dlq {words.Split(' ')[0]} --help", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_in_an_address_is_not_repeated()
    {
        Assert.Equal(2, await _host.RunAsync("dlq", "list", "--dead-letter", "kafka://user:hunter2@broker/dead"));
        Assert.Contains("sasl.password", _host.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", _host.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_there_and_a_line_that_is_not_end_with_1()
    {
        Assert.Equal(1, await _host.RunAsync("dlq", "list", "--dead-letter", "file:/no/such/file"));
        Assert.Contains("/no/such/file", _host.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _host.RunAsync("dlq", "show", "9", "--dead-letter", $"file:{await WriteAsync()}"));
        Assert.Contains("there is no dead letter at 9 of ", _host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("list", "Usage:\n  sheaf dlq list --dead-letter kafka://HOST:PORT/TOPIC|file:PATH [options]\n")]
    [InlineData("show", "Usage:\n  sheaf dlq show PLACE --dead-letter ")]
    [InlineData("redrive", "Usage:\n  sheaf dlq redrive --dead-letter ")]
    public async Task Help_lists_every_option_with_its_default_and_the_exit_codes(string command, string usage)
    {
        Assert.Equal(0, await _host.RunAsync("dlq", command, "--help"));
        Assert.Contains(usage, _host.Out, StringComparison.Ordinal);
        IReadOnlyList<OptionSpec> table = command switch { "list" => DlqOptionTable.List, "show" => DlqOptionTable.Show, _ => DlqOptionTable.Redrive };
        Assert.All(table, option =>
        {
            int at = _host.Out.IndexOf($"\n  {option.CommandLineName}{(option.IsFlag ? "\n" : " ")}", StringComparison.Ordinal);
            Assert.True(at >= 0, option.Name);
            Assert.Contains(option.Required ? "required" : $"default: {option.DefaultText}", _host.Out[at..].Split("\n  --")[1], StringComparison.Ordinal);
        });
        Assert.Contains("\nExit codes:\n", _host.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Examples_in_help_are_commands_whose_options_are_right()
    {
        await _host.RunAsync("dlq", "redrive", "--help");
        string[] examples = [.. _host.Out.Split("Examples:\n")[1].Split('\n').Select(e => e.Trim()).Where(e => e.Length > 0)];
        Assert.NotEmpty(examples);
        foreach (string example in examples)
        {
            // Of a host that there is not, so that nobody is waited for.
            var host = new TestHost();
            string[] words = [.. example.Split(' ')[1..].Select(word => word.Replace("broker:9092", "broker:99999", StringComparison.Ordinal))];
            Assert.Equal(2, await host.RunAsync(words));
            Assert.All(host.Error.Split('\n').Where(line => line.StartsWith("  ", StringComparison.Ordinal)), line => Assert.Contains("99999", line, StringComparison.Ordinal));
        }
    }

    private async Task<string> WriteAsync()
    {
        string path = _folder.File("dead.jsonl");
        await using var file = new DeadLetterFile(path, _clock);
        SpanFault[] faults =
        [
            new(SpanFaultKind.WrongType, SpanField.TraceId, 12), new(SpanFaultKind.Empty, SpanField.None, 0), new(SpanFaultKind.InvalidJson, SpanField.None, 0),
            new(SpanFaultKind.InvalidJson, SpanField.None, 1),
        ];
        for (int i = 0; i < Messages.Length; i++)
        {
            await file.WriteAsync([new DeadLetter(faults[i], "ingest-spans", new ShardId(3), 100 + i, Messages[i])], default);
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
        return path;
    }
}

using System.Text;
using System.Text.Json;
using Sheaf.Telemetry;

namespace Sheaf.SystemTests.Processes;

/// <summary>Messages that cannot be used: kept with the reason, or the end of the run, as the operator wants it.</summary>
public sealed class BadMessages : ProcessTest
{
    /// <summary>One of every kind, with the reason that it gets and what its dead letter names.</summary>
    private static readonly (byte[] Line, string Field)[] Bad =
    [
        ("not JSON"u8.ToArray(), ""),
        ("[1]"u8.ToArray(), ""),
        (Bytes(Span(1, 10).Replace("\"project_id\":1,", "", StringComparison.Ordinal)), "project_id"),
        (Bytes(Span(1, 10).Replace("\"project_id\":1", "\"project_id\":null", StringComparison.Ordinal)), "project_id"),
        (Bytes(Span(1, 10).Replace("\"received\":10", "\"received\":\"10\"", StringComparison.Ordinal)), "received"),
        (Bytes(Span(1, 10).Replace("\"span_id\":\"0", "\"span_id\":\"", StringComparison.Ordinal)), "span_id"),
        (Bytes(Span(1, 10).Replace("\"trace_id\":\"0", "\"trace_id\":\"x", StringComparison.Ordinal)), "trace_id"),
        ("{}"u8.ToArray(), ""),
        ([.. Bytes(Span(1, 10)[..^2]), 0xff, 0xfe, .. "\"}"u8], ""),
        (Bytes(Span(1, 10).Replace("\"received\":10", "\"received\":NaN", StringComparison.Ordinal)), ""),
        (Bytes(Span(1, 10)[..60]), ""),
    ];

    [Fact]
    public async Task Each_bad_line_is_kept_with_its_reason_and_every_good_span_is_produced()
    {
        using var input = new MemoryStream();
        for (int i = 0; i < Bad.Length; i++)
        {
            input.Write(Lines(Span(100 + i, 10 + i)));
            input.Write([.. Bad[i].Line, (byte)'\n']);
        }
        string spans = Write("in.jsonl", input.ToArray());
        Ended run = await RunAsync("--input", spans, "--output", "out.jsonl", "--dead-letter", "file:dead.jsonl", "--dead-letter-max-ratio", "1");
        run.AssertEnded(0);
        Assert.Equal(2 * Bad.Length, run.Count("received"));
        Assert.Equal(Bad.Length, run.Count("produced"));
        Assert.Equal(Bad.Length, run.Count("dead_letters"));

        string[] letters = await File.ReadAllLinesAsync(PathOf("dead.jsonl"));
        Assert.Equal(Bad.Length, letters.Length);
        for (int i = 0; i < Bad.Length; i++)
        {
            using JsonDocument letter = JsonDocument.Parse(letters[i]);
            JsonElement root = letter.RootElement;
            Assert.Equal(2 * i + 2, root.GetProperty("line").GetInt32());
            Assert.NotEqual("", root.GetProperty("reason").GetString());
            Assert.NotEqual("", root.GetProperty("error").GetString());
            if (Bad[i].Field.Length > 0) Assert.Equal(Bad[i].Field, root.GetProperty("field").GetString());
            byte[] kept = root.TryGetProperty("message", out JsonElement text) ? Bytes(text.GetString()!) : root.GetProperty("message_base64").GetBytesFromBase64();
            Assert.Equal(Bad[i].Line, kept);
        }
        await VerifyAsync(spans, PathOf("out.jsonl"), "--dead-letters", PathOf("dead.jsonl"));
    }

    [Fact]
    public async Task To_stop_at_the_first_one_names_the_field_the_value_and_the_line()
    {
        string bad = Span(2, 10).Replace("\"project_id\":1", "\"project_id\":\"seven\"", StringComparison.Ordinal);
        Ended run = await RunAsync("--input", Write("in.jsonl", Lines(Span(1, 10), bad)), "--output", "out.jsonl", "--dead-letter", "stop");
        run.AssertEnded(3);
        string reason = run.Summary.GetProperty("reason").GetString()!;
        Assert.Contains("in.jsonl:2", reason, StringComparison.Ordinal);
        Assert.Contains("project_id", reason, StringComparison.Ordinal);
        Assert.Contains("seven", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_many_in_a_row_stop_the_run()
    {
        byte[] lines = Lines([.. Enumerable.Repeat("x", 6), Span(1, 10)]);
        Ended run = await RunAsync("--input", Write("in.jsonl", lines), "--output", "out.jsonl", "--dead-letter-max-consecutive", "5");
        run.AssertEnded(3);
        Assert.Contains("dead-letter-max-consecutive", run.Error, StringComparison.Ordinal);
        Assert.Equal("dead_letter_limit", run.Summary.GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task Too_large_a_share_stops_the_run()
    {
        byte[] lines = Lines([.. Enumerable.Range(0, 2000).Select(i => i % 20 == 0 ? "x" : Span(i, 10))]);
        Ended run = await RunAsync("--input", Write("in.jsonl", lines), "--output", "out.jsonl", "--dead-letter-max-ratio", "0.04");
        run.AssertEnded(3);
        Assert.Contains("dead-letter-max-ratio", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(900)]
    public async Task An_input_of_which_nothing_can_be_used_is_no_success(int lines)
    {
        Ended run = await RunAsync("--input", Write("in.jsonl", Lines([.. Enumerable.Repeat("{}", lines)])), "--output", "out.jsonl");
        run.AssertEnded(4);
        Assert.Equal("nothing_usable", run.Summary.GetProperty("outcome").GetString());
        string told = Assert.Single(Logged.Lines(run.Error, EventIds.DeadLettersKept));
        Assert.Contains($"missing {lines}", told, StringComparison.Ordinal);
        Assert.Contains("file:sheaf-dead-letters.jsonl", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_is_empty_or_whose_every_span_is_dropped_by_a_rule_is_done()
    {
        (await RunAsync("--input", Write("empty.jsonl", ""), "--output", "out.jsonl")).AssertEnded(0);
        (await RunAsync("--input", Write("in.jsonl", Lines(Span(1, 10))), "--output", "out.jsonl", "--drop-organizations", "1")).AssertEnded(0);
    }

    [Fact]
    public async Task A_line_of_100_MB_is_one_dead_letter_and_the_rest_goes_on()
    {
        string spans = PathOf("in.jsonl");
        await using (FileStream file = File.Create(spans))
        {
            file.Write(Lines(Span(1, 10)));
            byte[] chunk = new byte[1_000_000];
            Array.Fill(chunk, (byte)'x');
            for (int i = 0; i < 100; i++) file.Write(chunk);
            file.Write("\n"u8);
            file.Write(Lines(Span(2, 10)));
        }
        Ended run = await RunAsync("--input", spans, "--output", "out.jsonl", "--dead-letter", "file:dead.jsonl");
        run.AssertEnded(0);
        Assert.Equal(2, run.Count("produced"));
        Assert.Equal(1, run.Count("dead_letters"));
        Assert.InRange(new FileInfo(PathOf("dead.jsonl")).Length, 100_000_000, 100_001_000);
    }

    [Fact]
    public async Task Of_gzip_that_is_cut_off_all_that_can_be_read_is_produced_and_the_run_has_failed()
    {
        byte[] gzip = Gzip(await File.ReadAllBytesAsync(Sample));
        Ended run = await RunAsync("--input", Write("cut.gz", gzip[..(gzip.Length / 2)]), "--output", "out.jsonl");
        run.AssertEnded(1);
        Assert.InRange(run.Count("produced"), 20, 218);
        Assert.Equal(run.Count("received"), run.Count("produced"));
        string reason = run.Summary.GetProperty("reason").GetString()!;
        Assert.Contains("cut.gz", reason, StringComparison.Ordinal);
        Assert.Contains($"behind line {run.Count("received")}", reason, StringComparison.Ordinal);
        AssertWholeLines(PathOf("out.jsonl"));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}

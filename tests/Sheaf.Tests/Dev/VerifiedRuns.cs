using System.Text.Json.Nodes;
using Sheaf.Dev;
using Xunit;

namespace Sheaf.Tests.Dev;

/// <summary>A detector that cannot fail detects nothing: each fault is planted in a run that is right.</summary>
public sealed class VerifiedRuns : IAsyncLifetime
{
    private string[] _spans = [];
    private string[] _expected = [];
    private string[] _messages = [];

    public async Task InitializeAsync()
    {
        (_spans, _expected) = await NaiveRun.LinesAsync(new LoadOptions { Spans = 600, Duplicates = 0.05, RootsMissing = 0.1, Projects = 4 });
        _spans = NaiveRun.AsWritten(_spans);
        _messages = NaiveRun.Messages(_spans);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_run_that_is_right_has_no_problems()
    {
        RunVerifier verifier = await NaiveRun.VerifyAsync(_spans, _messages, _expected);
        Assert.Empty(verifier.Problems.First);
        Assert.Equal(600, verifier.DistinctSpans);
        Assert.Equal(600, verifier.SpansOut);
        Assert.Equal(_spans.Length - 600, verifier.CopiesLeftOut);
        Assert.Equal(_expected.Length, verifier.Messages);
    }

    [Fact]
    public async Task A_lost_span_is_noticed()
    {
        EditLargest(m => m["spans"]!.AsArray().RemoveAt(1));
        await OnlyAsync(ProblemKind.LostSpan);
    }

    [Fact]
    public async Task A_lost_message_is_noticed() => await OnlyAsync(ProblemKind.LostSpan, [.. _messages[..^1]]);

    [Fact]
    public async Task A_span_that_came_out_twice_in_one_message_is_noticed()
    {
        EditLargest(m => m["spans"]!.AsArray().Add(Fresh(m).DeepClone()));
        await OnlyAsync(ProblemKind.SpanTwice);
    }

    [Fact]
    public async Task A_span_that_came_out_in_two_messages_is_noticed()
    {
        JsonNode message = JsonNode.Parse(_messages[0])!;
        message["flush_id"] = new string('0', 32);
        RunVerifier verifier = await NaiveRun.VerifyAsync(_spans.Distinct(), [.. _messages, message.ToJsonString()]);
        Assert.Equal([ProblemKind.SpanTwice], verifier.Problems.Counts.Keys);
        Assert.Equal(message["spans"]!.AsArray().Count, verifier.Problems.Count);
    }

    [Fact]
    public async Task A_span_that_was_not_in_the_input_is_noticed()
    {
        int line = Array.FindIndex(_spans, s => _spans.Count(other => other == s) == 1);
        RunVerifier verifier = await NaiveRun.VerifyAsync([.. _spans[..line], .. _spans[(line + 1)..]], _messages);
        Assert.Contains(ProblemKind.ForeignSpan, verifier.Problems.Counts.Keys);
    }

    [Theory]
    [InlineData("name", "\"other\"")]
    [InlineData("end_timestamp", "1.0")]
    [InlineData("status", null)]
    public async Task A_changed_member_is_noticed(string member, string? value)
    {
        EditLargest(m => m["spans"]![1]![member] = value is null ? null : JsonNode.Parse(value));
        await OnlyAsync(ProblemKind.ChangedPayload);
    }

    [Fact]
    public async Task A_changed_digit_is_noticed_even_where_the_number_stays_the_same()
    {
        int at = _messages[0].IndexOf("\"retention_days\":90", StringComparison.Ordinal);
        _messages[0] = _messages[0].Remove(at, 19).Insert(at, "\"retention_days\":9e1");
        await OnlyAsync(ProblemKind.ChangedPayload);
    }

    [Fact]
    public async Task An_attribute_that_is_lost_is_noticed()
    {
        EditLargest(m => m["spans"]![1]!["attributes"]!.AsObject().Remove("service.name"));
        await OnlyAsync(ProblemKind.ChangedPayload);
    }

    [Fact]
    public async Task A_wrong_is_segment_is_noticed()
    {
        EditLargest(m => Fresh(m)["is_segment"] = !(bool)Fresh(m)["is_segment"]!);
        await OnlyAsync(ProblemKind.WrongIsSegment);
    }

    [Fact]
    public async Task A_missing_is_segment_is_noticed()
    {
        EditLargest(m => m["spans"]![1]!.AsObject().Remove("is_segment"));
        await OnlyAsync(ProblemKind.WrongIsSegment);
    }

    [Fact]
    public async Task A_wrong_segment_id_is_noticed_whether_it_was_added_or_brought()
    {
        for (int span = 0; span < 2; span++)
        {
            EditLargest(m => m["spans"]![span]!["attributes"]!["sentry.segment.id"]!["value"] = "00000000000000aa");
            await OnlyAsync(ProblemKind.WrongSegmentId);
        }
        EditLargest(m => m["spans"]![0]!["attributes"]!.AsObject().Remove("sentry.segment.id"));
        await OnlyAsync(ProblemKind.WrongSegmentId);
    }

    [Fact]
    public async Task A_torn_line_is_noticed()
    {
        _messages[^1] = _messages[^1][..^20];
        RunVerifier verifier = await NaiveRun.VerifyAsync(_spans, _messages);
        Assert.Equal([ProblemKind.TornMessage, ProblemKind.LostSpan], verifier.Problems.Counts.Keys);
        Assert.StartsWith($"segments line {_messages.Length}: torn message", verifier.Problems.First[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Segments_in_one_message_are_noticed()
    {
        int other = Array.FindIndex(_messages, 1, m => Key(m) != Key(_messages[0]));
        JsonNode first = JsonNode.Parse(_messages[0])!, second = JsonNode.Parse(_messages[other])!;
        foreach (JsonNode? span in second["spans"]!.AsArray()) first["spans"]!.AsArray().Add(span!.DeepClone());
        List<string> messages = [.. _messages];
        messages[0] = first.ToJsonString();
        messages.RemoveAt(other);
        Assert.Contains(ProblemKind.MixedSegments, (await NaiveRun.VerifyAsync(_spans, messages)).Problems.Counts.Keys);

        static string Key(string message) => $"{JsonNode.Parse(message)!["spans"]![0]!["project_id"]} {JsonNode.Parse(message)!["spans"]![0]!["trace_id"]}";
    }

    [Fact]
    public async Task A_segment_in_two_messages_is_noticed_where_segments_are_expected()
    {
        int largest = Largest();
        JsonNode one = JsonNode.Parse(_messages[largest])!, two = one.DeepClone();
        JsonArray spans = one["spans"]!.AsArray();
        // A leaf with a given segment id is a segment of its own accord, so only the expectation can tell.
        int leaf = Enumerable.Range(0, spans.Count).First(i => !(bool)spans[i]!["is_segment"]! && spans.All(s => (string?)s!["parent_span_id"] != (string)spans[i]!["span_id"]!)
            && (string?)spans[i]!["attributes"]!["sentry.segment.id"]!["value"] is not null && Given(spans[i]!));
        two["flush_id"] = new string('1', 32);
        two["spans"] = new JsonArray(spans[leaf]!.DeepClone());
        spans.RemoveAt(leaf);
        string[] messages = [.. _messages[..largest], one.ToJsonString(), two.ToJsonString(), .. _messages[(largest + 1)..]];
        Assert.Equal(0, (await NaiveRun.VerifyAsync(_spans, messages)).Problems.Count);
        Assert.Equal([ProblemKind.WrongGrouping], (await NaiveRun.VerifyAsync(_spans, messages, _expected)).Problems.Counts.Keys);

        bool Given(JsonNode span) => _spans.Any(s => s.Contains($"\"span_id\":\"{(string)span["span_id"]!}\"", StringComparison.Ordinal)
            && JsonNode.Parse(s)!["attributes"]!["sentry.segment.id"] is not null);
    }

    [Fact]
    public async Task A_repeated_message_is_counted_or_where_that_is_asked_for_a_problem()
    {
        string[] messages = [.. _messages, _messages[3]];
        RunVerifier verifier = await NaiveRun.VerifyAsync(_spans, messages, _expected);
        Assert.Equal((0, 1), (verifier.Problems.Count, verifier.Repeats));
        verifier = await NaiveRun.VerifyAsync(_spans, messages, _expected, repeatsAllowed: false);
        Assert.Equal([ProblemKind.RepeatedMessage], verifier.Problems.Counts.Keys);
    }

    [Fact]
    public async Task A_flush_id_that_stands_for_two_contents_is_noticed()
    {
        JsonNode message = JsonNode.Parse(_messages[1])!;
        message["flush_id"] = (string)JsonNode.Parse(_messages[0])!["flush_id"]!;
        _messages[1] = message.ToJsonString();
        await OnlyAsync(ProblemKind.RepeatedMessage);
    }

    [Fact]
    public async Task Messages_with_headers_are_read_and_wrong_headers_noticed()
    {
        string[] messages = [.. _messages.Select(m => WithHeaders(m, 0))];
        Assert.Empty((await NaiveRun.VerifyAsync(_spans, messages, _expected)).Problems.First);
        messages[2] = WithHeaders(_messages[2], 1);
        Assert.Equal([ProblemKind.WrongHeader], (await NaiveRun.VerifyAsync(_spans, messages, _expected)).Problems.Counts.Keys);

        static string WithHeaders(string message, int more)
        {
            int count = JsonNode.Parse(message)!["spans"]!.AsArray().Count + more;
            return $"{{\"headers\":{{\"span_count\":{count},\"flush_reason\":\"shutdown\"}},\"value\":{message}}}";
        }
    }

    [Fact]
    public async Task Parts_of_an_oversized_segment_count_as_one()
    {
        int largest = Largest();
        JsonArray spans = JsonNode.Parse(_messages[largest])!["spans"]!.AsArray();
        string[] parts = [.. spans.Select((s, i) => $"{{\"flush_id\":\"{i:x32}\",\"skip_enrichment\":true,\"spans\":[{s!.ToJsonString()}]}}")];
        RunVerifier verifier = await NaiveRun.VerifyAsync(_spans, [.. _messages[..largest], .. parts, .. _messages[(largest + 1)..]], _expected);
        Assert.Empty(verifier.Problems.First);
        Assert.Equal(parts.Length, verifier.Parts);
    }

    [Fact]
    public async Task Unusable_lines_must_be_among_the_dead_letters_when_these_are_given()
    {
        string[] spans = [.. _spans, "not JSON", "{}"];
        string[] letters = [Letter(_spans.Length + 1), Letter(_spans.Length + 2)];
        Assert.Equal(0, (await NaiveRun.VerifyAsync(spans, _messages, deadLetters: letters)).Problems.Count);
        Assert.Equal([ProblemKind.WrongDeadLetter], (await NaiveRun.VerifyAsync(spans, _messages, deadLetters: letters[..1])).Problems.Counts.Keys);

        static string Letter(int line) => $"{{\"line\":{line}}}";
    }

    [Fact]
    public async Task A_loop_of_parents_is_one_segment_with_the_smallest_id()
    {
        string[] spans = [Span("b", "a"), Span("c", "b"), Span("a", "c"), Span("d", "a")];
        List<JsonObject> all = [.. spans.Select(s => (JsonObject)JsonNode.Parse(s)!)];
        Assert.Equal(0, (await NaiveRun.VerifyAsync(spans, [NaiveRun.Message(Id("a"), all)])).Problems.Count);

        static string Id(string end) => end.PadLeft(16, '0');
        static string Span(string id, string parent) =>
            $"{{\"organization_id\":1,\"project_id\":1,\"trace_id\":\"{new string('7', 32)}\",\"span_id\":\"{Id(id)}\",\"parent_span_id\":\"{Id(parent)}\","
            + "\"start_timestamp\":1,\"end_timestamp\":1,\"received\":1,\"retention_days\":90,\"status\":\"ok\"}";
    }

    [Fact]
    public async Task The_sample_of_the_repository_is_what_its_expectation_says()
    {
        string folder = Path.Combine(RepositoryRoot(), "samples", "online-boutique-checkout");
        string[] spans = NaiveRun.AsWritten(await File.ReadAllLinesAsync(Path.Combine(folder, "spans.jsonl")));
        string[] expected = await File.ReadAllLinesAsync(Path.Combine(folder, "expected.jsonl"));
        RunVerifier verifier = await NaiveRun.VerifyAsync(spans, NaiveRun.Messages(spans), expected);
        Assert.Empty(verifier.Problems.First);
        Assert.Equal((219, 57), (verifier.DistinctSpans, verifier.Messages));
    }

    private async Task OnlyAsync(ProblemKind kind, string[]? messages = null) =>
        Assert.Equal([kind], (await NaiveRun.VerifyAsync(_spans, messages ?? _messages)).Problems.Counts.Keys);

    private int Largest() => Array.IndexOf(_messages, _messages.MaxBy(m => m.Length));

    private void EditLargest(Action<JsonNode> edit)
    {
        _messages.AsSpan().Clear();
        NaiveRun.Messages(_spans).CopyTo(_messages, 0);
        int largest = Largest();
        JsonNode message = JsonNode.Parse(_messages[largest])!;
        edit(message);
        _messages[largest] = message.ToJsonString();
    }

    // A span that was delivered once.
    private JsonNode Fresh(JsonNode message) => message["spans"]!.AsArray().First(
        span => _spans.Count(s => s.Contains($"\"span_id\":\"{(string)span!["span_id"]!}\"", StringComparison.Ordinal)) == 1)!;

    private static string RepositoryRoot()
    {
        string? at = AppContext.BaseDirectory;
        while (at is not null && !File.Exists(Path.Combine(at, "Sheaf.slnx"))) at = Path.GetDirectoryName(at);
        return at ?? throw new InvalidOperationException("The tests do not run below the repository.");
    }
}

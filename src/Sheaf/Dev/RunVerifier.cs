using System.Text;
using System.Text.Json;
using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>
/// Checks from the files alone that a run lost nothing, made nothing up and grouped its spans right. It shares no code with what it checks
/// but the ids. Read the input first, then what is expected and the dead letters, then the segments, then finish. One thread.
/// </summary>
public sealed class RunVerifier
{
    private readonly SpanLedger _ledger = new();
    private readonly SpanDigester _digester = new();
    private readonly List<Expected> _expected = [];
    private readonly SortedSet<long> _unusableLines = [];
    private readonly HashSet<long> _deadLetterLines = [];
    private readonly List<int> _found = [];
    private readonly bool _repeatsAllowed;
    private MessageVerifier? _messages;

    /// <param name="repeatsAllowed">A message that comes again with the same content (after a crash) is counted, not faulted.</param>
    public RunVerifier(bool repeatsAllowed = true) => _repeatsAllowed = repeatsAllowed;

    /// <summary>What was found wrong so far.</summary>
    public Problems Problems { get; } = new();

    /// <summary>Lines of the input.</summary>
    public long InputLines { get; private set; }

    /// <summary>Lines of the input that are usable spans, copies among them.</summary>
    public long Deliveries { get; private set; }

    /// <summary>Lines of the input that cannot be used.</summary>
    public long Unusable { get; private set; }

    /// <summary>Usable spans that are different from each other.</summary>
    public long DistinctSpans { get; private set; }

    /// <summary>Different messages of the output.</summary>
    public long Messages => _messages?.Count ?? 0;

    /// <summary>Messages that came again.</summary>
    public long Repeats => _messages?.Repeats ?? 0;

    /// <summary>Messages that are parts of oversized segments.</summary>
    public long Parts => _messages?.Parts ?? 0;

    /// <summary>Spans in the output's messages, repeated messages aside.</summary>
    public long SpansOut => _messages?.Spans ?? 0;

    /// <summary>Dead letters read.</summary>
    public long DeadLetters => _deadLetterLines.Count;

    /// <summary>Segments expected.</summary>
    public long ExpectedSegments => _expected.Count;

    /// <summary>Deliveries that were recognised as copies: not in the output, though another delivery of the span is.</summary>
    public long CopiesLeftOut { get; private set; }

    /// <summary>Reads the spans that the run was given: a message a line.</summary>
    public async Task ReadSpansAsync(Stream spans, CancellationToken cancel)
    {
        var lines = new LineReader(spans);
        while (await lines.ReadAsync(cancel))
        {
            ReadOnlySpan<byte> text = lines.Line.Span;
            if (text.StartsWith(Encoding.UTF8.Preamble)) text = text[Encoding.UTF8.Preamble.Length..];
            if (text.Trim(" \t\r"u8).IsEmpty) continue; // blank lines and byte order marks are no part of JSON lines
            bool isJson = _digester.TryRead(text, out SpanDigest digest);
            if (isJson && digest.HasKey) _ledger.Add(digest, (uint)Math.Min(lines.Number, uint.MaxValue));
            if (isJson && digest.Usable) Deliveries++;
            else _unusableLines.Add(lines.Number);
        }
        InputLines = lines.Number;
        Unusable = _unusableLines.Count;
    }

    /// <summary>Reads the segments that are expected: <c>{"project_id","trace_id","segment_id","has_root","span_ids"}</c> a line.</summary>
    /// <exception cref="FormatException">A line is of another form.</exception>
    public async Task ReadExpectedAsync(Stream expected, CancellationToken cancel)
    {
        var lines = new LineReader(expected);
        while (await lines.ReadAsync(cancel))
        {
            try
            {
                using JsonDocument line = JsonDocument.Parse(lines.Line);
                AddExpected(line.RootElement, lines.Number);
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw new FormatException($"line {lines.Number} is not a segment such as `sheaf dev generate --expect` writes: {e.Message}", e);
            }
        }
    }

    /// <summary>Reads the dead letters of the run: JSON objects, one a line, whose <c>line</c> is the place in the input.</summary>
    /// <exception cref="FormatException">A line is of another form.</exception>
    public async Task ReadDeadLettersAsync(Stream deadLetters, CancellationToken cancel)
    {
        var lines = new LineReader(deadLetters);
        while (await lines.ReadAsync(cancel))
        {
            try
            {
                using JsonDocument line = JsonDocument.Parse(lines.Line);
                _deadLetterLines.Add(line.RootElement.GetProperty("line").GetInt64());
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw new FormatException($"line {lines.Number} is not a dead letter: {e.Message}", e);
            }
        }
        foreach (long unusable in _unusableLines)
        {
            if (!_deadLetterLines.Contains(unusable))
                Problems.Add(ProblemKind.WrongDeadLetter, $"spans line {unusable}", "cannot be used, and is not among the dead letters");
        }
        foreach (long dead in _deadLetterLines.Order())
        {
            if (dead < 1 || dead > InputLines)
                Problems.Add(ProblemKind.WrongDeadLetter, "dead letters", $"there is no line {dead} in the input");
        }
    }

    /// <summary>Reads the messages that the run produced: one a line, bare or as <c>{"headers":…,"value":…}</c>.</summary>
    public async Task ReadSegmentsAsync(Stream segments, CancellationToken cancel)
    {
        _messages ??= new MessageVerifier(_ledger, _digester, _expected, Problems, _repeatsAllowed);
        var lines = new LineReader(segments);
        while (await lines.ReadAsync(cancel)) _messages.Verify(lines.Line.Span, $"segments line {lines.Number}");
    }

    /// <summary>Adds up: what is missing can be told only when all was read.</summary>
    public void Finish()
    {
        DistinctSpans = 0;
        CopiesLeftOut = 0;
        var seen = new int[_expected.Count];
        for (int i = 0; i < _ledger.Count; i++)
        {
            ref LedgerEntry entry = ref _ledger[i];
            bool dead = _deadLetterLines.Contains(entry.Line);
            if (entry.Out > 0 && entry.Expected > 0) seen[entry.Expected - 1]++;
            if (entry.Out > 0 && dead && entry.Deliveries == 1)
                Problems.Add(ProblemKind.WrongDeadLetter, $"spans line {entry.Line}", $"{Describe(entry)} is a dead letter and in a segment");
            if (entry.Unusable || (dead && entry.Out == 0)) continue;
            DistinctSpans++;
            if (entry.Out == 0) Problems.Add(ProblemKind.LostSpan, $"spans line {entry.Line}", $"{Describe(entry)} is in no segment");
            else CopiesLeftOut += Math.Max(0, entry.Deliveries - entry.Out);
        }
        for (int i = 0; i < seen.Length; i++)
        {
            if (seen[i] != _expected[i].Members)
            {
                Problems.Add(ProblemKind.WrongGrouping, $"expected line {_expected[i].Line}",
                    $"segment {_expected[i].SegmentId} has {_expected[i].Members} spans, of which {seen[i]} came");
            }
        }
    }

    private string Describe(in LedgerEntry entry)
    {
        TraceKey trace = _ledger.TraceOf(entry);
        return $"span {entry.SpanId} of project {trace.ProjectId}, trace {trace.TraceId}";
    }

    private void AddExpected(JsonElement line, long number)
    {
        var key = new TraceKey(line.GetProperty("project_id").GetInt64(), ParseTrace(line.GetProperty("trace_id").GetString()));
        SpanId segment = ParseSpan(line.GetProperty("segment_id").GetString());
        int index = _expected.Count + 1;
        int members = 0;
        foreach (JsonElement element in line.GetProperty("span_ids").EnumerateArray())
        {
            SpanId id = ParseSpan(element.GetString());
            _ledger.Find(key, id, _found);
            if (_found.Count == 0)
                Problems.Add(ProblemKind.WrongGrouping, $"expected line {number}", $"span {id} of project {key.ProjectId}, trace {key.TraceId} is not in the input");
            foreach (int entry in _found)
            {
                if (_ledger[entry].Unusable) continue;
                if (_ledger[entry].Expected != 0)
                    Problems.Add(ProblemKind.WrongGrouping, $"expected line {number}", $"span {id} is expected in two segments");
                _ledger[entry].Expected = index;
                members++;
            }
        }
        _expected.Add(new Expected(segment, line.GetProperty("has_root").GetBoolean(), members, number));
    }

    private static TraceId ParseTrace(string? text) =>
        TraceId.TryParse(System.Text.Encoding.UTF8.GetBytes(text ?? ""), out TraceId id) ? id : throw new FormatException($"\"{text}\" is no trace id");

    private static SpanId ParseSpan(string? text) =>
        SpanId.TryParse(System.Text.Encoding.UTF8.GetBytes(text ?? ""), out SpanId id) ? id : throw new FormatException($"\"{text}\" is no span id");

    /// <summary>An expected segment. Mutable: whether a whole message of it came.</summary>
    internal sealed record Expected(SpanId SegmentId, bool HasRoot, int Members, long Line)
    {
        /// <summary>Where its message is, once it came.</summary>
        public string? CameIn { get; set; }
    }
}

using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Sheaf.Spans;

namespace Sheaf.Dev;

/// <summary>Checks the messages of an output against the ledger of the input, one at a time, and notes in it what came out. One thread.</summary>
internal sealed class MessageVerifier(
    SpanLedger ledger, SpanDigester digester, List<RunVerifier.Expected> expected, Problems problems, bool repeatsAllowed)
{
    private const int NotFound = -1;

    private readonly Dictionary<UInt128, (string Place, ulong Hash)> _flushIds = [];
    private readonly List<OutSpan> _spans = [];
    private readonly Dictionary<string, string> _headers = [];
    private readonly Dictionary<SpanId, int> _firstWithId = [];
    private readonly List<SpanId?> _segmentOf = [];
    private readonly List<int> _path = [];
    private readonly List<int> _candidates = [];
    private string _place = "";
    private string? _flushId;
    private bool _hasSpans;
    private bool _skipEnrichment;

    /// <summary>Different messages.</summary>
    public long Count { get; private set; }

    public long Repeats { get; private set; }

    public long Parts { get; private set; }

    public long Spans { get; private set; }

    /// <param name="place">Where the message is, for reports.</param>
    public void Verify(ReadOnlySpan<byte> message, string place)
    {
        _place = place;
        if (!TryRead(message))
        {
            problems.Add(ProblemKind.TornMessage, place, "not a whole JSON message");
            return;
        }
        if (_flushId is not { Length: 32 } || !UInt128.TryParse(_flushId, System.Globalization.NumberStyles.AllowHexSpecifier, null, out UInt128 flushId))
        {
            problems.Add(ProblemKind.MalformedMessage, place, "flush_id is not 32 hex digits");
            return;
        }
        if (!_hasSpans || _spans.Count == 0)
        {
            problems.Add(ProblemKind.MalformedMessage, place, "it has no spans");
            return;
        }
        if (IsRepeat(flushId, XxHash3.HashToUInt64(message))) return;
        Count++;
        if (_skipEnrichment) Parts++;
        Spans += _spans.Count;
        foreach (ref OutSpan span in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_spans)) MatchWithInput(ref span);
        VerifyOneTrace();
        SpanId? segment = _skipEnrichment ? SegmentOfPart() : SegmentOfWhole();
        if (segment is { } id) VerifyEdits(id);
        VerifyHeaders(segment);
        if (expected.Count > 0) VerifyGrouping(segment);
    }

    private bool IsRepeat(UInt128 flushId, ulong hash)
    {
        if (_flushIds.TryAdd(flushId, (_place, hash))) return false;
        (string first, ulong firstHash) = _flushIds[flushId];
        if (firstHash != hash)
        {
            problems.Add(ProblemKind.RepeatedMessage, _place, $"flush id {_flushId} stands for other content at {first}");
            return false;
        }
        Repeats++;
        if (!repeatsAllowed) problems.Add(ProblemKind.RepeatedMessage, _place, $"the message of {first} again");
        return true;
    }

    private bool TryRead(ReadOnlySpan<byte> message)
    {
        _spans.Clear();
        _headers.Clear();
        (_flushId, _hasSpans, _skipEnrichment) = (null, false, false);
        if (!System.Text.Unicode.Utf8.IsValid(message)) return false;
        try
        {
            var reader = new Utf8JsonReader(message, SpanDigester.ReaderOptions);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
            ReadMembers(ref reader);
            return !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private void ReadMembers(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = Encoding.UTF8.GetString(reader.ValueSpan);
            reader.Read();
            switch (name)
            {
                case "flush_id" when reader.TokenType == JsonTokenType.String:
                    _flushId = Encoding.UTF8.GetString(reader.ValueSpan);
                    break;
                case "skip_enrichment":
                    _skipEnrichment = reader.TokenType == JsonTokenType.True;
                    break;
                case "spans" when reader.TokenType == JsonTokenType.StartArray:
                    _hasSpans = true;
                    while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                    {
                        if (reader.TokenType == JsonTokenType.StartObject) _spans.Add(new OutSpan(digester.Read(ref reader)));
                        else reader.Skip();
                    }
                    continue;
                case "value" when reader.TokenType == JsonTokenType.StartObject:
                    ReadMembers(ref reader);
                    continue;
                case "headers" when reader.TokenType == JsonTokenType.StartObject:
                    while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                    {
                        string header = Encoding.UTF8.GetString(reader.ValueSpan);
                        reader.Read();
                        _headers[header] = Encoding.UTF8.GetString(reader.ValueSpan);
                        reader.Skip();
                    }
                    continue;
                default:
                    break;
            }
            reader.Skip();
        }
    }

    private void MatchWithInput(ref OutSpan span)
    {
        if (span.Digest.HasKey) ledger.Find(span.Digest.Trace, span.Digest.SpanId, _candidates);
        else _candidates.Clear();
        if (_candidates.Count == 0)
        {
            span.Entry = NotFound;
            problems.Add(ProblemKind.ForeignSpan, _place, $"{Describe(span)} is not in the input");
            return;
        }

        // Of spans that differ only in what may be edited, take one that has deliveries left.
        int match = NotFound;
        foreach (int candidate in _candidates)
        {
            ref LedgerEntry entry = ref ledger[candidate];
            if (entry.ContentHash != span.Digest.ContentHash) continue;
            bool attributeKept = entry.SegmentAttributeHash == 0 || entry.SegmentAttributeHash == span.Digest.SegmentAttributeHash;
            bool deliveriesLeft = entry.Out < entry.Deliveries;
            int rank = (attributeKept ? 2 : 0) + (deliveriesLeft ? 1 : 0);
            if (match == NotFound || rank > span.MatchRank) (match, span.MatchRank) = (candidate, rank);
        }
        if (match == NotFound)
        {
            problems.Add(ProblemKind.ChangedPayload, _place, $"{Describe(span)} differs from line {ledger[_candidates[0]].Line} of the input");
            int notOut = _candidates.FindIndex(c => ledger[c].Out == 0);
            match = _candidates[Math.Max(0, notOut)];
        }
        span.Entry = match;
        ref LedgerEntry matched = ref ledger[match];
        if (matched.Out < ushort.MaxValue) matched.Out++;
        if (matched.Out > matched.Deliveries)
        {
            string delivered = matched.Deliveries == 1 ? "once" : $"{matched.Deliveries} times";
            problems.Add(ProblemKind.SpanTwice, _place, $"{Describe(span)} was delivered {delivered} and came out {matched.Out} times");
        }
    }

    private void VerifyOneTrace()
    {
        TraceKey first = _spans[0].Digest.Trace;
        foreach (OutSpan span in _spans)
        {
            if (span.Digest.Trace == first) continue;
            problems.Add(ProblemKind.MixedSegments, _place, $"{Describe(span)} is with spans of project {first.ProjectId}, trace {first.TraceId}");
            return;
        }
    }

    /// <summary>
    /// The segment's id by rule 2, from the input's parents: every span's chain must end at the same one. Null, and a problem, where not.
    /// </summary>
    private SpanId? SegmentOfWhole()
    {
        _firstWithId.Clear();
        _segmentOf.Clear();
        for (int i = 0; i < _spans.Count; i++)
        {
            _segmentOf.Add(null);
            if (_spans[i].Entry != NotFound) _firstWithId.TryAdd(_spans[i].Digest.SpanId, i);
        }
        SpanId? segment = null;
        for (int i = 0; i < _spans.Count; i++)
        {
            if (_spans[i].Entry == NotFound) continue;
            SpanId own = Resolve(i);
            segment ??= own;
            if (own == segment) continue;
            problems.Add(ProblemKind.MixedSegments, _place, $"{Describe(_spans[i])} belongs to segment {own}, others to {segment}");
            return null;
        }
        return segment;
    }

    private SpanId Resolve(int span)
    {
        _path.Clear();
        SpanId end;
        for (int at = span; ; )
        {
            if (_segmentOf[at] is { } known)
            {
                end = known;
                break;
            }
            if (_path.Count > _spans.Count)
            {
                // Longer than there are spans: a loop, whose spans are all between the last two visits of this one.
                end = _path.Skip(_path.LastIndexOf(at)).Min(i => _spans[i].Digest.SpanId);
                break;
            }
            _path.Add(at);
            ref LedgerEntry entry = ref ledger[_spans[at].Entry];
            if (entry.IsRoot || !_firstWithId.TryGetValue(entry.EffectiveParent, out int next))
            {
                end = entry.EffectiveParent;
                break;
            }
            at = next;
        }
        foreach (int i in _path) _segmentOf[i] = end;
        return end;
    }

    /// <summary>A part of an oversized segment lacks spans that its chains go through: the id is what the edits say, where they agree.</summary>
    private SpanId? SegmentOfPart()
    {
        SpanId? segment = _headers.TryGetValue("segment_id", out string? text) && SpanId.TryParse(Encoding.UTF8.GetBytes(text), out SpanId header) ? header : null;
        foreach (OutSpan span in _spans)
        {
            if (segment is not null || span.Entry == NotFound) continue;
            if (span.Digest.IsSegment == true) segment = span.Digest.SpanId;
            else if (ledger[span.Entry].SegmentAttributeHash == 0) segment = span.Digest.SegmentAttribute;
        }
        return segment;
    }

    private void VerifyEdits(SpanId segment)
    {
        foreach (OutSpan span in _spans)
        {
            if (span.Entry == NotFound) continue;
            bool isSegment = span.Digest.SpanId == segment;
            if (span.Digest.IsSegment != isSegment)
                problems.Add(ProblemKind.WrongIsSegment, _place, $"{Describe(span)} has is_segment {Text(span.Digest.IsSegment)} in segment {segment}");
            uint brought = ledger[span.Entry].SegmentAttributeHash;
            bool right = brought == 0 ? span.Digest.SegmentAttribute == segment : span.Digest.SegmentAttributeHash == brought;
            if (right) continue;
            problems.Add(ProblemKind.WrongSegmentId, _place, brought == 0
                ? $"{Describe(span)} has {span.Digest.SegmentAttribute?.ToString() ?? "none"}, not {segment}"
                : $"{Describe(span)} does not have the one it brought with it");
        }
    }

    private void VerifyHeaders(SpanId? segment)
    {
        if (_headers.Count == 0) return;
        TraceKey trace = _spans[0].Digest.Trace;
        Compare("project_id", trace.ProjectId.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Compare("trace_id", trace.TraceId.ToString());
        Compare("flush_id", _flushId!);
        Compare("span_count", _spans.Count.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (segment is { } id && !_skipEnrichment)
        {
            Compare("segment_id", id.ToString());
            Compare("has_root", _spans.Exists(s => s.Digest.SpanId == id) ? "true" : "false");
        }

        void Compare(string header, string right)
        {
            if (_headers.TryGetValue(header, out string? value) && value != right)
                problems.Add(ProblemKind.WrongHeader, _place, $"{header} is {value}, not {right}");
        }
    }

    private void VerifyGrouping(SpanId? segment)
    {
        int group = 0;
        foreach (OutSpan span in _spans)
        {
            if (span.Entry == NotFound) continue;
            int own = ledger[span.Entry].Expected;
            if (own == 0)
            {
                problems.Add(ProblemKind.WrongGrouping, _place, $"{Describe(span)} is in no expected segment");
                return;
            }
            if (group == 0) group = own;
            if (own == group) continue;
            problems.Add(ProblemKind.WrongGrouping, _place,
                $"{Describe(span)} is expected in segment {expected[own - 1].SegmentId}, others in {expected[group - 1].SegmentId}");
            return;
        }
        if (group == 0) return;
        RunVerifier.Expected right = expected[group - 1];
        if (segment is { } id && id != right.SegmentId)
            problems.Add(ProblemKind.WrongGrouping, _place, $"segment {id} is expected to be {right.SegmentId} (expected line {right.Line})");
        else if (!_skipEnrichment && right.HasRoot != _spans.Exists(s => s.Digest.SpanId == right.SegmentId))
            problems.Add(ProblemKind.WrongGrouping, _place, $"segment {right.SegmentId} is expected {(right.HasRoot ? "with its" : "without a")} root");
        if (!_skipEnrichment && right.CameIn is { } earlier)
            problems.Add(ProblemKind.WrongGrouping, _place, $"segment {right.SegmentId} came at {earlier} already");
        right.CameIn ??= _place;
    }

    private static string Text(bool? value) => value switch
    {
        true => "true",
        false => "false",
        null => "neither true nor false",
    };

    private static string Describe(in OutSpan span) => span.Digest.HasKey
        ? $"span {span.Digest.SpanId} of project {span.Digest.Trace.ProjectId}, trace {span.Digest.Trace.TraceId}"
        : "a span without ids";

    private struct OutSpan(SpanDigest digest)
    {
        public SpanDigest Digest = digest;

        /// <summary>In the ledger, or <see cref="NotFound"/>.</summary>
        public int Entry = NotFound;
        public int MatchRank;
    }
}

using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.Segments;

/// <summary>
/// Writes closed segments as output messages (ARCHITECTURE.md, rules 5 and 6): <c>{"flush_id":"…","spans":[…]}</c>, and for each part of a segment
/// that is larger than a message may be <c>{"flush_id":"…","skip_enrichment":true,"spans":[…]}</c>. Payloads are spliced, never
/// re-serialised; nothing is allocated per span. Owner: one flusher worker.
/// </summary>
public sealed class SegmentWriter(SegmentRules rules)
{
    private readonly PayloadSplicer _splicer = new();
    private readonly FlushId _flushId = new();
    private int[] _lengths = new int[256];

    private static ReadOnlySpan<byte> Opening => "{\"flush_id\":\""u8;
    private static ReadOnlySpan<byte> WholeHead => "\",\"spans\":["u8;
    private static ReadOnlySpan<byte> PartHead => "\",\"skip_enrichment\":true,\"spans\":["u8;
    private static ReadOnlySpan<byte> Closing => "]}"u8;
    private const int FlushIdLength = 32;

    /// <summary>What a message has besides its spans, at most.</summary>
    public static int EnvelopeBytes { get; } = (int)SizeOf(PartHead, 0);

    /// <summary>
    /// Writes one segment behind what is in the batch already, and returns the number of its messages: more than one where they are parts.
    /// </summary>
    /// <param name="buffer">Where the payloads of all members have been read (<see cref="ISpanClaimer.ReadPayloadsAsync"/>).</param>
    /// <param name="trace">The segment's trace in <paramref name="claim"/>.</param>
    /// <param name="members">The segment's spans, in input order, as <see cref="AssembledTrace.MembersOf"/> gives them: indexes from the trace's first span.</param>
    public int Write(
        ISpanClaimer buffer, ClaimBatch claim, in ClaimedTrace trace, in AssembledSegment segment, ReadOnlySpan<int> members, SegmentBatch into)
    {
        _splicer.Begin(segment.SegmentId);
        long spansLength = Measure(buffer, claim, trace, segment.SegmentId, members);
        if (segment.Reason != FlushReason.MaxBytes && SizeOf(WholeHead, spansLength) <= rules.MaxSegmentBytes)
        {
            WriteMessage(buffer, claim, trace, segment, members, part: null, spansLength, segment.MissingParents, into);
            return 1;
        }

        int messages = 0;
        for (int first = 0; first < members.Length; messages++)
        {
            long partLength = _lengths[first];
            int end = first + 1;
            while (end < members.Length && SizeOf(PartHead, partLength + 1 + _lengths[end]) <= rules.MaxSegmentBytes) partLength += 1 + _lengths[end++];
            // The first part carries the whole segment's count, so that sums over messages are right.
            int missingParents = messages == 0 ? segment.MissingParents : 0;
            WriteMessage(buffer, claim, trace, segment, members[first..end], part: messages, partLength, missingParents, into);
            first = end;
        }
        return messages;
    }

    /// <summary>Notes the exact length of every span as it will be written, and returns their sum with the commas between them.</summary>
    private long Measure(ISpanClaimer buffer, ClaimBatch claim, in ClaimedTrace trace, SpanId segmentId, ReadOnlySpan<int> members)
    {
        if (_lengths.Length < members.Length) _lengths = new int[Math.Max(members.Length, 2 * _lengths.Length)];
        ReadOnlySpan<BufferedSpan> spans = claim.SpansOf(trace);
        long sum = members.Length - 1;
        for (int i = 0; i < members.Length; i++)
        {
            ref readonly BufferedSpan span = ref spans[members[i]];
            bool isSegment = span.SpanId == segmentId;
            int growth = span.Edits.Irregular
                ? _splicer.GrowthOfIrregular(buffer.Payload(claim, trace.FirstSpan + members[i]), isSegment)
                : _splicer.GrowthOf(span.Edits, isSegment);
            _lengths[i] = span.PayloadLength + growth;
            sum += _lengths[i];
        }
        return sum;
    }

    private static long SizeOf(ReadOnlySpan<byte> head, long spansLength) => Opening.Length + FlushIdLength + head.Length + spansLength + Closing.Length;

    private void WriteMessage(
        ISpanClaimer buffer, ClaimBatch claim, in ClaimedTrace trace, in AssembledSegment segment, ReadOnlySpan<int> members,
        int? part, long spansLength, int missingParents, SegmentBatch into)
    {
        ReadOnlySpan<byte> head = part is null ? WholeHead : PartHead;
        int bodyStart = into.Length;
        int bodyLength = checked((int)SizeOf(head, spansLength));
        Span<byte> body = into.GetSpan(bodyLength + 1 + PayloadSplicer.Slack);
        int written = Opening.Length + FlushIdLength + head.Length;

        ReadOnlySpan<BufferedSpan> spans = claim.SpansOf(trace);
        _flushId.Begin(trace.Key, segment.SegmentId, members.Length);
        long lowestOffset = long.MaxValue;
        long highestOffset = long.MinValue;
        long firstMs = long.MaxValue, lastMs = long.MinValue;
        long payloadBytes = 0;
        foreach (int member in members)
        {
            ref readonly BufferedSpan span = ref spans[member];
            _flushId.Add(span);
            lowestOffset = Math.Min(lowestOffset, span.SourceOffset);
            highestOffset = Math.Max(highestOffset, span.SourceOffset);
            firstMs = Math.Min(firstMs, span.StreamTimeMs);
            lastMs = Math.Max(lastMs, span.StreamTimeMs);
            payloadBytes += span.PayloadLength;
            written += _splicer.Copy(buffer.Payload(claim, trace.FirstSpan + member), span.Edits, span.SpanId == segment.SegmentId, body[written..]);
            body[written++] = (byte)',';
        }
        if (written + 1 != bodyLength)
            throw new InvalidOperationException($"segment {segment.SegmentId} of {trace.Key}: {written + 1} bytes were written where {bodyLength} were measured");

        UInt128 flushId = _flushId.End();
        Opening.CopyTo(body);
        FlushId.Write(flushId, body[Opening.Length..]);
        head.CopyTo(body[(Opening.Length + FlushIdLength)..]);
        Closing.CopyTo(body[(written - 1)..]); // over the last comma
        body[bodyLength] = (byte)'\n';
        into.Advance(bodyLength + 1);
        into.Add(new SegmentMessage
        {
            Trace = trace.Key,
            SegmentId = segment.SegmentId,
            FlushId = flushId,
            Reason = segment.Reason,
            HasRoot = segment.HasRoot,
            SkipEnrichment = part is not null,
            BeginsSegment = part is null or 0,
            SpanCount = members.Length,
            PayloadBytes = payloadBytes,
            MissingParents = missingParents,
            FirstStoredMs = firstMs,
            LastStoredMs = lastMs,
            Shard = claim.Shard,
            LowestOffset = lowestOffset,
            HighestOffset = highestOffset,
            BodyStart = bodyStart,
            BodyLength = bodyLength,
        });
    }
}

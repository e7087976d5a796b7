using Sheaf.Buffering;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>Reads what is known of the spans of a trace, without their payloads. Stateless.</summary>
internal sealed class TraceReader(RedisKeys keys, SegmentRules rules, RedisLink link)
{
    /// <summary>The trace of a member of <c>due</c> or <c>inflight</c>.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static TraceKey NameOf(in RespReply name) => RedisKeys.TryReadTraceName(name.Bytes, out TraceKey trace)
        ? trace
        : throw new InvalidDataException($"{name} among the traces of a shard is none: something else writes to Sheaf's keys");

    /// <summary>Writes the command that brings what is known of a trace.</summary>
    public void Write(ShardId shard, in TraceKey trace, RespBatch into)
    {
        Span<byte> key = stackalloc byte[keys.LongestTraceKey];
        key = key[..keys.WriteTraceKey(shard, trace, key)];
        into.Begin(2, keys.SlotOf(key));
        into.Add("HKEYS"u8);
        into.Add(key);
    }

    /// <summary>
    /// Adds a trace with what counts of it. Its token is the earliest deadline of what does not: that is being stored just now, and may have been armed already for this claim to take
    /// away.
    /// </summary>
    /// <param name="records">The answer to <see cref="Write"/>.</param>
    /// <param name="storedThrough">The source offset behind which nothing counts.</param>
    public void Read(in TraceKey trace, in RespReply records, long storedThrough, ClaimBatch into)
    {
        link.ThrowIfError(records, "reading what is known of a trace");
        into.AddTrace(trace, token: SegmentRules.Never);
        foreach (RespReply name in records.Children)
        {
            RecordName.Reader reader = RecordName.Read(name.Bytes);
            BufferedSpan span = default;
            int record = -1;
            while (reader.TryRead(ref span, out int start))
            {
                // A record is of one batch, and that is stored as a whole or not.
                if (span.SourceOffset > storedThrough)
                {
                    ref ClaimedTrace claimed = ref into.Traces[^1];
                    claimed.Token = Math.Min(claimed.Token, rules.EarliestDeadline(span.StreamTimeMs, span.IsSegmentRoot));
                    continue;
                }
                if (record < 0) record = into.AddRecord(name.Bytes);
                span.PayloadRef = ((long)record << 32) | (uint)start;
                into.AddSpan() = span;
            }
        }
        into.SortSpans();
    }
}

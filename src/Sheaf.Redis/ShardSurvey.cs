using Sheaf.Buffering;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>Looks at every trace of a shard to say exactly what is buffered: at the start and the end of a run. Owner: one caller at a time.</summary>
internal sealed class ShardSurvey(RedisLink link, ShardKeys keys, TraceReader traces)
{
    private const int Page = 500;

    private readonly RespBatch _commands = new();
    private readonly RespBatch _reading = new();

    /// <summary>Counts. Deliveries that are stored twice count once, and what lies behind the stored mark does not count.</summary>
    /// <exception cref="BufferUnavailableException">The server does not answer.</exception>
    public async ValueTask<BufferDepth> MeasureAsync(ShardId shard, long storedThrough, CancellationToken cancel)
    {
        var seen = new HashSet<TraceKey>();
        var claim = new ClaimBatch();
        long spans = 0, bytes = 0, earliest = SegmentRules.Never;
        foreach (byte[] key in (byte[][])[keys.Due, keys.Inflight])
        {
            bool isDue = key == keys.Due;
            for (long at = 0; ; at += Page)
            {
                _commands.Clear();
                _commands.Begin(5, keys.Slot);
                _commands.Add("ZRANGE"u8);
                _commands.Add(key);
                _commands.Add(at);
                _commands.Add(at + Page - 1);
                _commands.Add("WITHSCORES"u8);
                await link.ExecuteAsync(_commands, cancel);
                RespReply page = _commands.Reply(0);
                link.ThrowIfError(page, "reading which traces there are");
                if (page.Count == 0) break;

                claim.Reset(shard);
                _reading.Clear();
                var names = new List<TraceKey>();
                foreach ((RespReply name, long deadline) in Scored(page))
                {
                    if (isDue) earliest = Math.Min(earliest, deadline);
                    TraceKey trace = TraceReader.NameOf(name);
                    if (!seen.Add(trace)) continue;
                    names.Add(trace);
                    traces.Write(shard, trace, _reading);
                }
                if (names.Count == 0) continue;
                await link.ExecuteAsync(_reading, cancel);
                for (int i = 0; i < names.Count; i++)
                {
                    traces.Read(names[i], _reading.Reply(i), storedThrough, claim);
                    if (claim.SpansOf(claim.Traces[i]).IsEmpty) seen.Remove(names[i]);
                    (int ofTrace, long bytesOfTrace) = Deliveries(claim.SpansOf(claim.Traces[i]));
                    spans += ofTrace;
                    bytes += bytesOfTrace;
                }
            }
        }
        return new BufferDepth(spans, seen.Count, bytes, earliest);
    }

    /// <summary>The members of a sorted set with their scores; RESP 3 pairs them, RESP 2 does not.</summary>
    internal static IEnumerable<(RespReply Member, long Score)> Scored(RespReply page)
    {
        if (page.Count == 0) yield break;
        RespReply child = page.First();
        bool arePairs = child.Count == 2;
        for (int left = page.Count; left > 0;)
        {
            RespReply member = arePairs ? child.First() : child;
            RespReply score = member.Next();
            yield return (member, (long)score.Number);
            left -= arePairs ? 1 : 2;
            if (left > 0) child = (arePairs ? child : score).Next();
        }
    }

    private static (int Spans, long Bytes) Deliveries(ReadOnlySpan<BufferedSpan> spans)
    {
        int count = 0;
        long bytes = 0, last = long.MinValue;
        foreach (ref readonly BufferedSpan span in spans)
        {
            if (span.SourceOffset == last) continue;
            last = span.SourceOffset;
            count++;
            bytes += span.PayloadLength;
        }
        return (count, bytes);
    }
}

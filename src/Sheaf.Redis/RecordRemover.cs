using Sheaf.Buffering;
using Sheaf.Redis.Resp;
using Sheaf.Spans;

namespace Sheaf.Redis;

/// <summary>
/// Removes exactly the spans that a claim has marked: records that are gone as a whole by their names, and where some spans of a record stay, it gets a name without the others.
/// Owner: one claimer.
/// </summary>
internal sealed class RecordRemover(RedisKeys keys)
{
    private const int Untouched = -1;

    private byte[] _name = new byte[1024];

    /// <summary>Writes the commands that remove what is marked in these traces.</summary>
    public void Write(ClaimBatch batch, int firstTrace, int traceCount, RespBatch into)
    {
        Span<byte> key = stackalloc byte[keys.LongestTraceKey];
        int[] left = CountLeft(batch, firstTrace, traceCount);
        ReadOnlySpan<ClaimedRecord> records = batch.Records;
        for (int first = 0, end; first < records.Length; first = end)
        {
            int trace = records[first].Trace;
            int gone = 0;
            for (end = first; end < records.Length && records[end].Trace == trace; end++)
                if (left[end] == 0) gone++;
            if (trace < firstTrace || trace >= firstTrace + traceCount) continue;
            ReadOnlySpan<byte> traceKey = key[..keys.WriteTraceKey(batch.Shard, batch.Traces[trace].Key, key)];
            int slot = keys.SlotOf(traceKey);
            if (gone > 0)
            {
                into.Begin(2 + gone, slot);
                into.Add("HDEL"u8);
                into.Add(traceKey);
                for (int record = first; record < end; record++)
                    if (left[record] == 0) into.Add(batch.NameOf(records[record]));
            }
            for (int record = first; record < end; record++)
            {
                if (left[record] <= 0) continue;
                into.Begin(RedisScripts.Rename, keys: 1, arguments: 2, slot);
                into.Add(traceKey);
                into.Add(batch.NameOf(records[record]));
                into.Add(NameOfRest(batch, record));
            }
        }
    }

    /// <summary>By record: how many of its spans stay; <see cref="Untouched"/> where all do.</summary>
    private static int[] CountLeft(ClaimBatch batch, int firstTrace, int traceCount)
    {
        int[] left = new int[batch.Records.Length];
        Array.Fill(left, Untouched);
        for (int trace = firstTrace; trace < firstTrace + traceCount; trace++)
        {
            ClaimedTrace claimed = batch.Traces[trace];
            ReadOnlySpan<BufferedSpan> spans = batch.SpansOf(claimed);
            ReadOnlySpan<bool> removed = batch.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
            if (!removed.Contains(true)) continue;
            for (int i = 0; i < spans.Length; i++)
            {
                if (removed[i]) left[(int)(spans[i].PayloadRef >> 32)] = 0;
            }
            if (!removed.Contains(false)) continue;
            for (int i = 0; i < spans.Length; i++)
            {
                ref int count = ref left[(int)(spans[i].PayloadRef >> 32)];
                if (!removed[i] && count != Untouched) count++;
            }
        }
        return left;
    }

    /// <summary>The name of a record without the spans that are removed.</summary>
    private ReadOnlySpan<byte> NameOfRest(ClaimBatch batch, int record)
    {
        ClaimedTrace claimed = batch.Traces[batch.Records[record].Trace];
        ReadOnlySpan<BufferedSpan> spans = batch.SpansOf(claimed);
        ReadOnlySpan<bool> removed = batch.Removed.Slice(claimed.FirstSpan, claimed.SpanCount);
        int count = 0;
        for (int i = 0; i < spans.Length; i++)
            if (!removed[i] && spans[i].PayloadRef >> 32 == record) count++;
        int most = RecordName.MaxLength(count);
        if (_name.Length < most) _name = new byte[Math.Max(most, 2 * _name.Length)];
        RecordName.Writer name = RecordName.Write(_name, count, withGaps: true);
        int end = 0;
        for (int i = 0; i < spans.Length; i++)
        {
            if (removed[i] || spans[i].PayloadRef >> 32 != record) continue;
            int start = (int)(uint)spans[i].PayloadRef;
            name.Add(spans[i], start - end);
            end = start + spans[i].PayloadLength;
        }
        return _name.AsSpan(0, name.Length);
    }
}

using Sheaf.Buffering;
using Sheaf.Redis.Resp;

namespace Sheaf.Redis;

/// <summary>Reads payloads of claimed spans, record by record, and holds them until the next read. Owner: one claimer.</summary>
internal sealed class ClaimedPayloads(RedisKeys keys, int compressionLevel, RedisLink link) : IDisposable
{
    private readonly RecordPayloads _payloads = new(compressionLevel);
    private RecordPlace[] _places = []; // by record of the claim
    private byte[] _arena = []; // what was decompressed

    /// <summary>Where the payloads of a record lie that were read last.</summary>
    private struct RecordPlace
    {
        public bool IsWanted;
        public bool IsPlain;
        public RespReply Value;
        public int Start;
    }

    /// <summary>Writes the commands that read the payloads of the spans at these indexes of <see cref="ClaimBatch.Spans"/>.</summary>
    public void WriteReads(ClaimBatch batch, ReadOnlySpan<int> spans, RespBatch into)
    {
        MarkWanted(batch, spans);
        Span<byte> key = stackalloc byte[keys.LongestTraceKey];
        ReadOnlySpan<ClaimedRecord> records = batch.Records;
        for (int first = 0, end; first < records.Length; first = end)
        {
            int wanted = 0;
            for (end = first; end < records.Length && records[end].Trace == records[first].Trace; end++)
                if (_places[end].IsWanted) wanted++;
            if (wanted == 0) continue;
            ReadOnlySpan<byte> trace = key[..keys.WriteTraceKey(batch.Shard, batch.Traces[records[first].Trace].Key, key)];
            into.Begin(2 + wanted, keys.SlotOf(trace));
            into.Add("HMGET"u8);
            into.Add(trace);
            for (int record = first; record < end; record++)
                if (_places[record].IsWanted) into.Add(batch.NameOf(records[record]));
        }
    }

    /// <summary>Takes the answers in. False where a record is not there any more.</summary>
    /// <param name="read">Executed; its answers stay where they are, and in use until the next read.</param>
    /// <param name="firstReply">Index of the first command of <see cref="WriteReads"/> in it.</param>
    /// <exception cref="InvalidDataException">A value is damaged.</exception>
    public bool TryTake(ClaimBatch batch, RespBatch read, int firstReply)
    {
        ReadOnlySpan<ClaimedRecord> records = batch.Records;
        long compressed = 0;
        int command = firstReply;
        int trace = -1;
        RespReply value = default;
        for (int record = 0; record < records.Length; record++)
        {
            ref RecordPlace place = ref _places[record];
            if (!place.IsWanted) continue;
            if (records[record].Trace != trace)
            {
                trace = records[record].Trace;
                RespReply values = read.Reply(command++);
                link.ThrowIfError(values, "reading payloads");
                value = values.First();
            }
            else
            {
                value = value.Next();
            }
            if (value.IsNull) return false;
            place.Value = value;
            place.IsPlain = RecordPayloads.TryGetPlain(value.Bytes, out place.Start);
            if (place.IsPlain) continue;
            place.Start = checked((int)compressed);
            compressed += RecordPayloads.LengthOf(value.Bytes);
        }
        if (compressed == 0) return true;
        if (_arena.Length < compressed) _arena = GC.AllocateUninitializedArray<byte>((int)Math.Min(Array.MaxLength, Math.Max(compressed, 2L * _arena.Length)));
        for (int record = 0; record < records.Length; record++)
        {
            ref readonly RecordPlace place = ref _places[record];
            if (!place.IsWanted || place.IsPlain) continue;
            ReadOnlySpan<byte> bytes = place.Value.Bytes;
            _payloads.Decompress(bytes, _arena.AsSpan(place.Start, RecordPayloads.LengthOf(bytes)));
        }
        return true;
    }

    /// <summary>The payload of a span that was read. Valid until the next read.</summary>
    public ReadOnlySpan<byte> Of(in BufferedSpan buffered)
    {
        ref readonly RecordPlace place = ref _places[(int)(buffered.PayloadRef >> 32)];
        int start = place.Start + (int)(uint)buffered.PayloadRef;
        return (place.IsPlain ? place.Value.Bytes : _arena).Slice(start, buffered.PayloadLength);
    }

    public void Dispose() => _payloads.Dispose();

    private void MarkWanted(ClaimBatch batch, ReadOnlySpan<int> spans)
    {
        int records = batch.Records.Length;
        if (_places.Length < records) _places = new RecordPlace[Math.Max(records, 2 * _places.Length)];
        _places.AsSpan(0, records).Clear();
        foreach (int span in spans) _places[(int)(batch.Spans[span].PayloadRef >> 32)].IsWanted = true;
    }
}

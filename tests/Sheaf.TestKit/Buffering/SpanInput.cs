using System.Runtime.InteropServices;
using Sheaf.Buffering;
using Sheaf.Spans;

namespace Sheaf.TestKit.Buffering;

/// <summary>A span to be appended. Its id and source offset come from <see cref="SpanInput"/>.</summary>
/// <param name="Trace">A small number that stands for a trace id.</param>
/// <param name="AtMs">Its stream time.</param>
/// <param name="Parent">Its effective parent; itself for a root.</param>
/// <param name="AheadMs">How far its stream time is ahead of the clock, which has leapt over <paramref name="LeaptMs"/> less that.</param>
public readonly record struct SpanDraft(ulong Trace, long AtMs, bool Root = false, int Size = 100, long Project = 1, ulong Parent = 77, long LeaptMs = 0, long AheadMs = 0)
{
    public TraceKey Key => new(Project, new TraceId(0xABCD, Trace));
}

/// <summary>
/// The input of a test: makes batches for buffers, with source offsets that go on from batch to batch. A span's id is its offset + 1000, and
/// its payload follows from its offset, so that what comes back can be checked without keeping it.
/// </summary>
public sealed class SpanInput
{
    private long _nextOffset = 1;

    /// <summary>The payload of the span at an offset.</summary>
    public static byte[] PayloadOf(long offset, int size)
    {
        byte[] payload = new byte[size];
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(payload.AsSpan());
        ulong word = (ulong)offset;
        for (int i = 0; i < words.Length; i++) words[i] = word = (word * 6364136223846793005) + 1442695040888963407;
        payload.AsSpan(sizeof(ulong) * words.Length).Fill((byte)offset);
        return payload;
    }

    public SpanBatch Batch(int shard, params ReadOnlySpan<SpanDraft> drafts)
    {
        int bytes = 0;
        foreach (SpanDraft draft in drafts) bytes += draft.Size;
        byte[] block = new byte[bytes];
        var batch = new SpanBatch(new ShardId(shard));
        batch.Reset(block);
        int start = 0;
        foreach (SpanDraft draft in drafts)
        {
            long offset = _nextOffset++;
            PayloadOf(offset, draft.Size).CopyTo(block, start);
            var id = new SpanId((ulong)offset + 1000);
            batch.Add() = new TraceSpan
            {
                Trace = draft.Key,
                SpanId = id,
                EffectiveParent = draft.Root ? id : new SpanId(draft.Parent),
                IsSegmentRoot = draft.Root,
                Edits = new PayloadEdits((int)offset, (int)offset + 1, IsSegmentForm.False, SegmentIdForm.Absent, Irregular: offset % 2 == 0),
                ReceivedMs = draft.AtMs,
                StreamTimeMs = draft.AtMs,
                LeaptMs = draft.LeaptMs,
                AheadMs = draft.AheadMs,
                PayloadHash = (ulong)offset * 31,
                SourceOffset = offset,
                PayloadStart = start,
                PayloadLength = draft.Size,
            };
            start += draft.Size;
        }
        return batch;
    }
}

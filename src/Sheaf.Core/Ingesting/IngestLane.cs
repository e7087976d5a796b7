using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>What one lane of the pipeline works with: a block, its parser, and a batch per shard. All of it is used again for the next block.</summary>
internal sealed class IngestLane
{
    private readonly ISpanParser _parser;
    private readonly TraceScatter _scatter;
    private readonly PayloadSplicer _splicer = new();
    private readonly int _maxMessageBytes;
    private readonly int _maxWrittenSpanBytes;
    private readonly long[] _storedThrough; // by shard: the source offset
    private readonly long _allStoredThrough;

    public IngestLane(IngestOptions options, TraceScatter scatter)
    {
        _scatter = scatter;
        _parser = options.Format.CreateParser();
        _maxMessageBytes = options.MaxMessageBytes;
        _maxWrittenSpanBytes = options.MaxWrittenSpanBytes;
        _storedThrough = [.. Enumerable.Range(0, options.Shards).Select(s => s < options.Stored.Count ? options.Stored[s].Offset : StoredPosition.BeforeFirst.Offset)];
        _allStoredThrough = _storedThrough.Min();
        Block = new InputBlock(options.BlockBytes);
        Batches = new SpanBatch[options.Shards];
        Tallies = new ShardTally[options.Shards];
        Tickets = new long[options.Shards];
    }

    public InputBlock Block { get; }

    /// <summary>Number of the block in the order of reading.</summary>
    public long Number { get; set; }

    /// <summary>How many messages of its partition, or of the file, came before the block.</summary>
    public long MessagesBefore { get; set; }

    /// <summary>By shard of the block: its number among the blocks of that shard, in the order of reading.</summary>
    public long[] Tickets { get; }

    /// <summary>The block's shards: its own, or all of them where each span's trace decides.</summary>
    public (int First, int End) Shards => Block.Shard is { } only ? (only.Value, only.Value + 1) : (0, Tallies.Length);

    /// <summary>By shard of the block: its usable spans.</summary>
    public SpanBatch[] Batches { get; }

    /// <summary>By shard of the block.</summary>
    public ShardTally[] Tallies { get; }

    /// <summary>The block's bad messages, by index, in order.</summary>
    public List<(int Message, SpanFault Fault)> Faults { get; } = [];

    /// <summary>Indexes in the batch of the block's shard, ascending: spans that have left already. They only tell the time.</summary>
    public List<int> Settled { get; } = [];

    /// <summary>Parses the whole block.</summary>
    /// <param name="settled">Offsets of its shard that count nowhere: what came with them was told already.</param>
    public void Parse(DropRules drops, SettledOffsets settled)
    {
        (int first, int end) = Shards;
        for (int s = first; s < end; s++)
        {
            // Made when it is first needed: of a topic's many partitions a process may have few.
            (Batches[s] ??= new SpanBatch(new ShardId(s))).Reset(Block.Buffer);
            Tallies[s] = default;
        }
        Faults.Clear();
        Settled.Clear();
        ReadOnlySpan<InputMessage> messages = Block.Messages;
        TraceSpan span = default;
        bool anyDrops = drops.Any;
        for (int i = 0; i < messages.Length; i++)
        {
            ref readonly InputMessage message = ref messages[i];
            if (message.SourceOffset <= _allStoredThrough) continue;
            bool isSettled = settled.Contains(message.SourceOffset);
            if (message.Length > _maxMessageBytes)
            {
                if (isSettled || IsToldAlready(message)) continue;
                Faults.Add((i, new SpanFault(SpanFaultKind.TooLarge, SpanField.None, _maxMessageBytes)));
                continue;
            }
            if (!_parser.TryParse(Block.BytesOf(message), ref span, out SpanFault fault) || IsTooLargeToWrite(message, span, out fault))
            {
                if (isSettled || IsToldAlready(message)) continue;
                Faults.Add((i, fault));
                continue;
            }
            ShardId shard = Block.Shard ?? ShardId.Of(span.Trace.TraceId, Batches.Length);
            if (Block.Shard is not null) _scatter.Look(span.Trace, shard, message.TimestampMs); // else the trace decides, and cannot be wrong
            if (message.SourceOffset <= _storedThrough[shard.Value]) continue;
            ref ShardTally tally = ref Tallies[shard.Value];
            if (anyDrops && drops.Drops(span.OrganizationId, span.Trace))
            {
                if (isSettled) continue;
                tally.Dropped++;
                tally.DroppedBytes += message.Length;
                continue;
            }
            span.SourceOffset = message.SourceOffset;
            span.StreamTimeMs = Math.Clamp(message.TimestampMs == InputMessage.NoTimestamp ? span.ReceivedMs : message.TimestampMs, 0, StreamClock.LatestMs);
            span.PayloadStart = message.Start;
            span.PayloadLength = message.Length;
            Batches[shard.Value].Add() = span;
            if (isSettled)
            {
                Settled.Add(Batches[shard.Value].Count - 1);
                continue;
            }
            tally.Bytes += message.Length;
            if (span.IsSegmentRoot) tally.SegmentRoots++;
        }
    }

    /// <summary>Takes a span that the buffer does not take out of its batch.</summary>
    /// <returns>The index of its message, and its fault.</returns>
    public (int Message, SpanFault Fault) TakeOut(SpanBatch batch, long sourceOffset)
    {
        ref ShardTally tally = ref Tallies[batch.Shard.Value];
        for (int i = 0; i < batch.Count; i++)
        {
            TraceSpan span = batch.Spans[i];
            if (span.SourceOffset != sourceOffset) continue;
            tally.Bytes -= span.PayloadLength;
            if (span.IsSegmentRoot) tally.SegmentRoots--;
            batch.Remove([i]);
            break;
        }
        int message = 0;
        while (Block.Messages[message].SourceOffset != sourceOffset) message++;
        return (message, new SpanFault(SpanFaultKind.TooLargeForBuffer, SpanField.None, 0));
    }

    private bool IsTooLargeToWrite(in InputMessage message, in TraceSpan span, out SpanFault fault)
    {
        // An irregular payload grows with each of its edits; a regular one by less than what the splicer keeps free behind a copy.
        bool mayBe = span.Edits.Irregular ? _maxWrittenSpanBytes < int.MaxValue : message.Length > _maxWrittenSpanBytes - 2 * PayloadSplicer.Slack;
        bool isTooLarge = mayBe && _splicer.MostBytesOf(Block.BytesOf(message), span.Edits) > _maxWrittenSpanBytes;
        fault = isTooLarge ? new SpanFault(SpanFaultKind.TooLargeForOutput, SpanField.None, _maxWrittenSpanBytes) : default;
        return isTooLarge;
    }

    // A block's dead letters are written before anything of it is stored for its first shard.
    private bool IsToldAlready(in InputMessage message) => message.SourceOffset <= _storedThrough[(Block.Shard ?? new ShardId(0)).Value];
}

/// <summary>What a block held for a shard.</summary>
internal struct ShardTally
{
    public long Bytes;
    public long SegmentRoots;
    public long Dropped;
    public long DroppedBytes;
}

using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;

namespace Sheaf.Tests.Buffering.Memory;

/// <summary>How far a shard is: whoever begins there and passes over what has left finds what waits here, no more and no less.</summary>
public sealed class ShardProgressTests
{
    private static readonly ShardId Zero = new(0);

    private readonly Shard _shard = new();

    [Fact]
    public async Task What_leaves_is_settled_and_the_place_to_read_on_from_is_the_batch_of_the_oldest_that_waits()
    {
        await _shard.AppendAsync((10, 1), (11, 2), (13, 1)); // 12 was a dead letter
        Assert.Equal((10, long.MinValue), _shard.Take());
        await _shard.AppendAsync((14, 3));
        await _shard.RemoveAsync(1);
        Assert.Equal((10, long.MinValue), _shard.Take());
        Assert.Equal([10, 12, 13], _shard.Kept.SettledFrom(10, 14));
        await _shard.RemoveAsync(2);
        Assert.Equal((14, 1013), _shard.Take()); // the clock before that batch
        await _shard.RemoveAsync(3);
        Assert.Equal((15, 1014), _shard.Take());
    }

    [Fact]
    public async Task Nothing_is_told_twice_until_it_changes()
    {
        await _shard.AppendAsync((10, 1), (11, 2));
        _shard.Take();
        Assert.False(_shard.HasChanged());
        await _shard.RemoveAsync(2);
        Assert.True(_shard.HasChanged());
        _shard.Take();
        Assert.False(_shard.HasChanged());
    }

    [Fact]
    public async Task A_snapshot_that_is_not_acknowledged_is_told_again()
    {
        await _shard.AppendAsync((10, 1), (11, 2));
        await _shard.RemoveAsync(2);
        Assert.True(_shard.HasChanged());
        Assert.True(_shard.HasChanged());
        Assert.Equal((10, long.MinValue), _shard.Take());
        Assert.Equal([11], _shard.Kept.SettledFrom(10, 12));
    }

    [Fact]
    public async Task What_a_claim_is_about_to_remove_counts_for_its_snapshot_alone_until_that_is_acknowledged()
    {
        await _shard.AppendAsync((10, 1), (11, 2));
        await _shard.ClaimAsync(1);
        var snapshot = new ProgressSnapshot();
        _shard.Buffer.TakeProgress(Zero, snapshot, _shard.Claim, ..);
        Assert.Equal([10], new Kept().Apply(snapshot).SettledFrom(10, 12));
        Assert.Empty(_shard.Peek().SettledFrom(10, 12)); // not acknowledged, so it is still here
        _shard.Buffer.TakeProgress(Zero, snapshot, _shard.Claim, ..);
        _shard.Buffer.AcknowledgeProgress(snapshot);
        Assert.False(_shard.HasChanged());
        // Its worker dies before it removes it: the successor finds only what has not left.
        MemorySpanBuffer successor = _shard.Buffer.OpenClient();
        await successor.TakeOverAsync(new[] { Zero }, default);
        await successor.ClaimAsync(Zero, long.MaxValue, 10, _shard.Claim, default);
        Assert.Equal([11], _shard.Claim.Spans.ToArray().Select(span => span.SourceOffset));
        Assert.Equal(1, _shard.Buffer.Measure(Zero).Spans);
    }

    [Fact]
    public async Task Chunks_that_lie_behind_are_told_to_be_outdated_once()
    {
        long far = 3L * SettledOffsets.ChunkOffsets;
        await _shard.AppendAsync((10, 1), (11, 2));
        await _shard.RemoveAsync(2);
        _shard.Take();
        await _shard.AppendAsync((far, 3)); // everything between was something else
        _shard.Take();
        Assert.Equal([0, 1, 2], _shard.Kept.Chunks.Keys.Order());
        await _shard.RemoveAsync(1);
        Assert.Equal(12, _shard.Take().ReadOnFrom); // where its batch begins
        Assert.Equal([0, 1, 2], _shard.Kept.Chunks.Keys.Order());
        await _shard.RemoveAsync(3);
        Assert.Equal(far + 1, _shard.Take().ReadOnFrom);
        _shard.Take();
        Assert.DoesNotContain(_shard.Kept.Chunks.Keys, chunk => chunk < 3);
        Assert.False(_shard.HasChanged());
    }

    [Fact]
    public async Task A_snapshot_of_an_earlier_life_changes_nothing()
    {
        await _shard.AppendAsync((10, 1));
        var snapshot = new ProgressSnapshot();
        _shard.Buffer.TakeProgress(Zero, snapshot);
        _shard.Buffer.Drop(Zero);
        _shard.Buffer.Begin(Zero, new StoredPosition(9, 5), SettledOffsets.None);
        _shard.Buffer.AcknowledgeProgress(snapshot);
        Assert.True(_shard.HasChanged());
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Replaying_from_any_commit_finds_what_waited_with_its_stream_times(int seed)
    {
        var random = new Random(seed);
        var input = new List<(long Offset, ulong Trace, long TimestampMs)>();
        var shard = new Shard();
        long offset = 10, clock = long.MinValue;
        var lives = 0;
        for (int step = 0; step < 300; step++)
        {
            switch (random.Next(10))
            {
                case < 5:
                    var batch = new List<(long, ulong)>();
                    long through = offset;
                    for (int i = random.Next(12); i > 0; i--)
                    {
                        through = offset;
                        long timestamp = 1000 + offset + random.Next(-40, 40);
                        if (random.Next(8) > 0)
                        {
                            input.Add((offset, (ulong)random.Next(9), timestamp));
                            batch.Add((offset, input[^1].Trace));
                        }
                        offset += random.Next(200) == 0 ? SettledOffsets.ChunkOffsets : 1;
                    }
                    if (through >= offset) break;
                    clock = await shard.AppendAsync(input.TakeLast(batch.Count), through, clock);
                    break;
                case < 8:
                    await shard.RemoveAsync((ulong)random.Next(9), random);
                    break;
                case 8:
                    shard.Take();
                    break;
                default:
                    // The process is gone, and so is what was not committed; what has left since then leaves again.
                    if (!shard.IsCommitted) break;
                    lives++;
                    (long Offset, long Time)[] waited = shard.WaitingAtCommit;
                    long readTo = shard.ReadAtCommit;
                    Kept kept = shard.Kept;
                    shard = new Shard(kept);
                    clock = kept.ClockMs;
                    (long, ulong, long)[] again = [.. input.Where(m => m.Offset >= kept.ReadOnFrom && m.Offset <= readTo)];
                    if (readTo >= kept.ReadOnFrom) clock = await shard.AppendAsync(again, readTo, clock);
                    Assert.Equal(waited, shard.Waiting());
                    input.RemoveAll(m => m.Offset > readTo);
                    offset = readTo + 1;
                    break;
            }
        }
        Assert.True(lives > 0, "no crash at all");
    }

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, 20)];

    /// <summary>What is kept outside, as of the last commit.</summary>
    private sealed class Kept
    {
        public Dictionary<long, byte[]> Chunks { get; } = [];

        public long ReadOnFrom { get; private set; } = 10;

        public long ClockMs { get; private set; } = long.MinValue;

        public SettledOffsets Settled => new(Chunks.Select(c => new KeyValuePair<long, ReadOnlyMemory<byte>>(c.Key, c.Value)));

        public Kept Apply(ProgressSnapshot snapshot)
        {
            foreach (ProgressSnapshot.Chunk chunk in snapshot.Chunks) Chunks[chunk.Index] = chunk.Bits.ToArray();
            foreach (long outdated in snapshot.Outdated) Chunks.Remove(outdated);
            (ReadOnFrom, ClockMs) = (snapshot.ReadOnFrom, snapshot.Clock.Ms);
            return this;
        }

        public IEnumerable<long> SettledFrom(long from, long to)
        {
            SettledOffsets settled = Settled;
            for (long offset = from; offset <= to; offset++)
                if (settled.Contains(offset)) yield return offset;
        }
    }

    /// <summary>A buffer with one shard, and what is kept of it.</summary>
    private sealed class Shard
    {
        private readonly MemorySpanBuffer _client;
        private long _clockMs = long.MinValue;
        private long _through;

        public Shard(Kept? from = null)
        {
            Kept = from ?? new Kept();
            Buffer = new MemoryBuffer(new SegmentRules(), 1, 1 << 30, keepsProgress: true);
            Buffer.Begin(Zero, new StoredPosition(Kept.ReadOnFrom - 1, Kept.ClockMs), Kept.Settled);
            _client = Buffer.OpenClient();
            Done(_client.TakeOverAsync(new[] { Zero }, default));
            _through = Kept.ReadOnFrom - 1;
        }

        public MemoryBuffer Buffer { get; }

        public ClaimBatch Claim { get; private set; } = new();

        public Kept Kept { get; private set; }

        public bool IsCommitted { get; private set; }

        public (long Offset, long Time)[] WaitingAtCommit { get; private set; } = [];

        public long ReadAtCommit { get; private set; }

        public async Task AppendAsync(params (long Offset, ulong Trace)[] spans) =>
            _clockMs = await AppendAsync(spans.Select(span => (span.Offset, span.Trace, 1000 + span.Offset)), spans[^1].Offset, _clockMs);

        /// <summary>As the pipeline does: stream times are a running maximum, what has left is passed over. Returns the clock.</summary>
        public async Task<long> AppendAsync(IEnumerable<(long Offset, ulong Trace, long TimestampMs)> messages, long through, long clock)
        {
            SettledOffsets settled = Kept.Settled;
            var batch = new SpanBatch(Zero) { ClockBefore = new StreamClock(clock) };
            batch.Reset(new byte[1]);
            foreach ((long offset, ulong trace, long timestamp) in messages)
            {
                clock = Math.Max(clock, timestamp);
                if (settled.Contains(offset)) continue;
                batch.Add() = new TraceSpan
                {
                    Trace = new TraceKey(1, new TraceId(1, trace)), SpanId = new SpanId((ulong)offset), EffectiveParent = new SpanId(7), SourceOffset = offset, StreamTimeMs = clock, PayloadLength = 1,
                };
            }
            batch.Through = new StoredPosition(through, clock);
            await _client.AppendAsync(batch, default);
            _through = through;
            return clock;
        }

        public async Task ClaimAsync(ulong trace)
        {
            await _client.TakeOverAsync(new[] { Zero }, default);
            await _client.ClaimAsync(Zero, long.MaxValue, 100, Claim, default);
            for (int t = 0; t < Claim.TraceCount; t++)
            {
                ref ClaimedTrace claimed = ref Claim.Traces[t];
                if (claimed.Key.TraceId.Low == trace) Claim.Removed.Slice(claimed.FirstSpan, claimed.SpanCount).Fill(true);
                else claimed.NextDeadlineMs = 1;
            }
        }

        /// <summary>Removes a trace, or some of its spans.</summary>
        public async Task RemoveAsync(ulong trace, Random? some = null)
        {
            await ClaimAsync(trace);
            for (int i = 0; some is not null && i < Claim.SpanCount; i++) Claim.Removed[i] &= some.Next(3) > 0;
            for (int t = 0; t < Claim.TraceCount; t++) Claim.Traces[t].NextDeadlineMs = 1;
            await _client.RemoveAsync(Claim, .., default);
        }

        /// <summary>Commits.</summary>
        public (long ReadOnFrom, long ClockMs) Take()
        {
            var snapshot = new ProgressSnapshot();
            Buffer.TakeProgress(Zero, snapshot);
            Kept.Apply(snapshot);
            Buffer.AcknowledgeProgress(snapshot);
            (IsCommitted, WaitingAtCommit, ReadAtCommit) = (true, Waiting(), _through);
            return (snapshot.ReadOnFrom, snapshot.Clock.Ms);
        }

        public Kept Peek()
        {
            var snapshot = new ProgressSnapshot();
            Buffer.TakeProgress(Zero, snapshot);
            return new Kept().Apply(snapshot);
        }

        public bool HasChanged()
        {
            var snapshot = new ProgressSnapshot();
            Buffer.TakeProgress(Zero, snapshot);
            return snapshot.HasChanged;
        }

        /// <summary>Operations in memory complete at once.</summary>
        private static void Done(ValueTask operation) => Assert.True(operation.IsCompletedSuccessfully);

        public (long Offset, long Time)[] Waiting()
        {
            var claim = new ClaimBatch();
            Done(_client.TakeOverAsync(new[] { Zero }, default));
            Done(_client.ClaimAsync(Zero, long.MaxValue, 1000, claim, default));
            (long, long)[] waiting = [.. claim.Spans.ToArray().Select(span => (span.SourceOffset, span.StreamTimeMs)).Order()];
            Done(_client.TakeOverAsync(new[] { Zero }, default));
            return waiting;
        }
    }
}

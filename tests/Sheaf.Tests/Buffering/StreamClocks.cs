using Sheaf.Buffering;
using Sheaf.Segments;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Buffering;

/// <summary>A shard's clock, and the segments that follow from it. Each failure names the seed that shows it.</summary>
public sealed class StreamClocks
{
    private const int Seeds = 400;
    private const long Noon = 1_700_000_000_000;
    private const long FiftyMinutes = 50 * 60_000;

    private static readonly SegmentRules Rules = new(TimeoutMs: 60_000, RootTimeoutMs: 10_000, MaxSegmentAgeMs: 120_000);

    [Fact]
    public void The_times_of_spans_hang_neither_on_batches_nor_on_where_reading_went_on()
    {
        ForAllSeeds(random =>
        {
            Message[] input = AnyInput(random);
            List<(long, long, long)> whole = Stamps(input, random: null);
            Assert.Equal(whole, Stamps(input, random));
        });

        static List<(long, long, long)> Stamps(Message[] input, Random? random)
        {
            var stamps = new List<(long, long, long)>();
            StreamClock clock = StreamClock.NotStarted;
            FarAheadMessages farAhead = default;
            for (int at = 0; at < input.Length;)
            {
                int end = random is null ? input.Length : Math.Min(input.Length, at + random.Next(1, 20));
                SpanBatch batch = BatchOf(input[at..end]);
                clock = clock.Follow(batch, ref farAhead);
                foreach (ref readonly TraceSpan span in batch.Spans) stamps.Add((span.StreamTimeMs, span.LeaptMs, span.AheadMs));
                at = end;
                if (random is not null) clock = new StreamClock(clock.Ms, clock.LeaptMs, clock.Ahead, clock.AheadMs); // what is kept of it
            }
            return stamps;
        }
    }

    [Fact]
    public void Segments_hang_neither_on_batches_nor_on_when_they_are_looked_at()
    {
        ForAllSeeds(random =>
        {
            Message[] input = AnyInput(random);
            Assert.Equal(new ShardRun(input).ToEnd(), new ShardRun(input, random).ToEnd());
        });
    }

    [Fact]
    public void A_trace_far_ahead_changes_no_other_traces_segments_also_where_it_comes_first()
    {
        ForAllSeeds(random =>
        {
            Message[] good = Steady(random, count: 500);
            Message[] both = With(good, random, TimesAhead(random), bad: random.Next(1, 200), traces: 1, first: random.Next(3) == 0 ? 0 : random.Next(500));
            AssertSameForGood(good, both, random);
        });
    }

    [Fact]
    public void A_producer_of_a_quarter_of_the_messages_whose_clock_is_ahead_changes_no_other_traces_segments()
    {
        ForAllSeeds(random =>
        {
            Message[] good = Steady(random, count: 1_500);
            Message[] both = With(good, random, _ => FiftyMinutes, bad: 500, traces: 200, first: 0);
            AssertSameForGood(good, both, random);
        });
    }

    [Fact]
    public void A_trace_far_ahead_leaves_when_its_neighbours_do()
    {
        ForAllSeeds(random =>
        {
            Message[] good = Steady(random, count: 2_000, mostMs: 200); // more than two minutes behind the last of the bad ones
            Message[] both = With(good, random, TimesAhead(random), bad: 20, traces: 1, first: 0, last: 300);
            var run = new ShardRun(both, random);
            run.Read(both.Length);
            run.FlushAll();
            Assert.Equal(20, run.SpansOut(trace => trace >= BadTraces));
        });
    }

    [Fact]
    public void When_the_input_really_goes_on_later_its_segments_are_those_of_a_clock_that_follows_at_once()
    {
        ForAllSeeds(random =>
        {
            Message[] input = WithGaps(random);
            Assert.Equal(new ShardRun(input, followsAtOnce: true).ToEnd(), new ShardRun(input, random).ToEnd());
        });
    }

    [Fact]
    public void Input_that_goes_on_later_is_followed_after_some_thirty_traces()
    {
        Message[] before = [.. Enumerable.Range(0, 100).Select(i => new Message(i, Noon + i))];
        Message[] behind = [.. Enumerable.Range(100, 60).Select(i => new Message(i, Noon + 3_600_000 + i))];
        StreamClock clock = Follow(StreamClock.NotStarted, before);
        Assert.Equal(Noon + 99, clock.Ms);
        int needed = Enumerable.Range(1, 60).First(count => Follow(clock, behind[..count]).Ms > Noon + 3_600_000);
        Assert.InRange(needed, 24, 45);
        Assert.Equal(Noon + 3_600_159, Follow(clock, behind).Ms);
    }

    [Fact]
    public void The_spans_of_one_trace_or_of_two_in_turn_are_no_majority()
    {
        StreamClock clock = Follow(StreamClock.NotStarted, [.. Enumerable.Range(0, 100).Select(i => new Message(i, Noon + i))]);
        Message[] one = [.. Enumerable.Range(0, 10_000).Select(i => new Message(500 + (i % 2), Noon + FiftyMinutes + i))];
        Assert.Equal(Noon + 99, Follow(clock, one).Ms);
    }

    [Fact]
    public void What_is_outvoted_is_told_once_and_what_the_clock_follows_is_not()
    {
        FarAheadMessages farAhead = default;
        StreamClock clock = StreamClock.NotStarted;
        Step([.. Enumerable.Range(0, 100).Select(i => new Message(i, Noon + i))]);
        Assert.False(farAhead.TryTake(out _, out _)); // the first messages of a shard
        Step([new Message(900, Noon + FiftyMinutes), new Message(900, Noon + FiftyMinutes + 5)]);
        Assert.False(farAhead.TryTake(out _, out _)); // the input may go on there
        Step([new Message(1, Noon + 100)]);
        Assert.True(farAhead.TryTake(out long messages, out long mostMs));
        Assert.Equal((2, FiftyMinutes + 5 - 99), (messages, mostMs));
        Assert.False(farAhead.TryTake(out _, out _));

        void Step(Message[] messages) => clock = clock.Follow(BatchOf(messages), ref farAhead);
    }

    [Fact]
    public void A_quiet_shard_believes_what_is_ahead_of_it_and_not_ahead_of_the_day()
    {
        StreamClock clock = Follow(StreamClock.NotStarted, [new Message(1, Noon), new Message(2, Noon + 3)]);
        Assert.Equal(0, clock.Ms);
        Assert.Equal(clock, clock.Believe(Noon + 2));
        StreamClock believed = clock.Believe(Noon + 3);
        Assert.Equal(new StreamClock(Noon + 3, Noon + 3, 0, 0), believed);
        Assert.Equal(new StreamClock(Noon + 13, Noon + 3, 0, 0), believed.After(10));
        Assert.Equal(believed, believed.Believe(long.MaxValue));
    }

    [Fact]
    public void Any_timestamp_at_all_gives_times_that_nothing_overflows_with()
    {
        long[] times = [0, 1, 60_000, 60_001, Noon, StreamClock.LatestMs - 1, StreamClock.LatestMs];
        ForAllSeeds(random =>
        {
            Message[] input = [.. Enumerable.Range(0, 200).Select(_ => new Message(random.Next(60), times[random.Next(times.Length)]))];
            SpanBatch batch = BatchOf(input);
            FarAheadMessages farAhead = default;
            StreamClock clock = StreamClock.NotStarted.Follow(batch, ref farAhead).Believe(long.MaxValue).After(1 << 30);
            Assert.InRange(clock.Ms, 0, StreamClock.LatestMs + (1 << 30));
            long elapsed = 0;
            foreach (ref readonly TraceSpan span in batch.Spans)
            {
                Assert.InRange(span.StreamTimeMs, 0, StreamClock.LatestMs);
                Assert.InRange(span.AheadMs, 0, span.StreamTimeMs);
                Assert.InRange(span.StreamTimeMs - span.LeaptMs, elapsed, StreamClock.LatestMs);
                elapsed = span.StreamTimeMs - span.LeaptMs;
            }
            Assert.Equal(new ShardRun(input).ToEnd(), new ShardRun(input, random).ToEnd());
        });
    }

    [Fact]
    public void Following_a_batch_allocates_nothing()
    {
        SpanBatch batch = BatchOf(AnyInput(new Random(1)));
        StreamClock clock = StreamClock.NotStarted;
        FarAheadMessages farAhead = default;
        Assert.Equal(0, Garbage.Of(() => clock = clock.Follow(batch, ref farAhead)));
    }

    private const int BadTraces = 100_000;

    /// <summary>A message of a trace, with its broker's timestamp; its offset tells it from others wherever it stands.</summary>
    private readonly record struct Message(int Trace, long TimestampMs, long Offset = 0);

    private static void ForAllSeeds(Action<Random> property)
    {
        for (int seed = 0; seed < Seeds; seed++)
        {
            try
            {
                property(new Random(seed));
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e.Message}");
            }
        }
    }

    private static StreamClock Follow(StreamClock clock, Message[] messages)
    {
        FarAheadMessages farAhead = default;
        return clock.Follow(BatchOf(messages), ref farAhead);
    }

    private static SpanBatch BatchOf(Message[] messages)
    {
        var batch = new SpanBatch(new ShardId(0));
        foreach (Message message in messages)
        {
            var id = new SpanId((ulong)message.Offset + 1_000_000);
            var root = new SpanId((ulong)message.Trace + 1);
            // A third of the traces have a root: their first offset that is a multiple of 3.
            bool isRoot = message.Trace % 3 == 0 && message.Offset % 3 == 0;
            batch.Add() = new TraceSpan
            {
                Trace = KeyOf(message.Trace), SpanId = isRoot ? root : id, EffectiveParent = root, IsSegmentRoot = isRoot, SourceOffset = message.Offset,
                StreamTimeMs = message.TimestampMs, PayloadHash = (ulong)message.Offset, PayloadLength = 10,
            };
        }
        return batch;
    }

    private static TraceKey KeyOf(int trace)
    {
        var random = new Random(trace);
        return new TraceKey(trace, new TraceId((ulong)random.NextInt64(), (ulong)random.NextInt64()));
    }

    /// <summary>Traces that come and go, in a time that goes on without gaps.</summary>
    private static Message[] Steady(Random random, int count, int? mostMs = null)
    {
        long time = Noon;
        int newest = 0;
        int haste = mostMs ?? random.Next(1, 2_000);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            time += random.Next(haste);
            if (random.Next(3) == 0) newest++;
            return new Message(Math.Max(0, newest - random.Next(8)), time, 1000L * (i + 1));
        })];
    }

    /// <summary>Some of it goes on hours later.</summary>
    private static Message[] WithGaps(Random random)
    {
        Message[] steady = Steady(random, random.Next(1, 600));
        long gap = 0;
        int rarity = random.Next(5, 300);
        return [.. steady.Select(message =>
        {
            if (random.Next(rarity) == 0) gap += random.Next(3) == 0 ? random.Next(200_000) : random.NextInt64(40L * 3_600_000);
            return message with { TimestampMs = message.TimestampMs + gap };
        })];
    }

    private static Func<Random, long> TimesAhead(Random random)
    {
        long[] ahead = [61_000, 100_000, FiftyMinutes, 1L << 40, StreamClock.LatestMs];
        long chosen = ahead[random.Next(ahead.Length)];
        return r => chosen + r.Next(2_000);
    }

    /// <summary>Puts messages among others that are as far ahead of their neighbours as is said.</summary>
    private static Message[] With(Message[] good, Random random, Func<Random, long> ahead, int bad, int traces, int first, int? last = null)
    {
        int[] places = [.. Enumerable.Range(0, bad).Select(_ => random.Next(first, last ?? good.Length)).Order()];
        if (bad > 0 && first == 0) places[0] = 0;
        var both = new List<Message>();
        int next = 0;
        for (int i = 0; i < good.Length; i++)
        {
            for (; next < places.Length && places[next] == i; next++)
            {
                long time = Math.Min(StreamClock.LatestMs, good[i].TimestampMs + ahead(random));
                both.Add(new Message(BadTraces + random.Next(traces), time, both.Count == 0 ? 1 : both[^1].Offset + 1));
            }
            both.Add(good[i]);
        }
        return [.. both];
    }

    /// <summary>Everything at once: gaps, bad producers, times that go back.</summary>
    private static Message[] AnyInput(Random random)
    {
        Message[] input = WithGaps(random);
        if (random.Next(3) > 0) input = With(input, random, TimesAhead(random), random.Next(1, 100), traces: random.Next(1, 60), first: random.Next(2) == 0 ? 0 : random.Next(input.Length));
        return [.. input.Select((message, i) => message with
        {
            TimestampMs = Math.Max(0, message.TimestampMs - (random.Next(4) == 0 ? random.Next(30_000) : random.Next(100) == 0 ? random.NextInt64(Noon) : 0)),
            Offset = i,
        })];
    }

    private static void AssertSameForGood(Message[] good, Message[] both, Random random)
    {
        string[] expected = new ShardRun(good).ToEnd();
        string[] actual = [.. new ShardRun(both, random).ToEnd().Where(segment => !segment.StartsWith("bad", StringComparison.Ordinal))];
        Assert.Equal(expected, actual);
    }

    /// <summary>
    /// The input of a shard through its clock and the assembler of each trace. With chance: in batches, and looked at whenever, as workers do. Without: all at once.
    /// </summary>
    private sealed class ShardRun(Message[] input, Random? chance = null, bool followsAtOnce = false)
    {
        private readonly Dictionary<TraceKey, (int Trace, IncrementalAssembly Assembly)> _traces = [];
        private StreamClock _clock = StreamClock.NotStarted;
        private int _next;

        public int SpansOut(Func<int, bool> which) => _traces.Values.Where(t => which(t.Trace)).Sum(t => t.Assembly.Closed.Sum(c => c.Spans.Length));

        public void Read(int end)
        {
            FarAheadMessages farAhead = default;
            while (_next < end)
            {
                int batchEnd = chance is null ? end : Math.Min(end, _next + chance.Next(1, 30));
                Message[] messages = input[_next..batchEnd];
                _next = batchEnd;
                SpanBatch batch = BatchOf(messages);
                if (followsAtOnce) FollowAtOnce(batch);
                else _clock = _clock.Follow(batch, ref farAhead);
                for (int i = 0; i < batch.Count; i++) Append(messages[i].Trace, batch.Spans[i]);
                if (chance is null) continue;
                foreach ((_, IncrementalAssembly assembly) in _traces.Values)
                    if (chance.Next(3) == 0) assembly.Flush(_clock.Ms, closeAll: null, _clock.LeaptMs);
            }
        }

        public void FlushAll()
        {
            foreach ((_, IncrementalAssembly assembly) in _traces.Values) assembly.Flush(_clock.Ms, closeAll: null, _clock.LeaptMs);
        }

        /// <summary>All segments, when time goes on far enough for all to close.</summary>
        public string[] ToEnd()
        {
            Read(input.Length);
            foreach ((_, IncrementalAssembly assembly) in _traces.Values) assembly.Flush(StreamClock.LatestMs + Rules.TimeoutMs + 1, closeAll: null, _clock.LeaptMs);
            return [.. _traces.Values.SelectMany(t => t.Assembly.Segments.Select(s => $"{(t.Trace >= BadTraces ? "bad" : "trace")} {t.Trace}: {s}")).Order(StringComparer.Ordinal)];
        }

        private void FollowAtOnce(SpanBatch batch)
        {
            long clock = Math.Max(0, _clock.Ms);
            foreach (ref TraceSpan span in batch.Spans) span.StreamTimeMs = clock = Math.Max(clock, span.StreamTimeMs);
            _clock = new StreamClock(clock);
        }

        private void Append(int trace, in TraceSpan span)
        {
            if (!_traces.TryGetValue(span.Trace, out (int, IncrementalAssembly Assembly) known)) _traces.Add(span.Trace, known = (trace, new IncrementalAssembly(Rules)));
            known.Assembly.Append(new BufferedSpan
            {
                SpanId = span.SpanId, EffectiveParent = span.EffectiveParent, IsSegmentRoot = span.IsSegmentRoot, SourceOffset = span.SourceOffset,
                StreamTimeMs = span.StreamTimeMs, LeaptMs = span.LeaptMs, PayloadHash = span.PayloadHash, PayloadLength = span.PayloadLength,
            });
        }
    }
}

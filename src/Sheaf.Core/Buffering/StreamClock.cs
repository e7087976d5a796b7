using System.Numerics;
using Sheaf.Spans;

namespace Sheaf.Buffering;

/// <summary>
/// The clock of a shard: what it has taken from the timestamps of the messages so far. It follows them as a running maximum, but no minority moves it: timestamps more than
/// <see cref="FarAheadMs"/> ahead count only once enough traces agree. A pure function of the shard's messages in their order, whatever their batches: so it is kept with every place from
/// which the input may be read on. Immutable.
/// </summary>
/// <remarks>
/// What is far ahead is counted by traces: each has one of 64 bits, a message that is not far ahead takes one of them back, and with <see cref="Majority"/> bits the clock leaps to where
/// they are. So a single trace, or any few of them, never moves it, however many spans they have; of producers that send less than a third of the messages it takes thousands of millions of
/// messages to do so by chance. When the input really goes on later, some thirty traces are enough. A shard begins in 1970, and its first messages are such a leap, for which fewer are enough
/// (<see cref="FirstTraces"/>): nothing waits yet that it could hurt.
/// </remarks>
/// <param name="Ms">The clock; <see cref="None"/> before the first span.</param>
/// <param name="LeaptMs">How much of it was leapt over. The rest is the time that has elapsed in the shard.</param>
/// <param name="Ahead">The bits of traces that are far ahead and not outvoted.</param>
/// <param name="AheadMs">
/// Where they are: a clock that follows them, from the earliest on. What is far ahead of this one too does not move it, and what is as far behind it sets it back. Nothing where there is no bit.
/// </param>
public readonly record struct StreamClock(long Ms, long LeaptMs, ulong Ahead, long AheadMs)
{
    /// <summary>The clock of a shard without spans.</summary>
    public const long None = long.MinValue;

    /// <summary>Timestamps further ahead than this are not believed at once.</summary>
    public const long FarAheadMs = 60_000;

    /// <summary>As late as a time can be: the end of the year 9999. Timestamps are brought between 1970 and this, so that nothing that is computed with them overflows.</summary>
    public const long LatestMs = 253_402_300_799_999;

    private const int Majority = 24;
    private const int FirstTraces = 8;

    /// <summary>No message has come.</summary>
    public static readonly StreamClock NotStarted = new(None);

    /// <summary>A clock that nothing is ahead of.</summary>
    public StreamClock(long ms)
        : this(ms, 0, 0, 0)
    {
    }

    /// <summary>Gives each span of a batch its time, from the timestamp that stands there, and answers with the clock behind the batch.</summary>
    /// <param name="farAhead">What turns out to be far ahead of everything else is added there.</param>
    public StreamClock Follow(SpanBatch batch, ref FarAheadMessages farAhead)
    {
        if (batch.Count == 0) return this;
        (long clock, long leapt, ulong ahead, long aheadClock) = (Math.Max(Ms, 0), LeaptMs, Ahead, AheadMs);
        foreach (ref TraceSpan span in batch.Spans)
        {
            long time = span.StreamTimeMs;
            if (time - clock > FarAheadMs)
            {
                farAhead.Suspect(time - clock);
                bool isFurther = ahead != 0 && time - aheadClock > FarAheadMs;
                if (!isFurther) aheadClock = time = ahead == 0 || aheadClock - time > FarAheadMs ? time : Math.Max(time, aheadClock);
                ahead |= BitOf(span.Trace.TraceId);
                if (BitOperations.PopCount(ahead) >= (clock == 0 ? FirstTraces : Majority))
                {
                    leapt += Math.Max(0, aheadClock - clock);
                    clock = Math.Max(clock, aheadClock);
                    (ahead, aheadClock) = time - clock > FarAheadMs ? (BitOf(span.Trace.TraceId), time) : (0, 0);
                    time = Math.Max(time, clock);
                    farAhead.Believe();
                }
            }
            else
            {
                if (ahead != 0)
                {
                    ahead &= ahead - 1;
                    if (ahead == 0) farAhead.Outvote();
                }
                if (time > clock) clock = time;
                else time = clock;
            }
            span.StreamTimeMs = time;
            span.LeaptMs = leapt + (time - clock);
            span.AheadMs = time - clock;
        }
        return new StreamClock(clock, leapt, ahead, ahead == 0 ? 0 : aheadClock);
    }

    /// <summary>The clock when nothing has come for so long.</summary>
    public StreamClock After(long idleMs) => this with { Ms = Math.Max(Ms, 0) + idleMs };

    /// <summary>The clock when everything that is far ahead is believed, as long as that is no later than this: nothing has come since that would outvote it.</summary>
    public StreamClock Believe(long latestMs)
    {
        if (Ahead == 0 || AheadMs > latestMs) return this;
        long to = Math.Max(Ms, AheadMs);
        return new StreamClock(to, LeaptMs + (to - Ms), 0, 0);
    }

    // The same in every process: it is kept.
    private static ulong BitOf(TraceId trace) => 1UL << (int)(((trace.High ^ trace.Low) * 0x9E3779B97F4A7C15) >> 58);
}

/// <summary>
/// Messages whose timestamps are far ahead of their shard's clock. They are suspects until the clock follows them, or other messages outvote them. A mutable struct, so that nothing is
/// allocated; whoever follows the clock has it.
/// </summary>
public struct FarAheadMessages
{
    private long _suspects;
    private long _mostMs;

    /// <summary>Messages that were outvoted, and not taken yet.</summary>
    public long Outvoted { get; private set; }

    /// <summary>How far the furthest of them was ahead.</summary>
    public long MostMs { get; private set; }

    internal void Suspect(long aheadMs)
    {
        _suspects++;
        _mostMs = Math.Max(_mostMs, aheadMs);
    }

    internal void Believe() => (_suspects, _mostMs) = (0, 0);

    internal void Outvote()
    {
        (Outvoted, MostMs) = (Outvoted + _suspects, Math.Max(MostMs, _mostMs));
        Believe();
    }

    /// <summary>What was outvoted since the last time.</summary>
    public bool TryTake(out long messages, out long mostMs)
    {
        (messages, mostMs) = (Outvoted, MostMs);
        (Outvoted, MostMs) = (0, 0);
        return messages > 0;
    }
}

using System.Runtime.CompilerServices;
using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>
/// Notices traces whose spans come in several partitions, as those of a topic do that is not keyed by trace: each partition then makes a
/// segment of its part. It looks at one of 16 traces and remembers the latest ones in a table of fixed size. Any thread; takes no lock.
/// </summary>
/// <remarks>
/// Where a topic gains partitions, a trace may move once, from one partition to another. A trace counts as scattered only when it changes
/// its partition again while its spans' times go on, which a single move does not bring about.
/// </remarks>
public sealed class TraceScatter(int shards)
{
    private const int Cells = 1 << 13;
    private const ulong Sampled = 15;
    private const int MostSecondsApart = 60;

    private readonly long[] _cells = new long[Cells];
    private readonly long[] _torn = new long[shards];
    private long _repeated;
    private long _scattered;

    /// <summary>What is known of a trace.</summary>
    private enum Sight
    {
        /// <summary>One span.</summary>
        Once,

        /// <summary>Several, all in one partition.</summary>
        Whole,

        /// <summary>It has changed its partition once.</summary>
        Torn,

        /// <summary>It has changed its partition several times.</summary>
        Scattered,
    }

    /// <summary>Traces looked at that had more than one span.</summary>
    public long Repeated => Interlocked.Read(ref _repeated);

    /// <summary>Traces looked at that have changed their partition more than once.</summary>
    public long Scattered => Interlocked.Read(ref _scattered);

    /// <summary>Traces looked at that had a span in another partition before they had one here.</summary>
    public long Torn(ShardId shard) => Volatile.Read(ref _torn[shard.Value]);

    /// <summary>A span of the trace has come in this partition.</summary>
    /// <param name="timeMs">Its message's timestamp.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Look(in TraceKey trace, ShardId shard, long timeMs)
    {
        ulong hash = Hash(trace);
        if ((hash & Sampled) == 0) Note(hash, shard, timeMs);
    }

    internal static bool IsLookedAt(in TraceKey trace) => (Hash(trace) & Sampled) == 0;

    private static ulong Hash(in TraceKey trace)
    {
        ulong high = Math.BigMul(
            trace.TraceId.Low ^ 0x9E3779B97F4A7C15, trace.TraceId.High ^ ((ulong)trace.ProjectId * 0xA0761D6478BD642F) ^ 0xE7037ED1A0B428DB, out ulong low);
        return high ^ low;
    }

    private void Note(ulong hash, ShardId shard, long timeMs)
    {
        ref long cell = ref _cells[hash >> 51];
        long known = Volatile.Read(ref cell);
        var now = new Cell((uint)(hash >> 27) & Cell.TagMask, (uint)shard.Value & Cell.ShardMask, (uint)(timeMs / 1000) & Cell.SecondsMask, Sight.Once);
        Cell before = Cell.Unpack(known);
        int passed = now.SecondsSince(before);
        if (known == 0 || before.Tag != now.Tag || Math.Abs(passed) > MostSecondsApart)
        {
            Interlocked.CompareExchange(ref cell, now.Pack(), known);
            return;
        }
        if (passed < 0) return; // an older message, of a partition that is read later
        Sight sight = before.Shard == now.Shard
            ? before.Sight == Sight.Once ? Sight.Whole : before.Sight
            : before.Sight < Sight.Torn ? Sight.Torn : Sight.Scattered;
        // Where another lane has written in between, this sight of the trace is left out.
        if (Interlocked.CompareExchange(ref cell, (now with { Sight = sight }).Pack(), known) != known || sight == before.Sight) return;
        if (before.Sight == Sight.Once) Interlocked.Increment(ref _repeated);
        if (sight == Sight.Torn) Interlocked.Increment(ref _torn[shard.Value]);
        if (sight == Sight.Scattered) Interlocked.Increment(ref _scattered);
    }

    /// <summary>A cell of the table: which trace, where and when its latest span came, and what is known of it.</summary>
    private readonly record struct Cell(uint Tag, uint Shard, uint Seconds, Sight Sight)
    {
        public const uint TagMask = (1 << 24) - 1, ShardMask = (1 << 16) - 1, SecondsMask = (1 << 22) - 1;

        public static Cell Unpack(long cell) => new(
            (uint)(cell >> 40) & TagMask, (uint)(cell >> 24) & ShardMask, (uint)(cell >> 2) & SecondsMask, (Sight)(cell & 3));

        public long Pack() => (long)Tag << 40 | (long)Shard << 24 | (long)Seconds << 2 | (long)Sight;

        // The seconds are kept modulo 2^22, which is 48 days.
        public int SecondsSince(Cell other) => (int)(Seconds - other.Seconds) << 10 >> 10;
    }
}

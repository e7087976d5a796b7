using System.Text;
using System.Text.RegularExpressions;
using Sheaf.Buffering;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;

namespace Sheaf.Tests.Redis;

/// <summary>What the engine writes into Redis has names that other versions and people rely on.</summary>
public partial class RedisNames
{
    private static readonly TraceKey Trace = new(402, new TraceId(0xf0f21b33a1b2c3d4, 0x00112233445566ff));

    [Theory]
    [InlineData(null, "sheaf:")]
    [InlineData(0, "sheaf:0:")]
    [InlineData(17, "sheaf:17:")]
    public void Keys_are_frozen(int? slice, string prefix)
    {
        var keys = new RedisKeys(slice, hasSlots: true);
        ShardKeys shard = keys.Of(new ShardId(3));
        Assert.Equal(
            [prefix + "{3}:due", prefix + "{3}:inflight", prefix + "{3}:stored", prefix + "{3}:term", prefix + "{3}:epoch"],
            ((byte[][])[shard.Due, shard.Inflight, shard.Stored, shard.Term, shard.Epoch]).Select(Encoding.ASCII.GetString));
        Assert.Equal(HashSlot.Of("3"u8), shard.Slot);
        Assert.Equal(prefix + "{3:402:f0f21b33a1b2c3d400112233445566ff}", TraceKeyText(keys, new ShardId(3), Trace));
        Assert.Equal(prefix + "{*", keys.Pattern);
    }

    [Fact]
    public void The_key_of_a_trace_fits_its_room_whatever_the_numbers()
    {
        var keys = new RedisKeys(int.MaxValue, hasSlots: true);
        string text = TraceKeyText(keys, new ShardId(int.MaxValue), Trace with { ProjectId = long.MaxValue });
        Assert.Equal("sheaf:2147483647:{2147483647:9223372036854775807:f0f21b33a1b2c3d400112233445566ff}", text);
    }

    [Fact]
    public void A_trace_is_read_from_its_name_and_nothing_else_is()
    {
        byte[] name = new byte[RedisKeys.LongestTraceName];
        int length = RedisKeys.WriteTraceName(Trace, name);
        Assert.Equal("402:f0f21b33a1b2c3d400112233445566ff", Encoding.ASCII.GetString(name, 0, length));
        Assert.True(RedisKeys.TryReadTraceName(name.AsSpan(0, length), out TraceKey read));
        Assert.Equal(Trace, read);
        foreach (string other in (string[])["", ":", "402", "402:", "402:f0f2", "x:f0f21b33a1b2c3d400112233445566ff", "402-f0f21b33a1b2c3d400112233445566ff", "402:f0f21b33a1b2c3d400112233445566fg"])
            Assert.False(RedisKeys.TryReadTraceName(Encoding.ASCII.GetBytes(other), out _), other);
    }

    [Fact]
    public void The_stored_mark_is_frozen_and_read_back()
    {
        var mark = new StoredMark(new StoredPosition(1234, 1_700_000_000_000), 4, "/data/my spans.jsonl");
        Assert.Equal("1234 1700000000000:0:0:0 4 /data/my spans.jsonl", mark.ToString());
        Assert.Equal(mark, StoredMark.TryParse(mark.ToString()));
        Assert.Equal(mark, StoredMark.TryParse("1234 1700000000000 4 /data/my spans.jsonl")); // as earlier versions wrote it
        mark = new StoredMark(new StoredPosition(5, new StreamClock(7, 3, ulong.MaxValue, StreamClock.LatestMs)), 2, "topic");
        Assert.Equal("5 7:3:18446744073709551615:253402300799999 2 topic", mark.ToString());
        Assert.Equal(mark, StoredMark.TryParse(mark.ToString()));
        var none = new StoredMark(StoredPosition.BeforeFirst, 1, "");
        Assert.Equal(none, StoredMark.TryParse(none.ToString()));
        foreach (string other in (string[])["", "1", "1 2 3", "a 2 3 x", "1 b 3 x", "1 2 c x", "1 2 -3 x", "1 2:3 3 x", "1 2:3:-4:5 3 x", "1 2:3:4:b 3 x"]) Assert.Null(StoredMark.TryParse(other));
    }

    [Fact]
    public void The_operations_guide_has_every_key()
    {
        string guide = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "docs", "operations.md"));
        string[] documented = [.. KeyPattern().Matches(guide).Select(m => m.Groups[1].Value).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(["sheaf:{SHARD:PROJECT:TRACE}", "sheaf:{SHARD}:due", "sheaf:{SHARD}:epoch", "sheaf:{SHARD}:inflight", "sheaf:{SHARD}:stored", "sheaf:{SHARD}:term"], documented);
    }

    private static string TraceKeyText(RedisKeys keys, ShardId shard, in TraceKey trace)
    {
        byte[] key = new byte[keys.LongestTraceKey];
        return Encoding.ASCII.GetString(key, 0, keys.WriteTraceKey(shard, trace, key));
    }

    [GeneratedRegex(@"\| `(sheaf:\{SHARD[^`]*)` \|")]
    private static partial Regex KeyPattern();
}

using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.TestKit;

namespace Sheaf.Tests.Redis.Resp;

public class ReadReplies
{
    [Theory]
    [InlineData("+OK\r\n", "SimpleString:OK")]
    [InlineData("+\r\n", "SimpleString:")]
    [InlineData("-ERR no\r\n", "Error:ERR no")]
    [InlineData(":0\r\n", "Integer:0")]
    [InlineData(":-9223372036854775808\r\n", "Integer:-9223372036854775808")]
    [InlineData("$5\r\na\r\nbc\r\n", "BulkString:a\r\nbc")]
    [InlineData("$0\r\n\r\n", "BulkString:")]
    [InlineData("$-1\r\n", "Null:")]
    [InlineData("*-1\r\n", "Null:")]
    [InlineData("_\r\n", "Null:")]
    [InlineData("*0\r\n", "Array[]")]
    [InlineData("*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", "Array[Array[Integer:1],BulkString:x]")]
    [InlineData("%1\r\n+a\r\n*0\r\n", "Map[SimpleString:a,Array[]]")]
    [InlineData("~2\r\n:1\r\n:2\r\n", "Set[Integer:1,Integer:2]")]
    [InlineData("#t\r\n", "Boolean:t")]
    [InlineData("#f\r\n", "Boolean:f")]
    [InlineData(",1.5\r\n", "Double:1.5")]
    [InlineData(",-inf\r\n", "Double:-inf")]
    [InlineData(",nan\r\n", "Double:nan")]
    [InlineData("(123456789012345678901234567890\r\n", "BigNumber:123456789012345678901234567890")]
    [InlineData("!5\r\nERR x\r\n", "Error:ERR x")]
    [InlineData("=7\r\ntxt:abc\r\n", "Verbatim:abc")]
    [InlineData("|1\r\n+ttl\r\n:3\r\n:7\r\n", "Integer:7")]
    [InlineData("*2\r\n|1\r\n+a\r\n*1\r\n:9\r\n:1\r\n:2\r\n", "Array[Integer:1,Integer:2]")]
    [InlineData(">2\r\n+invalidate\r\n*1\r\n+k\r\n:7\r\n", "Integer:7")]
    [InlineData(":7\r\n>1\r\n+invalidate\r\n", "Integer:7")]
    [InlineData(">0\r\n|0\r\n:7\r\n", "Integer:7")]
    public void A_reply_means_the_same_however_its_bytes_arrive(string bytes, string meaning)
    {
        byte[] message = Encoding.Latin1.GetBytes(bytes);
        var replies = new ReplySet();
        for (int cut = 0; cut <= message.Length; cut++)
        {
            int[] pieces = [Math.Max(1, cut), int.MaxValue];
            int at = 0;
            Assert.True(ReplyStreams.Feed(replies, message, 1, () => pieces[Math.Min(at++, 1)]));
            Assert.Equal(meaning, ReplyStreams.Describe(replies.Reply(0)));
        }
        Assert.True(ReplyStreams.Feed(replies, message, 1, () => 1));
        Assert.Equal(meaning, ReplyStreams.Describe(replies.Reply(0)));
        for (int length = 0; length < message.Length; length++)
        {
            // A reply before a push message is whole without it.
            bool isWhole = ReplyStreams.Feed(replies, message.AsSpan(0, length), 1, () => 3);
            Assert.Equal(bytes.StartsWith(":7\r\n", StringComparison.Ordinal) && length == 4, isWhole);
        }
    }

    [Theory]
    [InlineData("x\r\n", "0x78")]
    [InlineData("\r\n", "0x0d")]
    [InlineData("+a\n", "carriage return")]
    [InlineData("+a\rb\r\n", "carriage return")]
    [InlineData(":\r\n", "integer")]
    [InlineData(":1x\r\n", "integer")]
    [InlineData(":1.0\r\n", "integer")]
    [InlineData(":9223372036854775808\r\n", "integer")]
    [InlineData("$\r\n", "length")]
    [InlineData("$-2\r\n", "length")]
    [InlineData("$+1\r\n", "length")]
    [InlineData("$?\r\n", "length")]
    [InlineData("*?\r\n", "length")]
    [InlineData("%-1\r\n", "length")]
    [InlineData("$2\r\nabc\r\n", "does not end")]
    [InlineData("$99999999999999999999\r\n", "length")]
    [InlineData("$1000000000\r\n", "raise MaxReplyBytes")]
    [InlineData("*1000000000\r\n", "raise MaxReplyBytes")]
    [InlineData("%9223372036854775807\r\n", "raise MaxReplyBytes")]
    [InlineData("_x\r\n", "null")]
    [InlineData("#y\r\n", "boolean")]
    [InlineData(",\r\n", "double")]
    [InlineData(",1,5\r\n", "double")]
    [InlineData(",Infinity\r\n", "double")]
    [InlineData("(12a\r\n", "big number")]
    [InlineData("(-\r\n", "big number")]
    [InlineData("=3\r\ntxt\r\n", "verbatim")]
    [InlineData("=5\r\ntxtab\r\n", "verbatim")]
    [InlineData("*1\r\n>1\r\n:1\r\n:1\r\n", "push")]
    [InlineData(":1\r\n:2\r\n", "follow the last")]
    [InlineData(":1\r\n\n", "follow the last")]
    [InlineData(";4\r\n", "0x3b")]
    [InlineData(".\r\n", "0x2e")]
    public void What_no_server_sends_is_an_error_that_says_what_is_wrong(string bytes, string reason)
    {
        byte[] message = Encoding.Latin1.GetBytes(bytes);
        foreach (int piece in new[] { 1, 2, int.MaxValue })
        {
            RespProtocolException e = Assert.Throws<RespProtocolException>(() => ReplyStreams.Feed(new ReplySet(), message, 1, () => piece));
            Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Depth_and_length_of_lines_are_bounded()
    {
        ReplyStreams.Read(string.Concat(Enumerable.Repeat("*1\r\n", ReplySet.MaxDepth)) + ":1\r\n");
        Assert.Throws<RespProtocolException>(() => ReplyStreams.Read(string.Concat(Enumerable.Repeat("*1\r\n", ReplySet.MaxDepth + 1)) + ":1\r\n"));
        ReplyStreams.Read($"+{new string('a', ReplySet.MaxLine)}\r\n");
        Assert.Throws<RespProtocolException>(() => ReplyStreams.Read($"+{new string('a', ReplySet.MaxLine + 1)}"));
    }

    [Theory]
    [InlineData("$900000\r\n")]
    [InlineData("*300000\r\n")]
    public void Room_grows_with_what_has_arrived_not_with_what_was_announced(string head)
    {
        var replies = new ReplySet();
        ReplyStreams.Feed(replies, Encoding.ASCII.GetBytes(head), 1, () => int.MaxValue);
        Assert.InRange(replies.KeptBytes, 0, 40_000);
    }

    [Fact]
    public void Replies_larger_than_allowed_are_an_error_before_their_memory_is()
    {
        const int Allowed = 100_000;
        foreach (string endless in new[] { ">1\r\n:1\r\n", "|1\r\n:1\r\n:1\r\n", "_\r\n", "*30000\r\n" })
        {
            var replies = new ReplySet();
            byte[] bytes = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(endless, 20_000)));
            Assert.Throws<RespProtocolException>(() => ReplyStreams.Feed(replies, bytes, int.MaxValue, () => 1000, Allowed));
            Assert.InRange(replies.KeptBytes, 0, 8 * Allowed);
        }
    }

    [Fact]
    public void Room_shrinks_again_after_a_large_reply()
    {
        var replies = new ReplySet();
        byte[] large = Encoding.ASCII.GetBytes($"*100001\r\n$8000000\r\n{new string('a', 8_000_000)}\r\n{string.Concat(Enumerable.Repeat(":1\r\n", 100_000))}");
        Assert.True(ReplyStreams.Feed(replies, large, 1, () => 1 << 20, maxBytes: 1 << 30));
        Assert.InRange(replies.KeptBytes, 9_000_000, 40_000_000);
        for (int i = 0; i < 100; i++) ReplyStreams.Feed(replies, ":1\r\n"u8, 1, () => 100);
        Assert.InRange(replies.KeptBytes, 0, 3_000_000);
    }

    [Theory]
    [InlineData("$2\r\n42\r\n", 42)]
    [InlineData("+42\r\n", 42)]
    [InlineData(":-42\r\n", -42)]
    [InlineData(",42\r\n", 42)]
    [InlineData(",4.2e1\r\n", 42)]
    [InlineData("(42\r\n", 42)]
    [InlineData("#t\r\n", 1)]
    [InlineData("#f\r\n", 0)]
    public void A_whole_number_is_read_whichever_way_it_is_written(string bytes, long number) => Assert.Equal(number, ReplyStreams.Read(bytes).Reply(0).Integer);

    [Theory]
    [InlineData("$3\r\n4.2\r\n")]
    [InlineData("+x\r\n")]
    [InlineData(",inf\r\n")]
    [InlineData("_\r\n")]
    [InlineData("*0\r\n")]
    [InlineData("-1\r\n")]
    [InlineData("(99999999999999999999\r\n")]
    public void What_is_no_whole_number_is_an_error(string bytes) => Assert.Throws<RespProtocolException>(() => ReplyStreams.Read(bytes).Reply(0).Integer);

    [Fact]
    public void A_number_is_read_whichever_way_it_is_written()
    {
        Assert.Equal(1.5, ReplyStreams.Read("$3\r\n1.5\r\n").Reply(0).Number);
        Assert.Equal(double.NegativeInfinity, ReplyStreams.Read(",-inf\r\n").Reply(0).Number);
        Assert.Equal(7, ReplyStreams.Read(":7\r\n").Reply(0).Number);
        Assert.Throws<RespProtocolException>(() => ReplyStreams.Read("_\r\n").Reply(0).Number);
    }

    [Fact]
    public void A_reply_of_an_earlier_use_is_not_readable()
    {
        ReplySet replies = ReplyStreams.Read("+a\r\n");
        RespReply reply = replies.Reply(0);
        replies.Reset(100);
        Assert.Throws<InvalidOperationException>(() => reply.Kind);
        Assert.Throws<InvalidOperationException>(() => default(RespReply).Kind);
    }

    [Fact]
    public void Nothing_is_allocated_per_reply_once_the_room_is_there()
    {
        var replies = new ReplySet();
        byte[] bytes = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("*2\r\n$3\r\nabc\r\n:7\r\n", 1000)));
        Func<int> piece = () => 777;
        long sum = 0;
        Assert.InRange(Garbage.Of(() =>
        {
            for (int i = 0; i < 100; i++) Turn();
        }), 0, 1000);
        Assert.Equal(600 * 10_000, sum);

        void Turn()
        {
            ReplyStreams.Feed(replies, bytes, 1000, piece);
            for (int i = 0; i < 1000; i++)
                foreach (RespReply child in replies.Reply(i).Children)
                    sum += child.Kind == RespKind.Integer ? child.Integer : child.Bytes.Length;
        }
    }
}

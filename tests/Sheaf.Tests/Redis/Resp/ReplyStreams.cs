using System.Globalization;
using System.Text;
using Sheaf.Redis.Resp;

namespace Sheaf.Tests.Redis.Resp;

/// <summary>Makes replies with what they mean, and reads bytes cut in any way.</summary>
internal static class ReplyStreams
{
    public const long MaxBytes = 1 << 20;

    /// <summary>A random reply: its bytes, and what <see cref="Describe"/> says of it.</summary>
    public static string Append(Random random, StringBuilder bytes, int depth = 0)
    {
        if (random.Next(12) == 0) AppendSkipped(random, bytes, "|", 2, depth);
        string text = Text(random);
        switch (random.Next(depth < 3 ? 16 : 12))
        {
            case 0: bytes.Append(CultureInfo.InvariantCulture, $"+{text}\r\n"); return $"SimpleString:{text}";
            case 1: bytes.Append(CultureInfo.InvariantCulture, $"-ERR {text}\r\n"); return $"Error:ERR {text}";
            case 2 or 3 or 4:
                text += random.Next(3) == 0 ? "\r\n" : "";
                bytes.Append(CultureInfo.InvariantCulture, $"${text.Length}\r\n{text}\r\n");
                return $"BulkString:{text}";
            case 5:
                long number = random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);
                bytes.Append(CultureInfo.InvariantCulture, $":{number}\r\n");
                return $"Integer:{number.ToString(CultureInfo.InvariantCulture)}";
            case 6: bytes.Append(random.Next(3) switch { 0 => "$-1\r\n", 1 => "*-1\r\n", _ => "_\r\n" }); return "Null:";
            case 7: bytes.Append("#t\r\n"); return "Boolean:t";
            case 8: bytes.Append(",-1.5e3\r\n"); return "Double:-1.5e3";
            case 9: bytes.Append("(-123456789012345678901234567890\r\n"); return "BigNumber:-123456789012345678901234567890";
            case 10: bytes.Append(CultureInfo.InvariantCulture, $"={text.Length + 4}\r\ntxt:{text}\r\n"); return $"Verbatim:{text}";
            case 11: bytes.Append(CultureInfo.InvariantCulture, $"!{text.Length}\r\n{text}\r\n"); return $"Error:{text}";
            case 12 or 13: return AppendAggregate("*", RespKind.Array, random.Next(5));
            case 14: return AppendAggregate("~", RespKind.Set, random.Next(4));
            default: return AppendAggregate("%", RespKind.Map, 2 * random.Next(3));
        }

        string AppendAggregate(string mark, RespKind kind, int count)
        {
            bytes.Append(CultureInfo.InvariantCulture, $"{mark}{(kind == RespKind.Map ? count / 2 : count)}\r\n");
            return $"{kind}[{string.Join(',', Enumerable.Range(0, count).Select(_ => Append(random, bytes, depth + 1)))}]";
        }
    }

    /// <summary>A push message or an attribute, which nobody sees.</summary>
    public static void AppendSkipped(Random random, StringBuilder bytes, string mark, int valuesEach, int depth = 0)
    {
        int count = random.Next(3);
        bytes.Append(CultureInfo.InvariantCulture, $"{mark}{count}\r\n");
        for (int i = 0; i < count * valuesEach; i++) Append(random, bytes, depth + 1);
    }

    public static string Describe(RespReply reply)
    {
        if (reply.Kind is not (RespKind.Array or RespKind.Map or RespKind.Set)) return $"{reply.Kind}:{Encoding.Latin1.GetString(reply.Bytes)}";
        var inside = new List<string>();
        foreach (RespReply child in reply.Children) inside.Add(Describe(child));
        return $"{reply.Kind}[{string.Join(',', inside)}]";
    }

    /// <summary>Feeds bytes in pieces; what has not been read then is missing.</summary>
    /// <param name="piece">Length of the next piece, from 1.</param>
    /// <returns>Whether all replies are whole.</returns>
    public static bool Feed(ReplySet replies, ReadOnlySpan<byte> bytes, int expected, Func<int> piece, long maxBytes = MaxBytes)
    {
        replies.Reset(maxBytes);
        bool isWhole = replies.TryComplete(expected);
        while (!bytes.IsEmpty)
        {
            Span<byte> room = replies.Room().Span;
            int count = Math.Min(Math.Min(piece(), room.Length), bytes.Length);
            bytes[..count].CopyTo(room);
            bytes = bytes[count..];
            replies.Arrived(count);
            isWhole = replies.TryComplete(expected);
        }
        return isWhole;
    }

    public static ReplySet Read(string bytes, int expected = 1)
    {
        var replies = new ReplySet();
        Assert.True(Feed(replies, Encoding.Latin1.GetBytes(bytes), expected, () => int.MaxValue), $"not whole: {bytes}");
        return replies;
    }

    private static string Text(Random random) =>
        string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => (char)random.Next(32, 127)));
}

using System.Text;
using Sheaf.Redis.Resp;
using Sheaf.Tests.Spans;
using Xunit.Abstractions;

namespace Sheaf.Tests.Redis.Resp;

/// <summary>Random replies, whole and mutated. <c>SHEAF_FUZZ_CASES</c> sets how many (default 20000), <c>SHEAF_SEED</c> which.</summary>
public class ReplyFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Fragments =
        ["\r\n", "\r", "\n", "$", "*", "%", "~", ">1\r\n", "|1\r\n", "_\r\n", "#t\r\n", ":1\r\n", "-1", "$-1\r\n", "*-1\r\n", "99999999", "?", "=4\r\ntxt:", "!", "(", ",inf", "*1\r\n*1\r\n*1\r\n*1\r\n"];

    [Fact]
    public void Replies_are_read_as_they_were_written_however_they_are_cut()
    {
        (int cases, int seed) = MutatedSpans.Run(output);
        var random = new Random(seed);
        var replies = new ReplySet();
        for (int i = 0; i < cases; i++)
        {
            var bytes = new StringBuilder();
            var meanings = new List<string>();
            for (int n = random.Next(1, 5); n > 0; n--)
            {
                if (random.Next(6) == 0) ReplyStreams.AppendSkipped(random, bytes, ">", 1);
                meanings.Add(ReplyStreams.Append(random, bytes));
            }
            int most = random.Next(1, 40);
            Assert.True(ReplyStreams.Feed(replies, Encoding.Latin1.GetBytes(bytes.ToString()), meanings.Count, () => random.Next(1, most + 1)), $"seed {seed}, case {i}: {bytes}");
            for (int n = 0; n < meanings.Count; n++) Assert.Equal(meanings[n], ReplyStreams.Describe(replies.Reply(n)));
        }
    }

    [Fact]
    public void Mutated_replies_end_in_values_in_an_error_or_in_a_wait_for_more_and_never_take_more_memory_than_allowed()
    {
        (int cases, int seed) = MutatedSpans.Run(output);
        var random = new Random(seed);
        int whole = 0, refused = 0, unfinished = 0;
        var replies = new ReplySet();
        for (int i = 0; i < cases; i++)
        {
            var text = new StringBuilder();
            int expected = random.Next(1, 4);
            for (int n = 0; n < expected; n++) ReplyStreams.Append(random, text);
            for (int n = random.Next(1, 3); n > 0; n--) Mutate(random, text);
            byte[] bytes = Encoding.Latin1.GetBytes(text.ToString());
            int most = random.Next(1, 40);
            (bool? isWhole, string outcome) = Outcome(replies, bytes, expected, () => random.Next(1, most + 1));
            (bool? again, string same) = Outcome(replies, bytes, expected, () => int.MaxValue);
            Assert.True((isWhole, outcome) == (again, same), $"seed {seed}, case {i}: cut: {outcome}, whole: {same}\n{text}");
            if (isWhole is null) refused++;
            else if (isWhole.Value) whole++;
            else unfinished++;
            Assert.InRange(replies.KeptBytes, 0, 200_000);
        }
        output.WriteLine($"{whole} whole, {refused} refused, {unfinished} unfinished");
        Assert.True(Math.Min(whole, Math.Min(refused, unfinished)) > cases / 50); // else the mutations test one side only
    }

    /// <summary>Null: refused. What came out is the same however the bytes were cut, but for which of two faults is met first.</summary>
    private static (bool? IsWhole, string Meaning) Outcome(ReplySet replies, byte[] bytes, int expected, Func<int> piece)
    {
        try
        {
            if (!ReplyStreams.Feed(replies, bytes, expected, piece)) return (false, "unfinished");
            return (true, string.Join(' ', Enumerable.Range(0, expected).Select(n => ReplyStreams.Describe(replies.Reply(n)))));
        }
        catch (RespProtocolException)
        {
            return (null, "refused");
        }
    }

    private static void Mutate(Random random, StringBuilder text)
    {
        int at = random.Next(text.Length + 1);
        switch (random.Next(5))
        {
            case 0: text.Insert(at, Fragments[random.Next(Fragments.Length)]); break;
            case 1: text.Length = at; break;
            case 2 when text.Length > 0: text.Remove(Math.Min(at, text.Length - 1), 1); break;
            case 3 when text.Length > 0: text[Math.Min(at, text.Length - 1)] = (char)random.Next(256); break;
            default: text.Insert(at, text.ToString(0, random.Next(text.Length + 1))); break;
        }
    }
}

using System.Globalization;
using System.Text;
using Sheaf.TestKit;
using Xunit.Abstractions;

namespace Sheaf.Tests.Spans;

/// <summary>Recorded and handmade spans, and mutations of them: about a quarter is still accepted.</summary>
internal static class MutatedSpans
{
    public static readonly byte[][] Corpus =
        [.. RepositoryFiles.CorpusSpans().SelectMany(File.ReadLines).Where(line => line.Length < 3000).Select(Encoding.UTF8.GetBytes)];

    public static readonly byte[][] Handmade =
    [
        new SpanMessage().ToBytes(" "),
        new SpanMessage().With("attributes", "{\"sentry\\u002esegment.id\":{\"type\":\"string\",\"value\":\"00000000000000\\u0063c\"}, \"b\":{\"x\":[1,{\"c\":null}]}}").ToBytes("\n"),
        new SpanMessage().With("attributes", "{\"sentry.segment.id\":null,\"é\":{\"type\":\"double\",\"value\":-1.5e-7}}").Also("is_segment", "true").ToBytes(),
        new SpanMessage().With("received", "1.674578015159908E9").With("x", "\"\\\\\\\"\\ud83d\\ude00\\u00e9\\n\"").Renamed("span_id", "sp\\u0061n_id").ToBytes("\r\n"),
    ];

    private static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\\"", "\\u0061", "\\ud800", "\\u00", "true", "false", "null", "0", "-", "1.5e7", "E", ".", " ", "\n", "\t", "\f", "//",
            "\"is_segment\":true,", "\"attributes\":null,", "\"sentry.segment.id\":null,", "\"sentry.segment.id\":{},", "\"received\":1e2,", "1e309", "\"\"", "\"links\":[{}],", "\"key_id\":0,", "{\"type\":\"string\",\"value\":", "é", "😀",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0x00], [0x1F], [0x7F], [0x80],
    ];

    /// <summary>How many cases a fuzz test takes (<c>SHEAF_FUZZ_CASES</c>, default 20000) and its seed (<c>SHEAF_SEED</c>), which it prints.</summary>
    public static (int Cases, int Seed) Run(ITestOutputHelper output)
    {
        int cases = int.Parse(Environment.GetEnvironmentVariable("SHEAF_FUZZ_CASES") ?? "20000", CultureInfo.InvariantCulture);
        int seed = int.Parse(
            Environment.GetEnvironmentVariable("SHEAF_SEED") ?? Random.Shared.Next().ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        output.WriteLine($"SHEAF_SEED={seed} SHEAF_FUZZ_CASES={cases}");
        return (cases, seed);
    }

    /// <summary>A span with up to three mutations.</summary>
    public static byte[] Next(Random random)
    {
        byte[][] seeds = random.Next(4) == 0 ? Handmade : Corpus;
        byte[] message = seeds[random.Next(seeds.Length)];
        for (int n = random.Next(1, 4); n > 0; n--) message = Mutate(random, message);
        return message;
    }

    public static byte[] Mutate(Random random, byte[] message)
    {
        int at = random.Next(message.Length + 1);
        int length = Math.Min(random.Next(1, random.Next(2) == 0 ? 4 : 60), message.Length - at);
        byte[] token = Tokens[random.Next(Tokens.Length)];
        switch (random.Next(9))
        {
            case 0: // flip bits
                byte[] flipped = [.. message];
                if (at < flipped.Length) flipped[at] ^= (byte)(1 << random.Next(8));
                return flipped;
            case 1: // delete
                return [.. message[..at], .. message[(at + length)..]];
            case 2: // duplicate
                return [.. message[..(at + length)], .. message[at..]];
            case 3: // truncate, now and then
                return random.Next(4) == 0 ? message[..at] : message;
            case 4: // insert
                return [.. message[..at], .. token, .. message[at..]];
            case 5: // overwrite
                return [.. message[..at], .. token, .. message[Math.Min(message.Length, at + token.Length)..]];
            case 6: // white space where it may be, and a place where it may not
                return Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(message).Replace(",\"", random.Next(2) == 0 ? " ,\r\n\"" : ",\t\"", StringComparison.Ordinal));
            case 7: // other keys at other places
                string[] members = Encoding.Latin1.GetString(message).Split(",\"");
                random.Shuffle(members.AsSpan(1, Math.Max(0, members.Length - 2)));
                return Encoding.Latin1.GetBytes(string.Join(",\"", members));
            default: // a digit or letter of a value
                byte[] changed = [.. message];
                if (at < changed.Length && char.IsAsciiLetterOrDigit((char)changed[at])) changed[at] = (byte)"0123456789eE.-abtfn"[random.Next(19)];
                return changed;
        }
    }
}

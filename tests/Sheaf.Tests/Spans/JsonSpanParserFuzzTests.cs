using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Sheaf.Spans;
using Sheaf.TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Sheaf.Tests.Spans;

/// <summary>
/// The parser against the reference, on recorded spans and on mutations of them. <c>SHEAF_FUZZ_CASES</c> sets how many (default 20000),
/// <c>SHEAF_SEED</c> which.
/// </summary>
public sealed partial class JsonSpanParserFuzzTests(ITestOutputHelper output)
{
    private static readonly byte[][] Corpus =
        [.. RepositoryFiles.CorpusSpans().SelectMany(File.ReadLines).Where(line => line.Length < 3000).Select(Encoding.UTF8.GetBytes)];

    private static readonly byte[][] Handmade =
    [
        new SpanMessage().ToBytes(" "),
        new SpanMessage().With("attributes", "{\"sentry\\u002esegment.id\":{\"type\":\"string\",\"value\":\"00000000000000\\u0063c\"}, \"b\":[1,{\"c\":null}]}").ToBytes("\n"),
        new SpanMessage().With("attributes", "{\"sentry.segment.id\":null,\"é\":{\"type\":\"double\",\"value\":-1.5e-7}}").Also("is_segment", "true").ToBytes(),
        new SpanMessage().With("received", "1.674578015159908E9").With("x", "\"\\\\\\\"\\ud800\\u00e9\\n\"").Renamed("span_id", "sp\\u0061n_id").ToBytes("\r\n"),
    ];

    private static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\\"", "\\u0061", "\\ud800", "\\u00", "true", "false", "null", "0", "-", "1.5e7", "E", ".", " ", "\n", "\t", "\f", "//",
            "\"is_segment\":true,", "\"attributes\":null,", "\"sentry.segment.id\":null,", "\"received\":1e2,", "{\"type\":\"string\",\"value\":", "é", "😀",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0x00], [0x1F], [0x7F], [0x80],
    ];

    [Fact]
    public void Every_recorded_span_is_read_as_the_reference_reads_it()
    {
        var parser = new JsonSpanParser();
        foreach (string line in RepositoryFiles.CorpusSpans().SelectMany(File.ReadLines))
        {
            byte[] message = Encoding.UTF8.GetBytes(line);
            TraceSpan span = default;
            Assert.True(parser.TryParse(message, ref span, out _), line);
            Assert.Null(Difference(parser, message));
        }
    }

    [Fact]
    public void Mutated_spans_are_accepted_and_read_exactly_as_the_reference_does()
    {
        int cases = int.Parse(Environment.GetEnvironmentVariable("SHEAF_FUZZ_CASES") ?? "20000", CultureInfo.InvariantCulture);
        int seed = int.Parse(
            Environment.GetEnvironmentVariable("SHEAF_SEED") ?? Random.Shared.Next().ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        output.WriteLine($"SHEAF_SEED={seed} SHEAF_FUZZ_CASES={cases}");
        var random = new Random(seed);
        var parser = new JsonSpanParser();
        int accepted = 0;
        for (int i = 0; i < cases; i++)
        {
            byte[][] seeds = random.Next(4) == 0 ? Handmade : Corpus;
            byte[] message = seeds[random.Next(seeds.Length)];
            for (int n = random.Next(1, 4); n > 0; n--) message = Mutate(random, message);
            string? difference = Difference(parser, message);
            Assert.True(difference is null, $"seed {seed}, case {i}: {difference}\n{Convert.ToHexString(message)}\n{Encoding.UTF8.GetString(message)}");
            TraceSpan span = default;
            if (parser.TryParse(message, ref span, out _)) accepted++;
        }
        output.WriteLine($"{accepted} of {cases} accepted");
        Assert.InRange(accepted, cases / 50, cases - (cases / 50)); // else the mutations test one side only
    }

    /// <summary>How parser and reference differ, or null.</summary>
    private static string? Difference(JsonSpanParser parser, ReadOnlySpan<byte> message)
    {
        TraceSpan span = default;
        bool parsed = parser.TryParse(message, ref span, out SpanFault fault);
        bool isGrammar = parsed || fault.Field != SpanField.None;
        if (isGrammar != SpanReference.IsObject(message)) return $"grammar: {fault}";
        if (isGrammar != (JsonGrammar.FindFault(message).Kind == SpanFaultKind.None)) return $"diagnosis: {JsonGrammar.FindFault(message)} for {fault}";
        if (!parsed && string.IsNullOrEmpty(fault.Describe(message))) return "no description";
        if (!isGrammar) return fault.Position <= message.Length ? null : $"position: {fault}";
        (TraceSpan expected, SpanFaultKind kind, SpanField field) = SpanReference.Read(message);
        if (fault.Kind != kind || fault.Field != field) return $"fault: {fault}, expected {kind} of {field}";
        if (!parsed) return null;
        return Fields(span) == Fields(expected) ? null : $"fields: {Fields(span)}, expected {Fields(expected)}";
    }

    private static (TraceKey, SpanId, SpanId, bool, PayloadEdits, (long, long, ulong)) Fields(in TraceSpan span) =>
        (span.Trace, span.SpanId, span.EffectiveParent, span.IsSegmentRoot, span.Edits, (span.OrganizationId, span.ReceivedMs, span.PayloadHash));

    private static byte[] Mutate(Random random, byte[] message)
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

    [Fact]
    public void Nothing_in_front_of_or_behind_a_message_is_read()
    {
        if (!OperatingSystem.IsLinux()) return; // memory protection is asked of the system directly
        var random = new Random(7);
        var parser = new JsonSpanParser();
        using var memory = new GuardedMemory(1 << 16);
        foreach (byte[] line in Corpus.Where((_, i) => i % 11 == 0).Concat(Handmade))
        {
            for (int n = 0; n < 4; n++)
            {
                byte[] message = n == 0 ? line : n == 1 ? line[..random.Next(line.Length)] : Mutate(random, line);
                TraceSpan span = default;
                bool parsed = parser.TryParse(message, ref span, out SpanFault fault);
                Assert.Equal(parsed, parser.TryParse(memory.AtEnd(message), ref span, out SpanFault atEnd)); // a read too far ends the process
                Assert.Equal(parsed, parser.TryParse(memory.AtStart(message), ref span, out SpanFault atStart));
                Assert.Equal((fault, fault), (atEnd, atStart));
            }
        }
    }

    /// <summary>Memory between two pages that cannot be read.</summary>
    private sealed unsafe partial class GuardedMemory : IDisposable
    {
        private const int Page = 1 << 16; // a multiple of any system's page
        private readonly int _length;
        private readonly byte* _memory;

        public GuardedMemory(int length)
        {
            _length = length;
            _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(length + (2 * Page)), Page);
            Assert.Equal(0, MProtect(_memory, Page, 0));
            Assert.Equal(0, MProtect(_memory + Page + length, Page, 0));
        }

        public ReadOnlySpan<byte> AtEnd(byte[] message)
        {
            var place = new Span<byte>(_memory + Page + _length - message.Length, message.Length);
            message.CopyTo(place);
            return place;
        }

        public ReadOnlySpan<byte> AtStart(byte[] message)
        {
            var place = new Span<byte>(_memory + Page, message.Length);
            message.CopyTo(place);
            return place;
        }

        public void Dispose()
        {
            _ = MProtect(_memory, Page, 3);
            _ = MProtect(_memory + Page + _length, Page, 3);
            NativeMemory.AlignedFree(_memory);
        }

        [LibraryImport("libc", EntryPoint = "mprotect")]
        private static partial int MProtect(byte* address, nuint length, int protection);
    }
}

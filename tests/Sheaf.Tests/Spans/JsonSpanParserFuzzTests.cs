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
        (int cases, int seed) = MutatedSpans.Run(output);
        var random = new Random(seed);
        var parser = new JsonSpanParser();
        int accepted = 0;
        for (int i = 0; i < cases; i++)
        {
            byte[] message = MutatedSpans.Next(random);
            string? difference = Difference(parser, message);
            Assert.True(difference is null, $"seed {seed}, case {i}: {difference}\n{Convert.ToHexString(message)}\n{Encoding.UTF8.GetString(message)}");
            TraceSpan span = default;
            if (parser.TryParse(message, ref span, out _)) accepted++;
        }
        output.WriteLine($"{accepted} of {cases} accepted");
        Assert.InRange(accepted, cases / 50, cases - (cases / 50)); // else the mutations test one side only
    }

    /// <summary>Faults of a message as a text, whatever its fields are.</summary>
    private static readonly SpanFaultKind[] OfTheText =
    [
        SpanFaultKind.Empty, SpanFaultKind.InvalidJson, SpanFaultKind.Truncated, SpanFaultKind.InvalidUtf8, SpanFaultKind.NotAnObject,
        SpanFaultKind.TooDeep, SpanFaultKind.LoneSurrogate, SpanFaultKind.NumberTooLarge,
    ];

    /// <summary>How parser and reference differ, or null.</summary>
    private static string? Difference(JsonSpanParser parser, ReadOnlySpan<byte> message)
    {
        TraceSpan span = default;
        bool parsed = parser.TryParse(message, ref span, out SpanFault fault);
        bool isGrammar = parsed || !OfTheText.Contains(fault.Kind);
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

    [Fact]
    public void Nothing_in_front_of_or_behind_a_message_is_read()
    {
        if (!OperatingSystem.IsLinux()) return; // memory protection is asked of the system directly
        var random = new Random(7);
        var parser = new JsonSpanParser();
        using var memory = new GuardedMemory(1 << 16);
        foreach (byte[] line in MutatedSpans.Corpus.Where((_, i) => i % 11 == 0).Concat(MutatedSpans.Handmade))
        {
            for (int n = 0; n < 4; n++)
            {
                byte[] message = n == 0 ? line : n == 1 ? line[..random.Next(line.Length)] : MutatedSpans.Mutate(random, line);
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

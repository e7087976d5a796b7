using System.Text;
using Sheaf.Spans;
using Sheaf.TestKit;
using Sheaf.Tests.Spans;
using Xunit.Abstractions;

namespace Sheaf.Tests.Segments;

/// <summary>Parser and writer together, on every mutated span that the parser accepts.</summary>
public class SpliceFuzzTests(ITestOutputHelper output)
{
    [Fact]
    public void What_is_accepted_is_written_with_the_two_edits_and_nothing_else()
    {
        (int cases, int seed) = MutatedSpans.Run(output);
        var random = new Random(seed);
        var parser = new JsonSpanParser();
        int accepted = 0, irregular = 0;
        for (int i = 0; i < cases; i++)
        {
            byte[] message = MutatedSpans.Next(random);
            TraceSpan span = default;
            if (!parser.TryParse(message, ref span, out _)) continue;
            accepted++;
            if (span.Edits.Irregular) irregular++;
            string? fault = Fault(parser, message, span.Edits, isSegment: random.Next(2) == 0);
            Assert.True(fault is null, $"seed {seed}, case {i}: {fault}\n{Encoding.UTF8.GetString(message)}");
        }
        output.WriteLine($"{accepted} of {cases} accepted, {irregular} of them irregular");
        Assert.True(irregular > 0, "no repeated key: the slow way is not tested");
    }

    private static string? Fault(JsonSpanParser parser, byte[] message, PayloadEdits edits, bool isSegment)
    {
        byte[] written = Written(message, edits, isSegment);
        TraceSpan again = default;
        if (!parser.TryParse(written, ref again, out SpanFault fault)) return $"what was written is refused: {fault}";
        if (again.Edits.SegmentId != SegmentIdForm.Present) return $"the segment's id is {again.Edits.SegmentId}";
        if (again.Edits.IsSegment != (isSegment ? IsSegmentForm.True : IsSegmentForm.False)) return $"is_segment is {again.Edits.IsSegment}";
        // Written once more there is nothing left to edit.
        if (!written.AsSpan().SequenceEqual(Written(written, again.Edits, isSegment))) return "the second writing differs from the first";
        if (edits.Irregular) return null;
        string undone = SplicePropertyTests.Undone(Encoding.UTF8.GetString(written), Encoding.UTF8.GetString(message), edits, isSegment);
        return undone == Encoding.UTF8.GetString(message) ? null : $"without the edits it is not what came in: {undone}";
    }

    private static byte[] Written(byte[] payload, PayloadEdits edits, bool isSegment)
    {
        SpanId id = isSegment ? SplicePropertyTests.Segment : new SpanId(1);
        string written = Assert.Single(new PayloadClaim().Add(payload, id, edits: edits).Write(SplicePropertyTests.Segment));
        return Encoding.UTF8.GetBytes(written[(written.IndexOf('[', StringComparison.Ordinal) + 1)..^2]);
    }
}

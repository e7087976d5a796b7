using System.Buffers;
using Sheaf.Segments;

namespace Sheaf.Files;

/// <summary>Makes JSON lines of a batch. Owner: one client of an output.</summary>
/// <param name="withHeaders">Lines are <c>{"headers":{…},"value":MESSAGE}</c> (ARCHITECTURE.md, "What travels with a segment").</param>
internal sealed class SegmentLines(bool withHeaders)
{
    private const byte LineFeed = (byte)'\n';

    private readonly ArrayBufferWriter<byte> _lines = new();

    /// <summary>
    /// The batch as it is, if nothing has to be added and every line feed in it ends a message. Payloads from other sources than files may hold line
    /// feeds between their tokens; in lines they become spaces. (Inside strings JSON has none.)
    /// </summary>
    /// <returns>Good until the next call, and as long as the batch is.</returns>
    public ReadOnlyMemory<byte> Of(SegmentBatch batch)
    {
        bool isPretty = batch.Bytes.Span.Count(LineFeed) != batch.Messages.Length;
        if (!withHeaders && !isPretty) return batch.Bytes;

        _lines.ResetWrittenCount();
        foreach (ref readonly SegmentMessage message in batch.Messages)
        {
            ReadOnlySpan<byte> body = batch.BodyOf(message);
            if (withHeaders)
            {
                _lines.Write("{\"headers\":"u8);
                _lines.Advance(SegmentFields.WriteJson(message, _lines.GetSpan(SegmentFields.MostBytes)));
                _lines.Write(",\"value\":"u8);
            }
            Span<byte> line = _lines.GetSpan(body.Length);
            if (isPretty) body.Replace(line, LineFeed, (byte)' ');
            else body.CopyTo(line);
            _lines.Advance(body.Length);
            _lines.Write(withHeaders ? "}\n"u8 : "\n"u8);
        }
        return _lines.WrittenMemory;
    }
}

using Sheaf.Flushing;
using Sheaf.Segments;

namespace Sheaf.Files;

/// <summary>
/// Segments as JSON lines in a file that other worker processes write to as well: what <see cref="JsonLinesSink"/> is to threads. Owner: the one
/// worker of this process.
/// </summary>
public sealed class SharedJsonLinesSink : ISegmentSink
{
    private readonly SharedOutputFile _file;
    private readonly SegmentLines _lines;

    private SharedJsonLinesSink(SharedOutputFile file, bool withHeaders)
    {
        _file = file;
        _lines = new SegmentLines(withHeaders);
    }

    /// <summary>Opens what the parent has prepared (<see cref="SharedOutputFile.Prepare"/>).</summary>
    /// <param name="withHeaders">Lines are <c>{"headers":{…},"value":MESSAGE}</c> (ARCHITECTURE.md, "What travels with a segment").</param>
    /// <exception cref="ConfigurationException">It cannot be opened.</exception>
    public static SharedJsonLinesSink Open(string path, bool withHeaders, ControlBlock control, TimeProvider time) =>
        new(SharedOutputFile.Open(path, control, time), withHeaders);

    /// <inheritdoc/>
    public ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel) =>
        batch.Length == 0 ? default : _file.WriteAsync(_lines.Of(batch), cancel);

    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return default;
    }
}

using Sheaf.Segments;

namespace Sheaf.Flushing;

/// <summary>Where segments go. Each flusher worker has a client of its own.</summary>
public interface ISegmentSink : IAsyncDisposable
{
    /// <summary>
    /// Produces every message of the batch. When it has completed, the output has acknowledged all of them and the spans may leave the buffer.
    /// </summary>
    /// <exception cref="SinkException">Some messages may be out. They will be produced again, with the same flush ids.</exception>
    ValueTask ProduceAsync(SegmentBatch batch, CancellationToken cancel);
}

using Sheaf.Buffering;
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

    /// <summary>Whether what is produced counts only from <see cref="CompleteAsync"/> on. A claim is completed as a whole then.</summary>
    bool IsTransactional => false;

    /// <summary>
    /// All that these traces give is produced; next, what is marked as removed in them leaves the buffer. When it has completed, it must leave: it counts as produced.
    /// </summary>
    /// <exception cref="TransactionAbortedException">Nothing of it counts: it is produced again.</exception>
    /// <exception cref="SinkException">The sink cannot go on.</exception>
    ValueTask CompleteAsync(ClaimBatch claim, Range traces, CancellationToken cancel) => default;
}

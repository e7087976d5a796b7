using Sheaf.Spans;

namespace Sheaf.Ingesting;

/// <summary>A message that cannot be used, with the reason.</summary>
/// <param name="Source">Name of the source.</param>
/// <param name="SourceOffset">Kafka offset, or line number in a file (from 1).</param>
/// <param name="Message">The bytes as they came; valid until the write has completed.</param>
public readonly record struct DeadLetter(SpanFault Fault, string Source, ShardId Shard, long SourceOffset, ReadOnlyMemory<byte> Message);

/// <summary>Where messages go that cannot be used. One writer at a time.</summary>
public interface IDeadLetterSink : IAsyncDisposable
{
    /// <summary>Stores some, in order. When it has completed, all of them are safe there; where it fails, some may be, and are written again.</summary>
    /// <param name="letters">At least one.</param>
    /// <exception cref="RunStoppedException">Bad messages are to stop the run.</exception>
    /// <exception cref="SinkException">Not all could be stored.</exception>
    ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel);
}

using Sheaf.Ingesting;

namespace Sheaf.Files;

/// <summary>The first message that cannot be used stops the run (<c>--dead-letter stop</c>). Any thread.</summary>
public sealed class StopOnDeadLetter : IDeadLetterSink
{
    /// <inheritdoc/>
    public ValueTask WriteAsync(DeadLetter letter, CancellationToken cancel) => throw new RunStoppedException(
        $"{letter.Source}:{letter.SourceOffset}: {letter.Fault.Describe(letter.Message.Span)}; mend the message, or keep such messages in a file and go on (--dead-letter file:PATH)");

    public ValueTask DisposeAsync() => default;
}

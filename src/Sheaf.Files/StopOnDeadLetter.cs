using Sheaf.Ingesting;

namespace Sheaf.Files;

/// <summary>The first message that cannot be used stops the run (<c>--dead-letter stop</c>). Any thread.</summary>
public sealed class StopOnDeadLetter : IDeadLetterSink
{
    /// <inheritdoc/>
    public ValueTask WriteAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancel) => throw new RunStoppedException(
        $"{letters[0].Source}:{letters[0].SourceOffset}: {letters[0].Fault.Describe(letters[0].Message.Span)}; mend the message, or keep such messages in a file and go on (--dead-letter file:PATH)");

    public ValueTask DisposeAsync() => default;
}

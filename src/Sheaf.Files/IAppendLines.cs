namespace Sheaf.Files;

/// <summary>An output that takes whole lines, from all flusher workers of this process. Any thread; one at a time is served.</summary>
public interface IAppendLines : IDisposable
{
    /// <summary>What to call it in messages to people.</summary>
    string Name { get; }

    /// <summary>
    /// Writes lines in one turn, so that none is torn and none mixed with others. Where a reader decides how long that takes, a cancelled writer may stop between two.
    /// </summary>
    /// <param name="mayWrite">Asked when it is this writer's turn; throws if not.</param>
    /// <exception cref="SinkException">None of them counts.</exception>
    ValueTask AppendAsync(ReadOnlyMemory<byte> lines, Action mayWrite, CancellationToken cancel);

    /// <summary>
    /// Brings to the disk what counts, and nothing else. When the last worker has ended; one that was left in the middle of a line is waited for.
    /// </summary>
    /// <param name="noLonger">Then that line stays torn.</param>
    /// <returns>Whether all lines are whole.</returns>
    /// <exception cref="SinkException">It could not, or it is not there any more.</exception>
    ValueTask<bool> FinishAsync(CancellationToken noLonger);
}

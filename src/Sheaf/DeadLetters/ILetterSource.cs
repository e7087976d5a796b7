namespace Sheaf.DeadLetters;

/// <summary>Dead letters that were kept, up to the end that there was at the start. One reader.</summary>
internal interface ILetterSource : IAsyncDisposable
{
    /// <summary>The topic or the path.</summary>
    string Name { get; }

    /// <summary>The next ones, in order (of a topic: per partition); none at the end.</summary>
    /// <exception cref="SourceException">It cannot be read on.</exception>
    ValueTask<IReadOnlyList<KeptLetter>> ReadAsync(CancellationToken cancel);
}

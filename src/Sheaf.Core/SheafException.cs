namespace Sheaf;

/// <summary>Root of what Sheaf throws on purpose. The leaves differ by what the caller can do; messages say what, which value, where, and the way out.</summary>
public abstract class SheafException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The buffer cannot do it just now. The operation may have happened in part: do it again later.</summary>
public sealed class BufferUnavailableException(string message, Exception? inner = null) : SheafException(message, inner)
{
    /// <summary>It can be reached and has no room: flushing makes some.</summary>
    public bool IsFull { get; init; }
}

/// <summary>
/// The buffer takes no span of that size. Of the batch, what comes before the span may be stored: take the span out and append the batch again.
/// </summary>
public sealed class SpanTooLargeException(long sourceOffset) : SheafException($"the buffer takes no span as large as the one at {sourceOffset}")
{
    /// <summary>Of the span's message.</summary>
    public long SourceOffset { get; } = sourceOffset;
}

/// <summary>A journal has lost something that it had acknowledged. Not thrown: who goes on by itself tells it.</summary>
public sealed class BufferLostException(string message) : SheafException(message)
{
    /// <summary>It was written anew: nothing is lost.</summary>
    public bool IsMadeGood { get; init; }
}

/// <summary>Somebody else has taken this client's shards over. Who sees it touches them no more: a worker ends, an appender waits for what its group says.</summary>
public sealed class ClaimLapsedException(string message) : SheafException(message);

/// <summary>The input cannot be read. The run ends.</summary>
public sealed class SourceException(string message, Exception? inner = null) : SheafException(message, inner);

/// <summary>The output did not take the segments. They stay claimed in the buffer; the worker ends and is started again.</summary>
public sealed class SinkException(string message, Exception? inner = null) : SheafException(message, inner)
{
    /// <summary>No later attempt can succeed, whatever a person mends: nobody reads the output any more.</summary>
    public bool IsFinal { get; init; }
}

/// <summary>
/// The output has taken nothing of what was produced in its transaction. The spans are still in the buffer: whoever takes the shard over produces them again.
/// </summary>
public sealed class TransactionAbortedException(string message) : SheafException(message);

/// <summary>The configuration is wrong; every fault of it is in the message. Mend it and start again.</summary>
public sealed class ConfigurationException(IReadOnlyList<string> faults) : SheafException(string.Join("\n", faults))
{
    /// <summary>One fault.</summary>
    public ConfigurationException(string message)
        : this([message])
    {
    }

    /// <summary>All of them, a sentence or two each.</summary>
    public IReadOnlyList<string> Faults { get; } = faults;
}

/// <summary>The run cannot go on: a limit that the operator set was reached, or restarts did not help.</summary>
public sealed class RunStoppedException(string message, Exception? inner = null) : SheafException(message, inner);

namespace Sheaf.Ingesting;

/// <summary>
/// How many messages of one partition, or of a file, were bad: what <see cref="DeadLetterLimits"/> look at. Each partition has its own, so that one producer that sends rubbish is seen
/// however much good comes in elsewhere. Any thread.
/// </summary>
internal sealed class DeadLetterTally
{
    private readonly Lock _gate = new();
    private long _assignment;
    private long _begun; // messages of all blocks until now
    private long _bad;
    private long _inARow;
    private long _lastBad; // number of the message, from 1

    /// <summary>Counts a block's messages. Returns how many came before it.</summary>
    /// <param name="assignment">Another one than before: what was read elsewhere meanwhile is not known, so a row ends.</param>
    public long Begin(int messages, long assignment)
    {
        lock (_gate)
        {
            if (assignment != _assignment) _inARow = _lastBad = 0;
            _assignment = assignment;
            _begun += messages;
            return _begun - messages;
        }
    }

    /// <summary>Counts a bad message.</summary>
    /// <param name="number">Its number among all messages, from 1.</param>
    /// <returns>Why the run must stop, or null.</returns>
    public string? CountBad(long number, DeadLetterLimits limits)
    {
        lock (_gate)
        {
            _inARow = _lastBad > 0 && number == _lastBad + 1 ? _inARow + 1 : 1;
            _lastBad = number;
            _bad++;
            return limits.Exceeded(number, _bad, _inARow); // what comes behind it is not known to be good
        }
    }
}

using System.Globalization;

namespace Sheaf.Ingesting;

/// <summary>When so many messages are bad that the run should stop: of one partition, or of a file. Immutable.</summary>
/// <param name="MaxRatio">Largest share of bad messages, 0 to 1; looked at with each bad message from number <see cref="RatioFrom"/> on. 1 = no limit.</param>
/// <param name="MaxConsecutive">Most bad messages in a row; 0 = no limit.</param>
public sealed record DeadLetterLimits(double MaxRatio = 0.01, long MaxConsecutive = 1000)
{
    /// <summary>Below this many messages a ratio says nothing.</summary>
    public const long RatioFrom = 1000;

    /// <summary>Why the run must stop, or null.</summary>
    internal string? Exceeded(long messages, long deadLetters, long inARow)
    {
        if (MaxConsecutive > 0 && inARow > MaxConsecutive)
        {
            return string.Create(CultureInfo.InvariantCulture,
                $"{inARow} messages in a row cannot be used, more than dead-letter-max-consecutive allows ({MaxConsecutive}; 0 = no limit)");
        }
        if (messages >= RatioFrom && deadLetters > MaxRatio * messages)
        {
            return string.Create(CultureInfo.InvariantCulture,
                $"{deadLetters} of {messages} messages cannot be used, more than dead-letter-max-ratio allows ({MaxRatio}; 1 = no limit)");
        }
        return null;
    }
}

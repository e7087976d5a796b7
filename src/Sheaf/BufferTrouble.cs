using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>
/// Logs that the buffer, or a transaction with what leaves it, has failed somebody who goes on by itself: a loss each time, what is tried again at first and then now and then. Thread-safe.
/// </summary>
internal sealed partial class BufferTrouble(ILogger logger, TimeProvider time)
{
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private long _toldAt;

    public void Tell(SheafException trouble)
    {
        if (trouble is BufferLostException)
        {
            Log.Lost(logger, trouble.Message);
            return;
        }
        if (trouble is ClaimLapsedException)
        {
            Log.Lapsed(logger, trouble.Message);
            return;
        }
        lock (_lock)
        {
            if (_toldAt != 0 && time.GetElapsedTime(_toldAt) < s_again) return;
            _toldAt = time.GetTimestamp();
        }
        if (trouble is TransactionAbortedException) Log.Aborted(logger, trouble.Message);
        else Log.Unavailable(logger, trouble.Message);
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.BufferUnavailable, LogLevel.Warning, "The buffer does not do its work: {Reason}. Nothing is lost by waiting; it is tried again until it does")]
        public static partial void Unavailable(ILogger logger, string reason);

        [LoggerMessage(EventIds.TransactionAborted, LogLevel.Warning, "A transaction did not count: {Reason}. Its segments are still in the buffer, and leave with the next one")]
        public static partial void Aborted(ILogger logger, string reason);

        [LoggerMessage(EventIds.BufferLapsed, LogLevel.Warning, "{Reason}")]
        public static partial void Lapsed(ILogger logger, string reason);

        [LoggerMessage(EventIds.BufferLost, LogLevel.Error, "{Reason}. The run goes on with what comes; the ledger at its end says how many spans are lost")]
        public static partial void Lost(ILogger logger, string reason);
    }
}

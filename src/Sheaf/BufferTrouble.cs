using Microsoft.Extensions.Logging;
using Sheaf.Telemetry;

namespace Sheaf;

/// <summary>
/// Hears each time that the buffer, or a transaction with what leaves it, has failed a lane or a worker, which goes on by itself. A loss is logged each time, what did not count now and then;
/// an attempt that is made again at level debug only, since <see cref="RunLog"/> tells of the outage as a whole. Thread-safe.
/// </summary>
internal sealed partial class BufferTrouble(ILogger logger, TimeProvider time)
{
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private long _abortedAt;
    private volatile string _lastCause = "no answer";
    private volatile string? _lastFullCause;

    /// <summary>What the last attempt failed with that the buffer did not take for want of an answer.</summary>
    public string LastCause => _lastCause;

    /// <summary>What a server said that had no room; null where none has.</summary>
    public string? LastFullCause => _lastFullCause;

    public void Tell(SheafException trouble)
    {
        switch (trouble)
        {
            case BufferLostException { IsMadeGood: true }:
                Log.Restored(logger, trouble.Message);
                break;
            case BufferLostException:
                Log.Lost(logger, trouble.Message);
                break;
            case ClaimLapsedException:
                Log.Lapsed(logger, trouble.Message);
                break;
            case TransactionAbortedException:
                lock (_lock)
                {
                    if (_abortedAt != 0 && time.GetElapsedTime(_abortedAt) < s_again) return;
                    _abortedAt = time.GetTimestamp();
                }
                Log.Aborted(logger, trouble.Message);
                break;
            default:
                if (trouble is BufferUnavailableException { IsFull: true }) _lastFullCause = trouble.Message;
                else _lastCause = trouble.Message;
                Log.Failed(logger, trouble.Message);
                break;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(EventIds.BufferFailed, LogLevel.Debug, "The buffer has failed an attempt, which is made again: {Reason}")]
        public static partial void Failed(ILogger logger, string reason);

        [LoggerMessage(EventIds.TransactionAborted, LogLevel.Warning, "A transaction did not count: {Reason}. Its segments are still in the buffer, and leave with the next one")]
        public static partial void Aborted(ILogger logger, string reason);

        [LoggerMessage(EventIds.BufferLapsed, LogLevel.Warning, "{Reason}")]
        public static partial void Lapsed(ILogger logger, string reason);

        [LoggerMessage(EventIds.BufferRestored, LogLevel.Warning, "{Reason}")]
        public static partial void Restored(ILogger logger, string reason);

        [LoggerMessage(EventIds.BufferLost, LogLevel.Error, "{Reason}. The run goes on with what comes; the ledger at its end says how many spans are lost")]
        public static partial void Lost(ILogger logger, string reason);
    }
}

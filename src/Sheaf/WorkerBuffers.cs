using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Buffering.Memory;
using Sheaf.Flushing;
using Sheaf.Journals;
using Sheaf.Redis;
using Sheaf.Supervision;

namespace Sheaf;

/// <summary>The buffers of worker processes, by the scheme of their journal's address. Composition, as <see cref="SegmentRun"/> is.</summary>
internal static class WorkerBuffers
{
    /// <summary>A journal is looked at by its worker at least so often: a server that has lost it is noticed also where nothing happens.</summary>
    private static readonly TimeSpan LongestVerifyInterval = TimeSpan.FromSeconds(10);

    /// <inheritdoc cref="OpenWorkerBuffer"/>
    public static ValueTask<ISpanClaimer> OpenAsync(WorkerAssignment assignment, ControlBlock control, ILoggerFactory logs, CancellationToken cancel)
    {
        if (!RedisAddress.TryParse(assignment.Buffer.Address, out RedisAddress? address, out _))
        {
            // Only the scheme is shown: what follows may hold a password.
            throw new ConfigurationException($"buffer: there is no journal '{assignment.Buffer.Address.Split(':')[0]}' that worker processes could read");
        }
        TimeProvider time = TimeProvider.System;
        RedisJournal journal = RedisJournal.OpenLater(OptionsOf(assignment.Buffer, address, control.ShardCount), time);
        var memory = new MemoryBuffer(assignment.Rules, control.ShardCount, assignment.Buffer.MaxBytes, keepsProgress: true);
        return new(new JournaledBuffer(
            journal, memory, control, assignment.Worker, OptionsOf(assignment.Buffer), time, new BufferTrouble(logs.CreateLogger("Sheaf.Buffering"), time).Tell));
    }

    /// <summary>What parent and workers agree on.</summary>
    public static RedisJournalOptions OptionsOf(BufferAddress buffer, RedisAddress address, int shards) => new(address, new JournalOrigin(buffer.Source, shards))
    {
        SliceId = buffer.SliceId,
        TimeToLive = TimeSpan.FromSeconds(buffer.TtlSeconds),
        CompressionLevel = buffer.CompressionLevel,
    };

    /// <summary>The same for a worker's side.</summary>
    public static JournaledBufferOptions OptionsOf(BufferAddress buffer) =>
        new(buffer.Format, TimeSpan.FromSeconds(Math.Min(LongestVerifyInterval.TotalSeconds, buffer.TtlSeconds / 4.0)));
}

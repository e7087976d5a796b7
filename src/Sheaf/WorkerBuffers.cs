using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Flushing;
using Sheaf.Redis;
using Sheaf.Redis.Resp;
using Sheaf.Segments;
using Sheaf.Supervision;

namespace Sheaf;

/// <summary>The buffers that worker processes can share with their parent, by the scheme of their address. Composition, as <see cref="SegmentRun"/> is.</summary>
internal static class WorkerBuffers
{
    /// <inheritdoc cref="OpenWorkerBuffer"/>
    public static ValueTask<ISpanBuffer> OpenAsync(
        WorkerAssignment assignment, ControlBlock control, Action<FaultPoint>? faults, ILoggerFactory logs, CancellationToken cancel)
    {
        if (!RedisAddress.TryParse(assignment.Buffer.Address, out RedisAddress? address, out _))
        {
            // Only the scheme is shown: what follows may hold a password.
            throw new ConfigurationException($"buffer: there is no buffer '{assignment.Buffer.Address.Split(':')[0]}' that worker processes could share");
        }
        return new(new RedisSpanBuffer(
            OptionsOf(assignment.Buffer, address, assignment.Rules, control.ShardCount), shard => control.Shard(shard).StoredThrough, faults));
    }

    /// <summary>What parent and workers agree on.</summary>
    public static RedisBufferOptions OptionsOf(BufferAddress buffer, RedisAddress address, SegmentRules rules, int shards) => new(address, rules, shards)
    {
        SliceId = buffer.SliceId,
        TimeToLive = TimeSpan.FromSeconds(buffer.TtlSeconds),
        CompressionLevel = buffer.CompressionLevel,
        Client = new RedisClientOptions { ClientName = "sheaf" },
    };
}

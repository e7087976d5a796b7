using Microsoft.Extensions.Logging;
using Sheaf.Buffering;
using Sheaf.Commands;
using Sheaf.Configuration;
using Sheaf.Files;
using Sheaf.Ingesting;
using Sheaf.Kafka;
using Sheaf.Kafka.Progress;

namespace Sheaf;

/// <summary>
/// The input of one run: a file, which has an end and whose shards are all this run's, or the partitions that a group gives to it, which come and go until the run is told to stop.
/// Owner: the run.
/// </summary>
internal sealed class RunInput : IAsyncDisposable
{
    /// <summary>How long the brokers may take to tell of the topic at the start.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Longer than the session of a member that was killed, as it is unless somebody sets it.</summary>
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(60);

    /// <summary>A block of a file on its way into a journal: an entry for each shard, so it is larger, that entries of many spans cost little and compress well.</summary>
    private const int JournaledBlockBytes = 1 << 20;

    private readonly KafkaSpanSource? _kafka;
    private readonly EmptyGroup? _drained;

    private RunInput(ISpanSource source, int shards, KafkaSpanSource? kafka = null, EmptyGroup? drained = null)
    {
        Source = source;
        _kafka = kafka;
        _drained = drained;
        Shards = shards;
    }

    public ISpanSource Source { get; }

    /// <summary>How many there are, this run's or not.</summary>
    public int Shards { get; }

    /// <summary>Messages of a topic that were not read yet; null for a file.</summary>
    public long? UnreadMessages => _kafka?.UnreadMessages;

    /// <summary>Whether shards come and go, and no end does.</summary>
    public bool IsShared => _kafka is not null;

    /// <exception cref="ConfigurationException">There is no such topic, or it may not be read.</exception>
    /// <exception cref="SourceException">It cannot be opened.</exception>
    public static async ValueTask<RunInput> OpenAsync(ProcessSpansPlan plan, RunContext context, CancellationToken cancel)
    {
        if (plan.KafkaInput is not { } from)
        {
            int blockBytes = plan.Buffer is BufferTarget.Redis ? JournaledBlockBytes : JsonLinesSource.DefaultBlockBytes;
            return new RunInput(await JsonLinesSource.OpenAsync(plan.Input, cancel, blockBytes), plan.Shards);
        }

        ILogger log = context.Logs.CreateLogger("Sheaf.Kafka.Input");
        KafkaInput topic = await KafkaInput.OpenAsync(from.Consumer, StartTimeout, log, context.Time, cancel);
        if (plan.EarlierRun == EarlierRun.Drain)
        {
            var group = new EmptyGroup(topic, DrainTimeout, log, context.Time);
            await group.EnsureAsync(cancel);
            return new RunInput(new NothingSource(from.Consumer.Address.Topic), topic.Partitions, drained: group);
        }
        var source = new KafkaSpanSource(topic, from.Source, log, context.Time);
        return new RunInput(source, topic.Partitions, kafka: source);
    }

    /// <summary>Joins the group, where there is one.</summary>
    /// <param name="progress">Where the progress of a buffer in memory is kept; null: it is not.</param>
    public void Begin(IShardOwner owner, KafkaProgress? progress) => _kafka?.Start(owner, progress);

    /// <summary>Leaves the group in good order, where there is one: the shards that it gave to this run go elsewhere. After the last worker has ended.</summary>
    /// <returns>False where there was no time for it: others get the shards when the group has missed this member for long enough.</returns>
    public async Task<bool> LeaveAsync(TimeSpan atMost) => _kafka is null || await _kafka.CloseAsync(atMost);

    /// <summary>Everything has left that the buffer had of a topic: whoever joins the group next goes on behind it, even where the last instance had no time to say how far it was.</summary>
    /// <exception cref="SheafException">The group has members, or its brokers do not answer.</exception>
    public async ValueTask CompleteAsync(IReadOnlyList<StoredPosition> stored, CancellationToken cancel)
    {
        if (_drained is null) return;
        await _drained.CommitAsync([.. stored.Index().Where(s => s.Item.Offset >= 0).Select(s => new PartitionOffset(s.Index, s.Item.Offset + 1))], cancel);
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();

    /// <summary>Nothing of a topic.</summary>
    private sealed class NothingSource(string topic) : ISpanSource
    {
        public string Name => topic;

        public ValueTask<bool> ReadAsync(InputBlock into, CancellationToken cancel)
        {
            into.Reset(shard: null);
            return new(false);
        }

        public ValueTask DisposeAsync() => default;
    }
}

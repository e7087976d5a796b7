using Sheaf.Journals;
using Sheaf.Redis;
using Sheaf.TestKit.Journals;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Journals;

/// <summary>The contract of every journal, on real servers. Each test has a name space of its own.</summary>
public abstract class RedisJournalContract : JournalContract, IAsyncLifetime
{
    private static int s_slices;

    private readonly List<IJournal> _open = [];
    private readonly int _slice = Interlocked.Increment(ref s_slices);

    private protected abstract RedisAddress Address { get; }

    private protected virtual int CompressionLevel => 1;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (IJournal journal in _open) await journal.DisposeAsync();
    }

    protected override int ModelRuns => 5;

    protected override JournalServer Server => new(() => CopyAsync("", ":saved"), () => CopyAsync(":saved", ""));

    /// <summary>The node that has the keys of shard 0.</summary>
    private protected virtual Task<RedisServer> NodeAsync(string key) => Task.FromResult(Node);

    private protected abstract RedisServer Node { get; }

    private async Task CopyAsync(string from, string to)
    {
        string common = $"sheaf:{{{_slice}:0}}";
        RedisServer node = await NodeAsync(common + ":state");
        await using TestRedis client = await TestRedis.ConnectAsync(node.Address);
        foreach (string key in (string[])[common + ":state", common + ":log"])
        {
            await client.AskAsync("DEL", key + to);
            TestReply copied = await client.AskAsync("COPY", key + from, key + to);
            Assert.False(copied.IsError, copied.IsError ? copied.Text() : "");
        }
    }

    protected override async ValueTask<IJournal> OpenAsync()
    {
        var options = new RedisJournalOptions(Address, Origin) { SliceId = _slice, CompressionLevel = CompressionLevel };
        IJournal journal = await RedisJournal.OpenAsync(options, TimeProvider.System, default);
        _open.Add(journal);
        return journal;
    }

    /// <summary>One server for all tests of a class.</summary>
    public sealed class OneServer : IAsyncLifetime
    {
        public RedisServer Server { get; private set; } = null!;

        public async Task InitializeAsync() => Server = await RedisServer.StartAsync();

        public async Task DisposeAsync() => await Server.DisposeAsync();
    }

    /// <summary>Three primaries for all tests of a class.</summary>
    public sealed class ThreeNodes : IAsyncLifetime
    {
        public RedisCluster Cluster { get; private set; } = null!;

        public async Task InitializeAsync() => Cluster = await RedisCluster.StartAsync();

        public async Task DisposeAsync() => await Cluster.DisposeAsync();
    }
}

public sealed class ServerJournalContract(RedisJournalContract.OneServer fixture) : RedisJournalContract, IClassFixture<RedisJournalContract.OneServer>
{
    private protected override RedisAddress Address => fixture.Server.Address;

    private protected override RedisServer Node => fixture.Server;
}

public sealed class UncompressedJournalContract(RedisJournalContract.OneServer fixture) : RedisJournalContract, IClassFixture<RedisJournalContract.OneServer>
{
    private protected override RedisAddress Address => fixture.Server.Address;

    private protected override RedisServer Node => fixture.Server;

    private protected override int CompressionLevel => -1;
}

public sealed class ClusterJournalContract(RedisJournalContract.ThreeNodes fixture) : RedisJournalContract, IClassFixture<RedisJournalContract.ThreeNodes>
{
    private protected override RedisAddress Address => fixture.Cluster.Address;

    private protected override RedisServer Node => fixture.Cluster.Nodes[0];

    private protected override async Task<RedisServer> NodeAsync(string key)
    {
        TestReply slot = await fixture.Cluster.AskAsync(0, "CLUSTER", "KEYSLOT", key);
        return fixture.Cluster.Nodes[RedisCluster.NodeOf((int)slot.Number)];
    }
}

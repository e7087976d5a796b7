using System.Globalization;
using Sheaf.Redis.Resp;
using Sheaf.TestKit.Redis;
using Xunit.Abstractions;

namespace Sheaf.SystemTests.Redis;

/// <summary>Allocation is counted for the whole process: nothing else may run beside it.</summary>
[CollectionDefinition(nameof(ByItself), DisableParallelization = true)]
public sealed class ByItself;

/// <summary>What an operation costs the garbage collector, from the first word to the last reply.</summary>
[Collection(nameof(ByItself))]
public sealed class AllocationOfBatches(ITestOutputHelper output)
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Nothing_is_allocated_per_command_and_little_per_batch(int protocol)
    {
        await using RedisServer server = await RedisServer.StartAsync(new RedisServerOptions { Listening = RedisListening.UnixSocket });
        await using RedisClient client = await RespTest.ConnectAsync(server, RespTest.Options with { Protocol = protocol });
        const int Batches = 50;
        const int Commands = 5000;
        byte[] value = new byte[100];
        var batch = new RespBatch();
        for (int i = 0; i < 10; i++) await TurnAsync();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < Batches; i++) await TurnAsync();
        long perBatch = (GC.GetTotalAllocatedBytes(precise: true) - before) / Batches;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{perBatch} bytes per batch of {2 * Commands} commands"));
        Assert.InRange(perBatch, 0, Commands); // half a byte per command: none of them has any

        async ValueTask TurnAsync()
        {
            batch.Clear();
            for (int i = 0; i < Commands; i++)
            {
                batch.Begin(3, HashSlot.Any);
                batch.Add("SET"u8);
                batch.Add(i);
                batch.Add(value);
                batch.Begin(2, HashSlot.Any);
                batch.Add("GET"u8);
                batch.Add(i);
            }
            await client.ExecuteAsync(batch, default);
            for (int i = 0; i < Commands; i++)
                if (batch.Reply((2 * i) + 1).Bytes.Length != value.Length) throw new InvalidOperationException("a wrong reply");
        }
    }
}

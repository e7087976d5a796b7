using Sheaf.Flushing;
using Sheaf.SystemTests.Processes;
using Sheaf.TestKit.Redis;

namespace Sheaf.SystemTests.Redis.Runs;

/// <summary>The process that reads the input is killed between any two steps of a batch; the same command with <c>--resume</c> goes on from there.</summary>
public sealed class ParentFaultPoints : RedisRunTest
{
    [Theory]
    [InlineData(FaultPoint.AfterAppend)]
    [InlineData(FaultPoint.AfterClock)]
    public async Task Killed_there_it_goes_on_behind_what_is_stored(FaultPoint point)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        AssertKilled(await RunAsync(server.Uri, load, $"{point}=kill@1"));
        AssertKilled(await RunAsync(server.Uri, load, $"{point}=kill@13", Resume));
        await EndAndCompareAsync(server, load, () => RunAsync(server.Uri, load, null, Resume));
    }

    /// <summary>The same input comes in other pieces each time: what is stored of a piece is told from what is not, whatever the piece was.</summary>
    [Theory]
    [InlineData(FaultPoint.AfterAppend)]
    [InlineData(FaultPoint.AfterClock)]
    public async Task Killed_there_it_goes_on_although_the_batches_are_cut_differently(FaultPoint point)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        SharedLoad load = await SharedLoad.GetAsync();
        byte[] input = await File.ReadAllBytesAsync(load.Input);
        foreach ((int piece, int time) in ((int, int)[])[(20_011, 63), (7_001, 104), (50_021, 52)])
        {
            await using SheafProcess sheaf = StartFed(server.Uri, $"{point}=kill@{time}", piece == 20_011 ? [] : [Resume]);
            AssertKilled(await FeedToEndAsync(sheaf, input, piece));
        }
        await EndAndCompareAsync(server, load, async () =>
        {
            await using SheafProcess sheaf = StartFed(server.Uri, null, Resume);
            return await FeedToEndAsync(sheaf, input, 60_000);
        });
    }

    private async Task EndAndCompareAsync(RedisServer server, SharedLoad load, Func<Task<Ended>> finish)
    {
        Ended run = await finish();
        run.AssertEnded(0);
        Assert.NotEqual(0, run.Count("carried_over"));
        load.AssertSame(PathOf("out.jsonl"), run.Error);
        // Every unusable line is told. The block in which the run died may be told again, hence distinct.
        Assert.Equal(load.DeadLetterLines, SharedLoad.ToldLines(PathOf("dead.jsonl")).Distinct().Order());
        Assert.Empty(await KeysAsync(server));
    }
}

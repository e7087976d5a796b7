using Sheaf.Spans;
using Sheaf.Supervision;
using Xunit;

namespace Sheaf.Tests.Supervision;

public class ShardPlanTests
{
    [Fact]
    public void Shards_are_dealt_round_robin_for_any_number_of_shards_and_workers()
    {
        for (int shards = 1; shards <= 12; shards++)
            for (int processes = 1; processes <= 14; processes++)
            {
                var plan = ShardPlan.Deal(shards, processes);

                int workers = Math.Min(processes, shards);
                Assert.Equal(Enumerable.Range(0, workers), plan.Workers.Select(worker => worker.Worker));
                Assert.Equal(Enumerable.Range(0, shards), plan.Workers.SelectMany(worker => worker.Shards).Select(shard => shard.Value).Order());
                foreach (WorkerShards worker in plan.Workers)
                    Assert.Equal(
                        Enumerable.Range(0, shards).Where(shard => shard % workers == worker.Worker), worker.Shards.Select(shard => shard.Value));
            }
    }

    [Theory]
    [InlineData(5, 2, "0,2,4", "1,3")]
    [InlineData(2, 8, "0", "1")]
    [InlineData(1, 1, "0")]
    public void A_worker_is_tagged_with_its_shards(int shards, int processes, params string[] tags) =>
        Assert.Equal(tags, ShardPlan.Deal(shards, processes).Workers.Select(worker => worker.Tag));

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(1, -1)]
    public void Nothing_is_dealt_to_nobody(int shards, int processes) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ShardPlan.Deal(shards, processes));

    [Fact]
    public async Task Every_worker_of_the_plan_is_started_once_with_its_shards()
    {
        var run = new SupervisedRun(shards: 5, workers: 2);

        await run.StartAsync();

        Assert.Equal([(0, "0,2,4"), (1, "1,3")], run.Host.Lives.Select(life => (life.Shards.Worker, life.Shards.Tag)));
        await run.Supervisor.StopAsync(TimeSpan.Zero);
    }
}

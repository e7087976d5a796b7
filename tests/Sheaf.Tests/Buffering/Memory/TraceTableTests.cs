using Sheaf.Buffering.Memory;
using Sheaf.Spans;
using Xunit;

namespace Sheaf.Tests.Buffering.Memory;

public sealed class TraceTableTests
{
    [Fact]
    public void Traces_are_found_until_they_are_removed_however_the_table_grows()
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        var table = new TraceTable();
        var model = new Dictionary<TraceKey, int>();
        var keys = new List<TraceKey>();
        for (int step = 0; step < 60_000; step++)
        {
            if (keys.Count == 0 || random.Next(100) < 65)
            {
                var key = new TraceKey(random.Next(3), new TraceId((ulong)random.NextInt64(), (ulong)step));
                Assert.Equal(SlotPool<TraceSlot>.None, table.Find(key));
                model.Add(key, table.Add(key));
                keys.Add(key);
            }
            else
            {
                int at = random.Next(keys.Count);
                Assert.True(table.Find(keys[at]) == model[keys[at]], $"seed {seed}, step {step}");
                table.Remove(model[keys[at]]);
                model.Remove(keys[at]);
                keys[at] = keys[^1];
                keys.RemoveAt(keys.Count - 1);
            }
        }
        Assert.Equal(model.Count, table.Count);
        Assert.Equal(model.Count, model.Values.Distinct().Count());
        foreach ((TraceKey key, int slot) in model) Assert.True(table.Find(key) == slot && table[slot].Key == key, $"seed {seed}");
    }
}

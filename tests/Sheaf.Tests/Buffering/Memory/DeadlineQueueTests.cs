using Sheaf.Buffering.Memory;
using Xunit;

namespace Sheaf.Tests.Buffering.Memory;

public sealed class DeadlineQueueTests
{
    private const long Day = 24L * 3600 * 1000;

    [Fact]
    public void Deadlines_come_out_earliest_first_and_within_a_millisecond_in_the_order_of_arming()
    {
        var queue = new DeadlineQueue();
        long[] deadlines = [5, long.MaxValue - 1, -7, 60 * Day, 5, 256, 255, long.MinValue, 0, 65_536, 5, 60 * Day];
        for (int item = 0; item < deadlines.Length; item++) queue.Arm(item, deadlines[item]);
        queue.AssertInvariants();

        Assert.Equal([7, 2, 8, 0, 4, 10, 6, 5, 9, 3, 11, 1], PopAll(queue, long.MaxValue));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void Nothing_comes_out_at_its_deadline_or_earlier()
    {
        var queue = new DeadlineQueue();
        queue.Arm(0, 60 * Day);
        Assert.Empty(PopAll(queue, 60 * Day));
        Assert.Equal([0], PopAll(queue, (60 * Day) + 1));
    }

    [Fact]
    public void A_deadline_may_be_earlier_than_what_came_out_before()
    {
        var queue = new DeadlineQueue();
        queue.Arm(0, 60 * Day);
        queue.Arm(1, (60 * Day) + 300);
        queue.Arm(2, (60 * Day) + 300);
        Assert.True(queue.TryPop(long.MaxValue, out _));
        queue.Arm(3, 1000);
        queue.Arm(4, (60 * Day) + 299);
        queue.AssertInvariants();

        Assert.Equal([3, 4, 1, 2], PopAll(queue, long.MaxValue));
    }

    [Fact]
    public void What_is_disarmed_does_not_come_out()
    {
        var queue = new DeadlineQueue();
        for (int item = 0; item < 4; item++) queue.Arm(item, 10);
        queue.Disarm(0);
        queue.Disarm(2);
        Assert.Equal([1, 3], PopAll(queue, 11));
    }

    [Fact]
    public void The_earliest_deadline_is_exact_and_null_when_there_is_none()
    {
        var queue = new DeadlineQueue();
        Assert.Null(queue.EarliestMs());
        queue.Arm(0, 60 * Day);
        queue.Arm(1, (60 * Day) - 1);
        Assert.Equal((60 * Day) - 1, queue.EarliestMs());
        queue.Arm(2, -3);
        Assert.Equal(-3, queue.EarliestMs());
    }

    [Fact]
    public void Any_work_gives_what_a_sorted_set_gives()
    {
        for (int round = 0; round < 100; round++)
        {
            int seed = Random.Shared.Next();
            Assert.True(Agrees(new Random(seed), out string? difference), $"seed {seed}: {difference}");
        }
    }

    private static bool Agrees(Random random, out string? difference)
    {
        var queue = new DeadlineQueue();
        var model = new SortedSet<(long Deadline, int Order, int Item)>();
        var armed = new Dictionary<int, (long Deadline, int Order, int Item)>();
        long clock = random.NextInt64(100 * Day);
        for (int step = 0; step < 600; step++)
        {
            int item = random.Next(40);
            switch (random.Next(6))
            {
                case < 3:
                    if (armed.Remove(item, out var earlier))
                    {
                        queue.Disarm(item);
                        model.Remove(earlier);
                    }
                    var entry = (clock + SomeDistance(random), step, item);
                    queue.Arm(item, entry.Item1);
                    armed[item] = entry;
                    model.Add(entry);
                    break;
                case 3:
                    if (!armed.Remove(item, out var gone)) break;
                    queue.Disarm(item);
                    model.Remove(gone);
                    break;
                default:
                    if (random.Next(3) == 0) clock += SomeDistance(random);
                    long before = random.Next(10) == 0 ? long.MaxValue : clock;
                    for (int pops = random.Next(5); pops >= 0; pops--)
                    {
                        int expected = model.Count > 0 && model.Min.Deadline < before ? model.Min.Item : -1;
                        int popped = queue.TryPop(before, out int found) ? found : -1;
                        if (popped != expected)
                        {
                            difference = $"step {step}: {popped} came out, {expected} was due";
                            return false;
                        }
                        if (popped == -1) break;
                        model.Remove(armed[popped]);
                        armed.Remove(popped);
                    }
                    break;
            }
            if (step % 16 == 0) queue.AssertInvariants();
            long? earliest = model.Count == 0 ? null : model.Min.Deadline;
            if (queue.Count != model.Count || (random.Next(4) == 0 && queue.EarliestMs() != earliest))
            {
                difference = $"step {step}: {queue.Count} armed, earliest {queue.EarliestMs()}; expected {model.Count}, {earliest}";
                return false;
            }
        }
        difference = null;
        return true;
    }

    private static long SomeDistance(Random random) => random.Next(6) switch
    {
        0 => random.Next(4),
        1 => random.Next(300),
        2 => random.Next(70_000),
        3 => -random.Next(1000),
        4 => random.NextInt64(60 * Day),
        _ => -random.NextInt64(2 * Day),
    };

    private static List<int> PopAll(DeadlineQueue queue, long beforeMs)
    {
        var items = new List<int>();
        while (queue.TryPop(beforeMs, out int item)) items.Add(item);
        queue.AssertInvariants();
        return items;
    }
}

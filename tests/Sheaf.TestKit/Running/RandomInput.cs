using System.Globalization;
using System.Text;

namespace Sheaf.TestKit.Running;

/// <summary>Random input of a run: some traces over some partitions, with late roots, missing parents, copies, namesakes, loops, and gaps around the timeouts.</summary>
public static class RandomInput
{
    /// <summary>Messages with broker timestamps, in order of arrival. The same seed gives the same input.</summary>
    public static TestMessage[] Messages(int seed, int count, int shards)
    {
        var random = new Random(seed);
        var messages = new List<TestMessage>(count);
        long[] clocks = new long[shards];
        Array.Fill(clocks, 1_700_000_000_000);
        while (messages.Count < count)
        {
            int shard = random.Next(shards);
            clocks[shard] += random.Next(6) switch { 0 => random.Next(20_000), 1 => 10_000, 2 => 10_001, _ => random.Next(300) };
            // The broker's timestamps may step back; the run takes the maximum.
            long timestamp = clocks[shard] - (random.Next(10) == 0 ? random.Next(5_000) : 0);
            if (messages.Count > 0 && random.Next(15) == 0 && messages.FindLast(m => m.Shard == shard) is { } earlier)
                messages.Add(earlier with { TimestampMs = timestamp });
            else
                messages.Add(new TestMessage(Span(random, shard, messages.Count), timestamp, shard));
        }
        return [.. messages];
    }

    private static byte[] Span(Random random, int shard, int index)
    {
        int trace = random.Next(12);
        int id = random.Next(8) == 0 ? random.Next(1, 40) : index + 100;
        int parent = random.Next(3) == 0 ? random.Next(1, 40) : Math.Max(1, index + 100 - random.Next(1, 60));
        bool root = random.Next(7) == 0;
        string parentText = root && random.Next(2) == 0 ? "null" : $"\"{parent:x16}\"";
        string mark = root ? "true" : random.Next(3) switch { 0 => "null", _ => "false" };
        string text = string.Create(CultureInfo.InvariantCulture,
            $"{{\"organization_id\":1,\"project_id\":{random.Next(1, 3)},\"trace_id\":\"{shard:x16}{trace:x16}\",\"span_id\":\"{id:x16}\",\"parent_span_id\":{parentText},\"is_segment\":{mark},\"start_timestamp\":1,\"end_timestamp\":2.5,\"received\":3,\"retention_days\":90,\"status\":\"ok\",\"filler\":\"{new string('x', random.Next(200))}\"}}");
        return Encoding.UTF8.GetBytes(text);
    }
}

using System.Diagnostics;
using System.Globalization;
using Sheaf.Kafka.Native;
using Sheaf.TestKit;
using Sheaf.TestKit.Kafka;

namespace Sheaf.TestWorkers;

/// <summary>
/// Clients of Kafka, one after the other, in a process that does nothing else: what it grows by is theirs. Says the growth in bytes.
/// </summary>
internal static class TestClients
{
    private const int Few = 10; // what the first ones load and reserve is kept
    private const int Many = 40;

    public static async Task RunAsync(string brokers, string topic, string group)
    {
        for (int i = 0; i < Few; i++) await UseAsync(brokers, topic, $"{group}-{i}");
        long before = ResidentBytes();
        for (int i = 0; i < Many; i++) await UseAsync(brokers, topic, $"{group}-{Few + i}");
        long grown = ResidentBytes() - before;
        await Eventually.TrueAsync(() => LibRdKafka.rd_kafka_thread_cnt() == 0, "the end of the clients' threads");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"grown by {grown}"));
    }

    private static async Task UseAsync(string brokers, string topic, string group)
    {
        using var member = new TestMember(brokers, topic, group);
        await member.ReadAsync(200);
        using var producer = new TestProducer(brokers, topic);
        await producer.ProduceAsync([]);
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }
}

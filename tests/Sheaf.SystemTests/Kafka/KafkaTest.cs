using System.Text;
using Sheaf.Kafka;
using Sheaf.TestKit.Kafka;

namespace Sheaf.SystemTests.Kafka;

/// <summary>A broker for the tests of one class, which stop it.</summary>
public sealed class OwnBroker : IDisposable
{
    public KafkaBroker Broker { get; } = KafkaBroker.StartOwn();

    public void Dispose() => Broker.Dispose();
}

/// <summary>
/// What the tests with a broker need. All classes talk to one broker at the same time; a class whose tests stop it has an <see cref="OwnBroker"/>.
/// </summary>
public abstract class KafkaTest(KafkaBroker broker) : IClassFixture<KafkaBroker>
{
    /// <summary>What the mock cluster lacks for transactions.</summary>
    private protected const string ShowsAborted = "its topics show aborted messages", ForgetsOffsets = "it forgets the offsets that a transaction commits";

    /// <summary>What makes the mock cluster slow where a group's members change.</summary>
    private protected const string KeepsLeavers = "it keeps a member that has left until its session times out";

    private protected KafkaBroker Broker { get; } = broker;

    private protected KafkaOutputOptions OutputTo(params string[] topics) => new()
    {
        Address = new KafkaAddress(Broker.Brokers, [.. topics], "", []),
        MaxSegmentBytes = 100_000,
        StartTimeout = Broker.HasTopicConfiguration ? TimeSpan.FromSeconds(30) : TimeSpan.FromSeconds(1),
        Config = new KafkaConfig().Set("linger.ms", "1"),
    };

    private protected static byte[][] Numbers(int first, int count, int bytes = 0) =>
        [.. Enumerable.Range(first, count).Select(n => Encoding.UTF8.GetBytes($"{n}:{new string('p', bytes)}"))];

    private protected static int NumberOf(ReceivedMessage message) =>
        int.Parse(message.Text[..message.Text.IndexOf(':', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture);

    private protected static void AssertNone(KafkaError error) => Assert.Equal("no error", error.ToString());

    private protected static void AssertDone(TransactionResult result) => Assert.Equal("no error", result.Error.ToString());
}

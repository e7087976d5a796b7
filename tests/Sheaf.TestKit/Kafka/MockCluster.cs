using Sheaf.Kafka;
using Sheaf.Kafka.Native;

namespace Sheaf.TestKit.Kafka;

/// <summary>
/// librdkafka's mock cluster: brokers inside of this process, with faults on request. It keeps about 5 MB per partition and cannot describe a topic's
/// configuration. Whoever makes one disposes it. Any thread.
/// </summary>
public sealed unsafe class MockCluster : IDisposable
{
    /// <summary>Api keys of requests, for <see cref="FailNext"/>.</summary>
    public const short Produce = 0;

    private readonly ClientHandle _client;
    private nint _cluster;

    public MockCluster(int brokers = 1)
    {
        TestFunctions.EnsureLoaded();
        _client = ClientHandle.Create(ClientType.Producer, new KafkaConfig(), new ClientEvents(null));
        _cluster = TestFunctions.rd_kafka_mock_cluster_new(_client, brokers);
        Brokers = NativeText.Read(TestFunctions.rd_kafka_mock_cluster_bootstraps(_cluster))!;
    }

    /// <summary>Its bootstrap servers.</summary>
    public string Brokers { get; }

    public void CreateTopic(string name, int partitions = 1) =>
        Assert(TestFunctions.rd_kafka_mock_topic_create(_cluster, name, partitions, 1));

    /// <summary>What the brokers say of the topic from now on; 0: nothing special.</summary>
    public void SetTopicError(string topic, int error) => TestFunctions.rd_kafka_mock_topic_set_error(_cluster, topic, error);

    /// <summary>The next requests of this kind fail, in this order.</summary>
    public void FailNext(short request, params int[] errors)
    {
        fixed (int* first = errors) TestFunctions.rd_kafka_mock_push_request_errors_array(_cluster, request, (nuint)errors.Length, first);
    }

    /// <summary>Brokers have numbers from 1.</summary>
    public void StopBroker(int broker = 1) => Assert(TestFunctions.rd_kafka_mock_broker_set_down(_cluster, broker));

    public void StartBroker(int broker = 1) => Assert(TestFunctions.rd_kafka_mock_broker_set_up(_cluster, broker));

    public void Dispose()
    {
        if (_cluster != 0) TestFunctions.rd_kafka_mock_cluster_destroy(_cluster);
        _cluster = 0;
        _client.Dispose();
    }

    private static void Assert(int error) => Xunit.Assert.Equal("no error", new KafkaError(error).ToString());
}

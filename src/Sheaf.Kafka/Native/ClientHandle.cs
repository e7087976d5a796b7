using System.Runtime.InteropServices;

namespace Sheaf.Kafka.Native;

/// <summary>
/// A client of librdkafka (<c>rd_kafka_t</c>) with what must end with it: its queues, its topic objects, and the <see cref="ClientEvents"/> that its
/// callbacks find through a GC handle. Any thread may dispose it, also in the middle of a call: the client is destroyed by whoever lets go of it last,
/// which is never inside of a callback, since the call that runs the callback holds it.
/// </summary>
internal sealed unsafe class ClientHandle : SafeHandle
{
    private readonly List<nint> _topics = [];
    private readonly List<nint> _queues = [];
    private GCHandle _events;

    private ClientHandle(GCHandle events)
        : base(0, ownsHandle: true) => _events = events;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The client's own pointer, for calls inside of a scope that holds the handle.</summary>
    public nint Pointer => handle;

    /// <summary>The queue that is polled: the consumer's, or the main one. Lives as long as the handle.</summary>
    public nint Queue => _queues[0];

    /// <summary>Makes a client.</summary>
    /// <param name="config">Its properties.</param>
    /// <param name="events">Hears of everything that the client's callbacks tell. Must not refer to the handle, or neither would ever be collected.</param>
    /// <exception cref="ConfigurationException">A property is wrong, or librdkafka refuses the whole.</exception>
    public static ClientHandle Create(ClientType type, KafkaConfig config, ClientEvents events)
    {
        nint conf = config.ToNative();
        var client = new ClientHandle(GCHandle.Alloc(events));
        try
        {
            ClientEvents.Register(conf, type, GCHandle.ToIntPtr(client._events));
            LibRdKafka.rd_kafka_conf_enable_sasl_queue(conf, 1);
            byte* error = stackalloc byte[NativeText.ErrorSize];
            nint pointer = LibRdKafka.rd_kafka_new((int)type, conf, error, NativeText.ErrorSize);
            if (pointer == 0) throw new ConfigurationException($"Kafka: {config.Redact(NativeText.Read(error) ?? "the client cannot be made")}");
            conf = 0;
            client.SetHandle(pointer);
            nint failure = LibRdKafka.rd_kafka_sasl_background_callbacks_enable(client);
            if (failure != 0) LibRdKafka.rd_kafka_error_destroy(failure); // no SASL mechanism that has callbacks
            if (type == ClientType.Consumer) LibRdKafka.rd_kafka_poll_set_consumer(client);
            client._queues.Add(type == ClientType.Consumer
                ? LibRdKafka.rd_kafka_queue_get_consumer(client)
                : LibRdKafka.rd_kafka_queue_get_main(client));
            return client;
        }
        catch
        {
            if (conf != 0) LibRdKafka.rd_kafka_conf_destroy(conf);
            if (client.IsInvalid) client._events.Free();
            client.Dispose();
            throw;
        }
    }

    /// <summary>A topic object that lives as long as the handle. Not from several threads at once.</summary>
    public nint Topic(string name)
    {
        nint topic = LibRdKafka.rd_kafka_topic_new(this, name, 0);
        if (topic == 0) throw new ConfigurationException($"Kafka: no topic can be called '{name}'");
        _topics.Add(topic);
        return topic;
    }

    /// <summary>A further queue that lives as long as the handle. Not from several threads at once.</summary>
    public nint NewQueue()
    {
        nint queue = LibRdKafka.rd_kafka_queue_new(this);
        _queues.Add(queue);
        return queue;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        // Queues and topics hold the client; it would wait for them for ever.
        foreach (nint queue in _queues) LibRdKafka.rd_kafka_queue_destroy(queue);
        foreach (nint topic in _topics) LibRdKafka.rd_kafka_topic_destroy(topic);
        ((ClientEvents)_events.Target!).BeDestroyed(handle);
        LibRdKafka.rd_kafka_destroy(handle); // a consumer leaves its group, which runs callbacks on this thread
        _events.Free();
        return true;
    }
}

/// <summary><c>rd_kafka_type_t</c>.</summary>
internal enum ClientType
{
    Producer = 0,
    Consumer = 1,
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Sheaf.Kafka.Native;

/// <summary>
/// The functions of librdkafka that we use, under their C names so that its manual can be searched for them. <see cref="KafkaLibrary.EnsureLoaded"/> must have run before the first call.
/// </summary>
/// <remarks>
/// Functions that may block, destroy a client or run callbacks are ordinary calls; only field reads that return at once suppress the GC transition.
/// A <c>nint</c> that is returned belongs to the caller unless its comment says otherwise.
/// </remarks>
internal static unsafe partial class LibRdKafka
{
    /// <summary>The name under which <see cref="KafkaLibrary"/> resolves the library.</summary>
    public const string Name = "rdkafka";

    [LibraryImport(Name)]
    public static partial int rd_kafka_version();

    /// <summary>A static text.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_err2name(int error);

    /// <summary>A static text.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_err2str(int error);

    /// <summary>Threads of librdkafka in this process.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_thread_cnt();

    /// <summary>0 once every client of the process is gone, -1 on time-out.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_wait_destroyed(int timeoutMs);

    // Configuration

    [LibraryImport(Name)]
    public static partial nint rd_kafka_conf_new();

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_destroy(nint conf);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rd_kafka_conf_set(nint conf, string name, string value, byte* error, nuint errorSize);

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_set_opaque(nint conf, nint opaque);

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_set_log_cb(nint conf, delegate* unmanaged[Cdecl]<nint, int, byte*, byte*, void> callback);

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_set_error_cb(nint conf, delegate* unmanaged[Cdecl]<nint, int, byte*, nint, void> callback);

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_set_rebalance_cb(nint conf, delegate* unmanaged[Cdecl]<nint, int, TopicPartitionList*, nint, void> callback);

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_set_offset_commit_cb(nint conf, delegate* unmanaged[Cdecl]<nint, int, TopicPartitionList*, nint, void> callback);

    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_set_dr_msg_cb(nint conf, delegate* unmanaged[Cdecl]<nint, NativeMessage*, nint, void> callback);

    /// <summary>With <see cref="rd_kafka_sasl_background_callbacks_enable"/>: OAUTHBEARER tokens are fetched by a thread of librdkafka.</summary>
    [LibraryImport(Name)]
    public static partial void rd_kafka_conf_enable_sasl_queue(nint conf, int enable);

    // Clients

    /// <summary>Takes <paramref name="conf"/> over, unless it returns 0.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_new(int type, nint conf, byte* error, nuint errorSize);

    [LibraryImport(Name)]
    public static partial void rd_kafka_destroy(nint client);

    /// <summary>What <see cref="rd_kafka_conf_set_opaque"/> was given. At once.</summary>
    [LibraryImport(Name)]
    [SuppressGCTransition]
    public static partial nint rd_kafka_opaque(nint client);

    /// <summary>An error object, or 0.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_sasl_background_callbacks_enable(ClientHandle client);

    [LibraryImport(Name)]
    public static partial int rd_kafka_fatal_error(ClientHandle client, byte* error, nuint errorSize);

    [LibraryImport(Name)]
    public static partial int rd_kafka_poll(ClientHandle client, int timeoutMs);

    /// <summary>From inside of a callback: lets the poll that runs it return.</summary>
    [LibraryImport(Name)]
    public static partial void rd_kafka_yield(nint client);

    [LibraryImport(Name)]
    public static partial int rd_kafka_metadata(ClientHandle client, int allTopics, nint onlyTopic, Metadata** metadata, int timeoutMs);

    [LibraryImport(Name)]
    public static partial void rd_kafka_metadata_destroy(Metadata* metadata);

    /// <summary>Waits for the brokers. A text to be given back with <see cref="rd_kafka_mem_free"/>; null on time-out.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_clusterid(ClientHandle client, int timeoutMs);

    // Memory that librdkafka frees, or has allocated

    [LibraryImport(Name)]
    public static partial void* rd_kafka_mem_malloc(nint client, nuint size);

    [LibraryImport(Name)]
    public static partial void rd_kafka_mem_free(nint client, void* memory);

    // Error objects

    [LibraryImport(Name)]
    public static partial int rd_kafka_error_code(nint error);

    /// <summary>Lives as long as the error.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_error_string(nint error);

    [LibraryImport(Name)]
    public static partial int rd_kafka_error_is_fatal(nint error);

    [LibraryImport(Name)]
    public static partial int rd_kafka_error_is_retriable(nint error);

    [LibraryImport(Name)]
    public static partial int rd_kafka_error_txn_requires_abort(nint error);

    [LibraryImport(Name)]
    public static partial void rd_kafka_error_destroy(nint error);

    // Lists of partitions

    [LibraryImport(Name)]
    public static partial TopicPartitionList* rd_kafka_topic_partition_list_new(int capacity);

    [LibraryImport(Name)]
    public static partial void rd_kafka_topic_partition_list_destroy(TopicPartitionList* list);

    /// <summary>The new element; valid until the next one is added.</summary>
    [LibraryImport(Name)]
    public static partial TopicPartition* rd_kafka_topic_partition_list_add(TopicPartitionList* list, byte* topic, int partition);

    // Queues

    [LibraryImport(Name)]
    public static partial nint rd_kafka_queue_new(ClientHandle client);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_queue_get_consumer(ClientHandle client);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_queue_get_main(ClientHandle client);

    [LibraryImport(Name)]
    public static partial void rd_kafka_queue_destroy(nint queue);

    /// <summary>Lets a poll of the queue, now or the next one, return. Any thread.</summary>
    [LibraryImport(Name)]
    public static partial void rd_kafka_queue_yield(nint queue);

    /// <summary>An event, or 0 on time-out.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_queue_poll(nint queue, int timeoutMs);

    // Consuming

    [LibraryImport(Name)]
    public static partial int rd_kafka_subscribe(ClientHandle client, TopicPartitionList* topics);

    /// <summary>Redirects the main queue to the consumer's, so that one poll serves both.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_poll_set_consumer(ClientHandle client);

    /// <summary>Waits its whole time-out for a full batch. Runs callbacks. The messages belong to the caller; -1 with nothing read on failure.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_consume_batch_queue(nint queue, int timeoutMs, NativeMessage** messages, nuint capacity);

    [LibraryImport(Name)]
    public static partial void rd_kafka_message_destroy(NativeMessage* message);

    /// <summary>Milliseconds since 1970, -1 where the message has none. At once.</summary>
    [LibraryImport(Name)]
    [SuppressGCTransition]
    public static partial long rd_kafka_message_timestamp(NativeMessage* message, int* type);

    /// <summary>The headers still belong to the message.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_message_headers(NativeMessage* message, nint* headers);

    /// <summary>Replaces the whole assignment; null ends it.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_assign(nint client, TopicPartitionList* partitions);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_incremental_assign(nint client, TopicPartitionList* partitions);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_incremental_unassign(nint client, TopicPartitionList* partitions);

    [LibraryImport(Name)]
    public static partial int rd_kafka_assignment_lost(nint client);

    /// <summary>A static text: NONE, EAGER or COOPERATIVE; null while the client leaves its group.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_rebalance_protocol(nint client);

    [LibraryImport(Name)]
    public static partial int rd_kafka_commit(ClientHandle client, TopicPartitionList* offsets, int async);

    [LibraryImport(Name)]
    public static partial int rd_kafka_committed(ClientHandle client, TopicPartitionList* partitions, int timeoutMs);

    [LibraryImport(Name)]
    public static partial int rd_kafka_pause_partitions(ClientHandle client, TopicPartitionList* partitions);

    [LibraryImport(Name)]
    public static partial int rd_kafka_resume_partitions(ClientHandle client, TopicPartitionList* partitions);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_seek_partitions(ClientHandle client, TopicPartitionList* partitions, int timeoutMs);

    /// <summary>What the last fetch told. At once; -1001 where nothing is known.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_get_watermark_offsets(ClientHandle client, byte* topic, int partition, long* low, long* high);

    /// <summary>Each offset is a time to look for, or -1 for the end; found offsets are put in their places.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_offsets_for_times(ClientHandle client, TopicPartitionList* offsets, int timeoutMs);

    [LibraryImport(Name)]
    public static partial int rd_kafka_query_watermark_offsets(ClientHandle client, byte* topic, int partition, long* low, long* high, int timeoutMs);

    /// <summary>Starts to leave the group. Rebalance callbacks and the end go to the queue, which must be polled until <see cref="rd_kafka_consumer_closed"/>.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_consumer_close_queue(ClientHandle client, nint queue);

    [LibraryImport(Name)]
    public static partial int rd_kafka_consumer_closed(ClientHandle client);

    /// <summary>The group as this member knows it just now; 0 where there is no group.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_consumer_group_metadata(ClientHandle client);

    [LibraryImport(Name)]
    public static partial void rd_kafka_consumer_group_metadata_destroy(nint metadata);

    // Producing

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint rd_kafka_topic_new(ClientHandle client, string topic, nint conf);

    [LibraryImport(Name)]
    public static partial void rd_kafka_topic_destroy(nint topic);

    /// <summary>Lives as long as the topic.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_topic_name(nint topic);

    /// <summary>An error object, or 0; then the message's headers belong to librdkafka.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_produceva(ClientHandle client, ProduceArgument* arguments, nuint count);

    [LibraryImport(Name)]
    public static partial int rd_kafka_purge(ClientHandle client, int flags);

    [LibraryImport(Name)]
    public static partial int rd_kafka_outq_len(ClientHandle client);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_headers_new(nuint capacity);

    [LibraryImport(Name)]
    public static partial void rd_kafka_headers_destroy(nint headers);

    /// <summary>Copies name and value.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_header_add(nint headers, byte* name, nint nameLength, byte* value, nint valueLength);

    /// <summary>Name and value live as long as the headers.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_header_get_all(nint headers, nuint index, byte** name, byte** value, nuint* valueLength);

    // Transactions: each returns an error object, or 0

    [LibraryImport(Name)]
    public static partial nint rd_kafka_init_transactions(ClientHandle client, int timeoutMs);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_begin_transaction(ClientHandle client);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_send_offsets_to_transaction(ClientHandle client, TopicPartitionList* offsets, GroupMetadata group, int timeoutMs);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_commit_transaction(ClientHandle client, int timeoutMs);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_abort_transaction(ClientHandle client, int timeoutMs);

    // Describing topics and groups, with what the client may do with them

    [LibraryImport(Name)]
    public static partial nint rd_kafka_TopicCollection_of_topic_names(byte** topics, nuint count);

    [LibraryImport(Name)]
    public static partial void rd_kafka_TopicCollection_destroy(nint topics);

    /// <summary>An error object, or 0.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_AdminOptions_set_include_authorized_operations(nint options, int isOn);

    [LibraryImport(Name)]
    public static partial void rd_kafka_DescribeTopics(ClientHandle client, nint topics, nint options, nint queue);

    /// <summary>Lives as long as the event.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_event_DescribeTopics_result(nint @event);

    [LibraryImport(Name)]
    public static partial nint* rd_kafka_DescribeTopics_result_topics(nint result, nuint* count);

    /// <summary>Null where the brokers do not tell.</summary>
    [LibraryImport(Name)]
    public static partial int* rd_kafka_TopicDescription_authorized_operations(nint topic, nuint* count);

    [LibraryImport(Name)]
    public static partial void rd_kafka_DescribeConsumerGroups(ClientHandle client, byte** groups, nuint count, nint options, nint queue);

    /// <summary>Lives as long as the event.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_event_DescribeConsumerGroups_result(nint @event);

    [LibraryImport(Name)]
    public static partial nint* rd_kafka_DescribeConsumerGroups_result_groups(nint result, nuint* count);

    /// <summary>An error object that lives as long as the event, or 0.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_ConsumerGroupDescription_error(nint group);

    /// <summary>Null where the brokers do not tell.</summary>
    [LibraryImport(Name)]
    public static partial int* rd_kafka_ConsumerGroupDescription_authorized_operations(nint group, nuint* count);

    // Creating topics

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint rd_kafka_NewTopic_new(string topic, int partitions, int replicas, byte* error, nuint errorSize);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int rd_kafka_NewTopic_set_config(nint topic, string name, string value);

    [LibraryImport(Name)]
    public static partial void rd_kafka_NewTopic_destroy(nint topic);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_AdminOptions_new(ClientHandle client, int operation);

    [LibraryImport(Name)]
    public static partial void rd_kafka_AdminOptions_destroy(nint options);

    /// <summary>The brokers say what they would do, and do nothing.</summary>
    [LibraryImport(Name)]
    public static partial int rd_kafka_AdminOptions_set_validate_only(nint options, int isOn, byte* error, nuint errorSize);

    [LibraryImport(Name)]
    public static partial void rd_kafka_CreateTopics(ClientHandle client, nint* topics, nuint count, nint options, nint queue);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_event_CreateTopics_result(nint @event);

    [LibraryImport(Name)]
    public static partial nint* rd_kafka_CreateTopics_result_topics(nint result, nuint* count);

    [LibraryImport(Name)]
    public static partial int rd_kafka_topic_result_error(nint topic);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_topic_result_error_string(nint topic);

    // Reading a topic's id

    /// <summary>An error object that belongs to the topic, also where there is no error.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_TopicDescription_error(nint topic);

    [LibraryImport(Name)]
    public static partial nint rd_kafka_TopicDescription_topic_id(nint topic);

    [LibraryImport(Name)]
    public static partial long rd_kafka_Uuid_most_significant_bits(nint id);

    [LibraryImport(Name)]
    public static partial long rd_kafka_Uuid_least_significant_bits(nint id);

    /// <summary>Lives as long as the id.</summary>
    [LibraryImport(Name)]
    public static partial byte* rd_kafka_Uuid_base64str(nint id);

    // Reading a topic's configuration

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint rd_kafka_ConfigResource_new(int type, string name);

    [LibraryImport(Name)]
    public static partial void rd_kafka_ConfigResource_destroy(nint resource);

    [LibraryImport(Name)]
    public static partial void rd_kafka_DescribeConfigs(ClientHandle client, nint* resources, nuint count, nint options, nint queue);

    /// <summary>Lives as long as the event; 0 where it is another one.</summary>
    [LibraryImport(Name)]
    public static partial nint rd_kafka_event_DescribeConfigs_result(nint @event);

    [LibraryImport(Name)]
    public static partial nint* rd_kafka_DescribeConfigs_result_resources(nint result, nuint* count);

    [LibraryImport(Name)]
    public static partial int rd_kafka_ConfigResource_error(nint resource);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_ConfigResource_name(nint resource);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_ConfigResource_error_string(nint resource);

    [LibraryImport(Name)]
    public static partial nint* rd_kafka_ConfigResource_configs(nint resource, nuint* count);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_ConfigEntry_name(nint entry);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_ConfigEntry_value(nint entry);

    [LibraryImport(Name)]
    public static partial int rd_kafka_event_error(nint @event);

    [LibraryImport(Name)]
    public static partial byte* rd_kafka_event_error_string(nint @event);

    [LibraryImport(Name)]
    public static partial void rd_kafka_event_destroy(nint @event);
}

namespace Sheaf.Kafka;

/// <summary>Something that librdkafka tells, for the log. Comes on any thread, one of librdkafka's too: take it quickly, throw nothing.</summary>
/// <param name="Level">As in syslog: 0 (emergency) to 7 (debug); 4 is a warning.</param>
/// <param name="Facility">librdkafka's short name for the kind of event, for instance FAIL; ERROR for what it reports as an error.</param>
/// <param name="Text">May name hosts, topics and group members, never a property's value that is secret.</param>
public readonly record struct KafkaLogLine(int Level, string Facility, string Text);

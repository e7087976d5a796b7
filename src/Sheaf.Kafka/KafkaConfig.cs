using System.Globalization;
using System.Text;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// Properties of a librdkafka client, in the order in which they were given; a later one replaces an earlier one of the same name. Every property that
/// can be written as text may be given, but for the few that would break what Sheaf promises. One owner until it is used; then it is only read.
/// </summary>
public sealed class KafkaConfig
{
    /// <summary>What stands for a secret in logs and messages.</summary>
    public const string Redacted = "(secret)";

    // Set by Sheaf. The other value would lose spans, or leave it deaf.
    private static readonly Dictionary<string, (string[] Allowed, string Reason)> Reserved = new(StringComparer.Ordinal)
    {
        ["enable.auto.commit"] = (["false"], "Sheaf commits offsets when their spans are safe"),
        ["enable.auto.offset.store"] = (["false"], "Sheaf commits offsets when their spans are safe"),
        ["enable.partition.eof"] = (["true"], "Sheaf needs to know where a partition ends now"),
        ["enable.idempotence"] = (["true"], "without it a retry could repeat or reorder segments"),
        ["acks"] = (["all", "-1"], "a segment leaves the buffer when the output has it for sure"),
        ["request.required.acks"] = (["all", "-1"], "a segment leaves the buffer when the output has it for sure"),
        ["delivery.report.only.error"] = (["false"], "Sheaf waits for the delivery of every segment"),
        ["log.queue"] = (["false"], "Sheaf takes the log lines as they come"),
    };

    private const string InTheAddress = "the brokers stand in the addresses of --input and --output";

    // Set by Sheaf, from what it is told in another way.
    private static readonly Dictionary<string, string> Elsewhere = new(StringComparer.Ordinal)
    {
        ["bootstrap.servers"] = InTheAddress,
        ["metadata.broker.list"] = InTheAddress,
        ["group.id"] = "name the group with --consumer-group, or ?group=NAME in --input",
        ["group.instance.id"] = "use --group-instance-id",
        ["transactional.id"] = "Sheaf makes one for each producer of --delivery exactly-once and of --progress-topic, from the group and --group-instance-id",
        ["auto.offset.reset"] = "use --auto-offset-reset",
        ["max.poll.interval.ms"] = "use --max-poll-interval-ms",
    };

    private readonly List<KeyValuePair<string, string>> _properties = [];

    /// <summary>An empty configuration.</summary>
    public KafkaConfig()
    {
    }

    private KafkaConfig(IEnumerable<KeyValuePair<string, string>> properties) => _properties.AddRange(properties);

    /// <summary>The properties that hold, secrets in the clear: for librdkafka only. For people: <see cref="Describe"/>.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Properties => _properties;

    /// <summary>Whether the property has a value here.</summary>
    public bool Has(string name) => _properties.Exists(p => p.Key == name);

    /// <summary>The largest message that the client takes, in bytes; null where it is librdkafka's default, or no number.</summary>
    internal int? MaxMessageBytes =>
        int.TryParse(_properties.Find(p => p.Key == "message.max.bytes").Value, NumberStyles.None, CultureInfo.InvariantCulture, out int bytes) ? bytes : null;

    /// <summary>Adds a property.</summary>
    public KafkaConfig Set(string name, string value)
    {
        _properties.RemoveAll(p => p.Key == name);
        _properties.Add(new(name, value));
        return this;
    }

    /// <summary>Adds a property where it has no value yet.</summary>
    public KafkaConfig SetDefault(string name, string value) => Has(name) ? this : Set(name, value);

    /// <summary>A configuration of its own with the same properties.</summary>
    public KafkaConfig Copy() => new(_properties);

    /// <summary>Reads <c>name=value</c>; the value is everything behind the first <c>=</c>.</summary>
    /// <param name="problem">Why not, and the way out; never the value.</param>
    public static bool TryParseProperty(string text, out KeyValuePair<string, string> property, out string problem)
    {
        int at = text.IndexOf('=', StringComparison.Ordinal);
        string name = at < 0 ? "" : text[..at].Trim();
        property = new(name, at < 0 ? "" : text[(at + 1)..]);
        // What has no name may be a secret that lost it.
        problem = name.Length > 0 ? WhyNot(name, property.Value) ?? "" : "a Kafka property needs the form name=value, for instance security.protocol=ssl";
        return problem.Length == 0;
    }

    /// <summary>Why a property may not be given, and what to use instead; null where it may. What librdkafka says of it is another matter.</summary>
    internal static string? WhyNot(string name, string value) =>
        Elsewhere.TryGetValue(name, out string? instead) ? $"{name} is set by Sheaf: {instead}"
        : Reserved.TryGetValue(name, out (string[] Allowed, string Reason) reserved) && !reserved.Allowed.Contains(value, StringComparer.OrdinalIgnoreCase)
            ? $"{name} must stay {reserved.Allowed[0]}: {reserved.Reason}" : null;

    /// <summary>Whether the property's value must never be shown.</summary>
    public static bool IsSecret(string name) =>
        name is "sasl.oauthbearer.config" or "ssl.key.pem" or "ssl_key"
        || name.Contains("password", StringComparison.OrdinalIgnoreCase)
        || name.Contains("secret", StringComparison.OrdinalIgnoreCase)
        || name.Contains("passphrase", StringComparison.OrdinalIgnoreCase)
        || name.Contains("private.key", StringComparison.OrdinalIgnoreCase)
        || name.Contains("token", StringComparison.OrdinalIgnoreCase) && !name.EndsWith(".url", StringComparison.Ordinal);

    /// <summary>The properties for a log line, secrets replaced.</summary>
    public string Describe() => string.Join(", ", _properties.Select(p => $"{p.Key}={(IsSecret(p.Key) ? Redacted : p.Value)}"));

    /// <summary>Checks every property with librdkafka.</summary>
    /// <exception cref="ConfigurationException">Every fault is in the message, with librdkafka's own words; no secret is.</exception>
    public void Validate() => LibRdKafka.rd_kafka_conf_destroy(ToNative());

    /// <summary>
    /// A text about the configuration as a whole, without its secrets. Those of less than four characters would be found in every word, and are no
    /// secrets; a fault of one property is redacted by itself.
    /// </summary>
    internal string Redact(string text)
    {
        foreach ((string name, string value) in _properties)
            if (value.Length >= 4 && IsSecret(name)) text = text.Replace(value, Redacted, StringComparison.Ordinal);
        return text;
    }

    /// <summary>librdkafka's words where they do not hold the value.</summary>
    private static string FaultOfSecret(string? fault, string value) =>
        fault is null || (value.Length > 0 && fault.Contains($"\"{value}\"", StringComparison.Ordinal)) || (value.Length >= 4 && fault.Contains(value, StringComparison.Ordinal))
            ? "its value is not accepted" : fault;

    /// <summary>As librdkafka's object, which belongs to the caller.</summary>
    internal unsafe nint ToNative()
    {
        KafkaLibrary.EnsureLoaded();
        nint conf = LibRdKafka.rd_kafka_conf_new();
        byte* error = stackalloc byte[NativeText.ErrorSize];
        var faults = new StringBuilder();
        foreach ((string name, string value) in _properties)
        {
            string? fault = null;
            if (Reserved.TryGetValue(name, out (string[] Allowed, string Reason) reserved) && !reserved.Allowed.Contains(value, StringComparer.OrdinalIgnoreCase))
                fault = $"must stay {reserved.Allowed[0]}: {reserved.Reason}";
            else if (LibRdKafka.rd_kafka_conf_set(conf, name, value, error, NativeText.ErrorSize) != 0)
                fault = IsSecret(name) ? FaultOfSecret(NativeText.Read(error), value) : NativeText.Read(error) ?? "not accepted";
            if (fault is not null) faults.Append(faults.Length > 0 ? "; " : "").Append(name).Append(": ").Append(fault);
        }
        if (faults.Length == 0) return conf;
        LibRdKafka.rd_kafka_conf_destroy(conf);
        throw new ConfigurationException(
            $"Kafka property {faults}. The properties of librdkafka {KafkaLibrary.VersionText(LibRdKafka.rd_kafka_version())} are in its CONFIGURATION.md");
    }
}

using System.Collections.Immutable;
using System.Globalization;

namespace Sheaf.Kafka;

/// <summary>What an address is for: an input names one topic and maybe a group, an output one topic or several.</summary>
public enum KafkaAddressRole
{
    /// <summary><c>kafka://host:port[,host:port]/topic[?group=NAME]</c>.</summary>
    Input,

    /// <summary><c>kafka://host:port[,host:port]/topic[,topic2]</c>.</summary>
    Output,
}

/// <summary>
/// Where topics are: <c>kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC2][?group=NAME&amp;PROPERTY=VALUE]</c>. The port is 9092 where none is given. A
/// parameter with a dot in its name is a property of librdkafka; values may be percent-encoded. Immutable.
/// </summary>
/// <param name="Brokers">As librdkafka's <c>bootstrap.servers</c> has them.</param>
/// <param name="Topics">One for an input, at least one for an output.</param>
/// <param name="Group">The consumer group; empty for an output, and where the address of an input names none.</param>
/// <param name="Properties">In the order in which they stand there.</param>
public sealed record KafkaAddress(
    string Brokers, ImmutableArray<string> Topics, string Group, ImmutableArray<KeyValuePair<string, string>> Properties)
{
    /// <summary>What every address of Kafka begins with.</summary>
    public const string Scheme = "kafka://";

    private const int DefaultPort = 9092;

    /// <summary>Characters of a topic's name, at most.</summary>
    public const int MaxTopicLength = 249;

    /// <summary>The first topic.</summary>
    public string Topic => Topics[0];

    /// <summary>Whether a text means Kafka, right or wrong, and not a file.</summary>
    public static bool IsKafka(string text) => text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads an address.</summary>
    /// <param name="problem">The part that is wrong, its value, and the way out; secrets are not repeated.</param>
    public static bool TryParse(string text, KafkaAddressRole role, out KafkaAddress address, out string problem)
    {
        address = null!;
        if (!IsKafka(text))
        {
            problem = $"an address of Kafka begins with {Scheme}: {Form(role)}";
            return false;
        }
        string rest = text[Scheme.Length..];
        int query = rest.IndexOf('?', StringComparison.Ordinal);
        string parameters = query < 0 ? "" : rest[(query + 1)..];
        if (query >= 0) rest = rest[..query];
        if (rest.Contains('@', StringComparison.Ordinal))
        {
            problem = $"user and password do not belong in an address, where everybody sees them: give sasl.username and sasl.password with --kafka-config, "
                + $"better in a file or the environment. {Form(role)}";
            return false;
        }
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        if (!TryParseBrokers(slash < 0 ? rest : rest[..slash], out string brokers, out problem)
            || !TryParseTopics(slash < 0 ? "" : rest[(slash + 1)..], role, out ImmutableArray<string> topics, out problem)
            || !TryParseParameters(parameters, role, out string group, out ImmutableArray<KeyValuePair<string, string>> properties, out problem))
        {
            problem = $"{problem}. {Form(role)}";
            return false;
        }
        address = new KafkaAddress(brokers, topics, group, properties);
        return true;
    }

    /// <summary>The address without its parameters: a name for people.</summary>
    public override string ToString() => $"{Scheme}{Brokers}/{string.Join(',', Topics)}";

    private static string Form(KafkaAddressRole role) => role switch
    {
        KafkaAddressRole.Input => "Form: kafka://HOST:PORT[,HOST:PORT]/TOPIC?group=NAME",
        KafkaAddressRole.Output => "Form: kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC2]",
    };

    private static bool TryParseBrokers(string text, out string brokers, out string problem)
    {
        var parsed = new List<string>();
        brokers = "";
        foreach (string broker in text.Split(','))
        {
            // The colons of an IPv6 address stand in brackets.
            int bracket = broker.StartsWith('[') ? broker.IndexOf(']', StringComparison.Ordinal) : -1;
            int colon = broker.IndexOf(':', Math.Max(0, bracket));
            string host = colon < 0 ? broker : broker[..colon];
            string port = colon < 0 ? DefaultPort.ToString(CultureInfo.InvariantCulture) : broker[(colon + 1)..];
            if (host.Length == 0 || host.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            {
                problem = $"broker '{broker}': a host name is missing";
                return false;
            }
            if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number is < 1 or > 65535)
            {
                problem = $"broker '{broker}': port '{port}' is not a number from 1 to 65535";
                return false;
            }
            parsed.Add(string.Create(CultureInfo.InvariantCulture, $"{host}:{number}"));
        }
        brokers = string.Join(',', parsed);
        problem = "";
        return true;
    }

    private static bool TryParseTopics(string text, KafkaAddressRole role, out ImmutableArray<string> topics, out string problem)
    {
        topics = [.. text.Split(',')];
        problem = "";
        if (text.Length == 0) problem = "the topic is missing";
        else if (role == KafkaAddressRole.Input && topics.Length > 1) problem = $"topics '{text}': an input has one topic; run one Sheaf for each";
        else if (topics.Distinct(StringComparer.Ordinal).Count() < topics.Length) problem = $"topics '{text}': a topic stands there twice";
        else if (topics.FirstOrDefault(t => !IsTopicName(t)) is { } wrong)
            problem = $"topic '{wrong}': a name has 1 to {MaxTopicLength} of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
        return problem.Length == 0;
    }

    /// <summary>Whether a topic may be called that.</summary>
    public static bool IsTopicName(string name) =>
        name.Length is > 0 and <= MaxTopicLength && name is not ("." or "..") && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static bool TryParseParameters(
        string text, KafkaAddressRole role, out string group, out ImmutableArray<KeyValuePair<string, string>> properties, out string problem)
    {
        group = "";
        problem = "";
        ImmutableArray<KeyValuePair<string, string>>.Builder found = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>();
        foreach (string parameter in text.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int at = parameter.IndexOf('=', StringComparison.Ordinal);
            string name = Uri.UnescapeDataString(at < 0 ? parameter : parameter[..at]);
            string value = at < 0 ? "" : Uri.UnescapeDataString(parameter[(at + 1)..]);
            if (role == KafkaAddressRole.Input && value.Length > 0 && name is ("group" or "group.id")) group = value;
            else if (KafkaConfig.IsSecret(name)) problem = $"parameter {name}: a secret does not belong in an address: give it with --kafka-config, better in a file or the environment";
            else if (value.Length == 0) problem = $"parameter {name}: its value is missing";
            else if (KafkaConfig.WhyNot(name, value) is { } refusal) problem = $"parameter {refusal}";
            else if (!name.Contains('.', StringComparison.Ordinal) && name is not "debug") problem = $"parameter {name}: not known; known are {(role == KafkaAddressRole.Input ? "group and " : "")}the properties of librdkafka";
            else found.Add(new(name, value));
            if (problem.Length > 0) break;
        }
        properties = found.ToImmutable();
        return problem.Length == 0;
    }
}

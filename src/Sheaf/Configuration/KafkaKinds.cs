using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;
using Sheaf.Kafka;

namespace Sheaf.Configuration;

/// <summary>A path, <c>-</c>, or the address of a topic. What is no secret in an address is shown; what was put there by mistake is not.</summary>
internal sealed partial class PlaceKind(KafkaAddressRole role) : OptionKind<string>
{
    private readonly PathKind _path = new(allowsDash: true);

    public override string Placeholder => "PATH|-|kafka://…";

    public override string Range => role == KafkaAddressRole.Input
        ? "a path, - or kafka://HOST:PORT[,HOST:PORT]/TOPIC?group=NAME"
        : "a path, - or kafka://HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC2]";

    public override bool TryParse(string text, [MaybeNullWhen(false)] out string value) =>
        _path.TryParse(text, out value) && (!KafkaAddress.IsKafka(text) || KafkaAddress.TryParse(text, role, out _, out _));

    public override string Shown(string text) =>
        KafkaAddress.IsKafka(text) ? Parameter().Replace(Credentials().Replace(text, "$1***@"), parameter => KafkaConfig.IsSecret(parameter.Groups[1].Value) ? $"{parameter.Groups[1].Value}=***" : parameter.Value) : text;

    public override string Problem(string text) => KafkaAddress.IsKafka(text) && !KafkaAddress.TryParse(text, role, out _, out string problem)
        ? $"'{Shown(text)}': {problem}"
        : base.Problem(text);

    public override string Format(string value) => value;

    [GeneratedRegex("(://).*@")]
    private static partial Regex Credentials();

    [GeneratedRegex("(?<=[?&])([^=&]*)=([^&]*)")]
    private static partial Regex Parameter();
}

/// <summary>
/// Properties of librdkafka, <c>name=value</c>. They are joined by commas, as in every list, but a value may have commas itself: what does not begin with a name and <c>=</c> goes on
/// with the value before it.
/// </summary>
internal sealed partial class KafkaConfigKind : OptionKind<string>
{
    public override string Placeholder => "NAME=VALUE";

    public override string Range => "a property of librdkafka as name=value, or several";

    public override bool IsList => true;

    /// <summary>The properties of a value that <see cref="TryParse"/> has accepted.</summary>
    public static KafkaConfig Read(string text)
    {
        var config = new KafkaConfig();
        foreach (string part in Parts(text))
            if (KafkaConfig.TryParseProperty(part, out KeyValuePair<string, string> property, out _)) config.Set(property.Key, property.Value);
        return config;
    }

    public override bool TryParse(string text, [MaybeNullWhen(false)] out string value)
    {
        bool isGood = Parts(text).All(part => KafkaConfig.TryParseProperty(part, out _, out _));
        value = isGood ? string.Join(',', Read(text).Properties.Select(p => $"{p.Key}={p.Value}")) : null;
        return isGood;
    }

    public override string Problem(string text) => string.Join("; ", Parts(text)
        .Select(part => KafkaConfig.TryParseProperty(part, out _, out string problem) ? "" : problem).Where(problem => problem.Length > 0).Distinct());

    public override string Shown(string text) => string.Join(',', Parts(text).Select(part =>
        KafkaConfig.TryParseProperty(part, out KeyValuePair<string, string> property, out _)
            ? $"{property.Key}={(KafkaConfig.IsSecret(property.Key) ? "***" : property.Value)}" : "***"));

    public override string Format(string value) => value;

    private static IEnumerable<string> Parts(string text) => text.Length == 0 ? [] : Separator().Split(text).Select(part => part.Trim());

    [GeneratedRegex(@",(?=\s*[A-Za-z][A-Za-z0-9._]*=)")]
    private static partial Regex Separator();
}

/// <summary>The name of a member of a group.</summary>
internal sealed class MemberNameKind : OptionKind<string>
{
    private const int MaxLength = 249;

    public override string Placeholder => "NAME";

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"1 to {MaxLength} of the characters a-z, A-Z, 0-9, '.', '_' and '-'");

    public override bool TryParse(string text, [MaybeNullWhen(false)] out string value)
    {
        value = text;
        return KafkaAddress.IsTopicName(text); // the brokers have one rule for both
    }

    public override string Format(string value) => value;
}

/// <summary>The name of a consumer group: the brokers take any text.</summary>
internal sealed class GroupNameKind : OptionKind<string>
{
    private const int MaxLength = 255;

    public override string Placeholder => "NAME";

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"a name of 1 to {MaxLength} characters");

    public override bool TryParse(string text, [MaybeNullWhen(false)] out string value)
    {
        value = text;
        return text.Length is > 0 and <= MaxLength && !text.Any(char.IsControl);
    }

    public override string Format(string value) => value;
}

using System.Diagnostics.CodeAnalysis;
using Sheaf.Kafka;

namespace Sheaf.Configuration;

/// <summary>One of a few words.</summary>
internal sealed class ChoiceKind<T>(params (string Word, T Value)[] choices) : OptionKind<T>
    where T : struct, Enum
{
    public override string Placeholder => string.Join('|', choices.Select(c => c.Word));

    public override string Range => "one of " + string.Join(", ", choices.Select(c => c.Word));

    public override bool TryParse(string text, out T value)
    {
        foreach ((string word, T choice) in choices)
        {
            if (!word.Equals(text, StringComparison.OrdinalIgnoreCase)) continue;
            value = choice;
            return true;
        }
        value = default;
        return false;
    }

    public override string Format(T value) => choices.First(c => EqualityComparer<T>.Default.Equals(c.Value, value)).Word;
}

/// <summary>On or off; the name alone means on.</summary>
internal sealed class FlagKind : OptionKind<bool>
{
    public override string Placeholder => "";

    public override string Range => "true or false";

    public override bool IsFlag => true;

    public override bool TryParse(string text, out bool value)
    {
        value = text.Equals("true", StringComparison.OrdinalIgnoreCase);
        return value || text.Equals("false", StringComparison.OrdinalIgnoreCase);
    }

    public override string Format(bool value) => value ? "true" : "false";
}

/// <summary>A path; whether there is such a file is seen when it is opened.</summary>
/// <param name="allowsDash"><c>-</c> stands for standard input or output.</param>
internal sealed class PathKind(bool allowsDash) : OptionKind<string>
{
    public const string Dash = "-";

    public override string Placeholder => allowsDash ? "PATH|-" : "PATH";

    public override string Range => allowsDash ? "a path or -" : "a path";

    public override bool TryParse(string text, [MaybeNullWhen(false)] out string value)
    {
        value = text;
        return text.Length > 0 && !text.Contains('\0') && (allowsDash || text != Dash);
    }

    public override string Format(string value) => value;
}

/// <summary>Where messages go that cannot be used.</summary>
internal abstract record DeadLetterTarget
{
    private DeadLetterTarget()
    {
    }

    /// <summary>Appended to a file.</summary>
    internal sealed record File(string Path) : DeadLetterTarget;

    /// <summary>A topic, on the brokers of the output, or else of the input.</summary>
    internal sealed record Kafka(string Topic) : DeadLetterTarget;

    /// <summary>Nowhere: the first one stops the run.</summary>
    internal sealed record Stop : DeadLetterTarget;
}

/// <summary><c>file:PATH</c>, <c>kafka:TOPIC</c> or <c>stop</c>.</summary>
internal sealed class DeadLetterKind : OptionKind<DeadLetterTarget>
{
    private const string Prefix = "file:";
    private const string KafkaPrefix = "kafka:";

    public override string Placeholder => "file:PATH|kafka:TOPIC|stop";

    public override string Range => "file:PATH, kafka:TOPIC or stop";

    public override bool TryParse(string text, [MaybeNullWhen(false)] out DeadLetterTarget value)
    {
        value = text switch
        {
            "stop" => new DeadLetterTarget.Stop(),
            _ when text.StartsWith(Prefix, StringComparison.Ordinal) && text.Length > Prefix.Length && !text.Contains('\0') => new DeadLetterTarget.File(text[Prefix.Length..]),
            _ when text.StartsWith(KafkaPrefix, StringComparison.Ordinal) && KafkaAddress.IsTopicName(text[KafkaPrefix.Length..]) => new DeadLetterTarget.Kafka(text[KafkaPrefix.Length..]),
            _ => null,
        };
        return value is not null;
    }

    public override string Format(DeadLetterTarget value) => value switch
    {
        DeadLetterTarget.File file => Prefix + file.Path,
        DeadLetterTarget.Kafka kafka => KafkaPrefix + kafka.Topic,
        _ => "stop", // DeadLetterTarget.Stop: the set is closed by its private constructor
    };
}

using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Sheaf.Kafka;
using Sheaf.Spans;

namespace Sheaf.Configuration;

/// <summary>Where dead letters are read from.</summary>
internal abstract record LettersPlace
{
    private LettersPlace()
    {
    }

    /// <summary>A file that a run has written.</summary>
    internal sealed record File(string Path) : LettersPlace;

    /// <summary>A topic that a run has written to.</summary>
    internal sealed record Topic(KafkaAddress Address) : LettersPlace
    {
        public bool Equals(Topic? other) => other is not null && other.Address.ToString() == Address.ToString();

        public override int GetHashCode() => Address.ToString().GetHashCode(StringComparison.Ordinal);
    }
}

/// <summary><c>file:PATH</c> or the address of one topic.</summary>
internal sealed class LettersPlaceKind : OptionKind<LettersPlace>
{
    private const string Prefix = "file:";
    private static readonly PlaceKind Address = new(KafkaAddressRole.Output);

    public override string Placeholder => "kafka://HOST:PORT/TOPIC|file:PATH";

    public override string Range => "kafka://HOST:PORT[,HOST:PORT]/TOPIC or file:PATH";

    public override bool TryParse(string text, [MaybeNullWhen(false)] out LettersPlace value)
    {
        value = null;
        if (text.StartsWith(Prefix, StringComparison.Ordinal) && text.Length > Prefix.Length && !text.Contains('\0')) value = new LettersPlace.File(text[Prefix.Length..]);
        else if (KafkaAddress.TryParse(text, KafkaAddressRole.Output, out KafkaAddress address, out _) && address.Topics.Length == 1) value = new LettersPlace.Topic(address);
        return value is not null;
    }

    public override string Shown(string text) => Address.Shown(text);

    public override string Problem(string text) =>
        KafkaAddress.IsKafka(text) && !KafkaAddress.TryParse(text, KafkaAddressRole.Output, out _, out string problem) ? $"'{Shown(text)}': {problem}" : base.Problem(text);

    public override string Format(LettersPlace value) => value switch
    {
        LettersPlace.File file => Prefix + file.Path,
        LettersPlace.Topic topic => KafkaPlaceText.Of(topic.Address),
        _ => "", // the set is closed by its private constructor
    };
}

/// <summary>An address with its parameters, as it is written.</summary>
internal static class KafkaPlaceText
{
    public static string Of(KafkaAddress address) =>
        address.Properties.IsEmpty ? address.ToString() : $"{address}?{string.Join('&', address.Properties.Select(p => $"{Uri.EscapeDataString(p.Key)}={Uri.EscapeDataString(p.Value)}"))}";
}

/// <summary>A topic that messages go back to: its name on the brokers of the dead letters, or an address.</summary>
internal sealed class RedriveTargetKind : OptionKind<string>
{
    private static readonly PlaceKind Address = new(KafkaAddressRole.Output);

    public override string Placeholder => "TOPIC|kafka://HOST:PORT/TOPIC";

    public override string Range => "the name of a topic, or kafka://HOST:PORT[,HOST:PORT]/TOPIC";

    public override bool TryParse(string text, [MaybeNullWhen(false)] out string value)
    {
        value = text;
        return KafkaAddress.IsKafka(text) ? KafkaAddress.TryParse(text, KafkaAddressRole.Output, out KafkaAddress address, out _) && address.Topics.Length == 1 : KafkaAddress.IsTopicName(text);
    }

    public override string Shown(string text) => Address.Shown(text);

    public override string Format(string value) => value;
}

/// <summary>Names of reasons.</summary>
internal sealed class ReasonSetKind : SetKind<string>
{
    private static readonly FrozenSet<string> Known = Enum.GetValues<SpanFaultKind>().Where(kind => kind != SpanFaultKind.None).Select(kind => kind.Name()).ToFrozenSet();

    public override string Placeholder => "REASON[,REASON...]";

    public override string Range => $"a list of {string.Join(", ", Known.Order(StringComparer.Ordinal))}, separated by commas";

    protected override IComparer<string> Comparer => StringComparer.Ordinal;

    protected override bool TryParseOne(string text, [MaybeNullWhen(false)] out string id)
    {
        id = text;
        return Known.Contains(text);
    }

    protected override string FormatOne(string id) => id;
}

/// <summary>A moment: a date with or without a time, or how long ago.</summary>
/// <param name="At">Null where it is told by <paramref name="Ago"/>.</param>
internal readonly record struct Moment(DateTimeOffset? At, TimeSpan Ago)
{
    /// <param name="now">What "ago" is counted from.</param>
    public DateTimeOffset From(DateTimeOffset now) => At ?? now - Ago;
}

/// <summary><c>2026-01-31</c>, <c>2026-01-31T12:00:00Z</c>, or <c>2h</c> for two hours ago. UTC where no offset is given.</summary>
internal sealed class MomentKind : OptionKind<Moment>
{
    private static readonly string[] Formats = ["yyyy-MM-dd", "yyyy-MM-ddTHH:mm", "yyyy-MM-ddTHH:mmK", "yyyy-MM-ddTHH:mm:ss", "yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK"];
    private static readonly DurationKind Duration = new(TimeSpan.Zero, TimeSpan.FromDays(3650));

    public override string Placeholder => "MOMENT";

    public override string Range => "a moment as 2026-01-31, 2026-01-31T12:00:00Z (UTC where no offset is given), or a time ago as 90s, 30m, 2h, 7d";

    public override bool TryParse(string text, out Moment value)
    {
        value = default;
        if (DateTimeOffset.TryParseExact(text, Formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset at)) value = new Moment(at.ToUniversalTime(), default);
        else if (text.Length > 0 && char.IsAsciiLetter(text[^1]) && Duration.TryParse(text, out TimeSpan ago)) value = new Moment(null, ago);
        else return false;
        return true;
    }

    public override string Format(Moment value) =>
        value.At is { } at ? at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFFK", CultureInfo.InvariantCulture) : value.Ago == TimeSpan.Zero ? "0s" : Duration.Format(value.Ago);
}

/// <summary>So many messages a second, as <c>100</c> or <c>100/s</c>.</summary>
internal sealed class RateKind : OptionKind<int>
{
    private const string PerSecond = "/s";
    private static readonly IntegerKind<int> Number = new(0, 1_000_000);

    public override string Placeholder => "N/s";

    public override string Range => "messages a second from 1/s to 1000000/s, or 0 for no limit";

    public override bool TryParse(string text, out int value) => Number.TryParse(text.EndsWith(PerSecond, StringComparison.Ordinal) ? text[..^PerSecond.Length] : text, out value);

    public override string Format(int value) => value == 0 ? "0" : Number.Format(value) + PerSecond;
}

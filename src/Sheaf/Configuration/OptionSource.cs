namespace Sheaf.Configuration;

/// <summary>Where a value comes from, in words for people: <c>command line</c>, <c>SHEAF_SHARDS</c>, <c>sheaf.json, line 3</c>, <c>default</c>.</summary>
internal readonly record struct OptionSource(string Text)
{
    public static readonly OptionSource CommandLine = new("command line");

    public static readonly OptionSource Default = new("default");

    public static OptionSource Variable(string name) => new(name);

    /// <param name="line">From 1.</param>
    public static OptionSource File(string path, int line) => new($"{path}, line {line}");

    public override string ToString() => Text;
}

/// <summary>A value as somebody gave it, not yet looked at.</summary>
internal readonly record struct GivenValue(OptionSpec Option, string Text, OptionSource Source);

/// <summary>Something that is wrong with the configuration.</summary>
/// <param name="Subject">The option as it is written on the command line, or whatever else is at fault.</param>
/// <param name="Problem">With the value and the range.</param>
internal sealed record ConfigurationFault(string Subject, string Problem, OptionSource? Source = null)
{
    public static ConfigurationFault OutOfRange(GivenValue given) =>
        new(given.Option.CommandLineName, given.Option.Problem(given.Text), given.Source);

    public override string ToString() => Source is { } source ? $"{Subject}: {Problem} ({source})" : $"{Subject}: {Problem}";
}

/// <summary>What one source gave, and what is wrong with it.</summary>
/// <param name="PassedOver">What was given and means nothing here, a sentence each.</param>
internal sealed record ConfigurationLayer(IReadOnlyList<GivenValue> Values, IReadOnlyList<ConfigurationFault> Faults, IReadOnlyList<string> PassedOver)
{
    public static readonly ConfigurationLayer Empty = new([], []);

    public ConfigurationLayer(IReadOnlyList<GivenValue> values, IReadOnlyList<ConfigurationFault> faults)
        : this(values, faults, [])
    {
    }
}

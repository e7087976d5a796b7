using System.Collections.Frozen;

namespace Sheaf.Configuration;

// To add an option: add it here and to the commands that have it (below), bind it in the command, give DlqOptionBoundaries (tests) its values.

/// <summary>
/// The options of <c>sheaf dlq</c>: command line, <c>--help</c> and faults follow from them as from <see cref="OptionTable"/>. Those that this table shares with that one may be given as variables and in
/// the file too; the others are for one call, and stand on the command line only.
/// </summary>
internal static class DlqOptionTable
{
    public static readonly OptionSpec<LettersPlace> DeadLetter = new(new LettersPlaceKind())
    {
        Name = "dead-letter",
        Group = OptionGroup.BadMessages,
        Summary = "Where the dead letters are: a topic, or a file that a run has written.",
        Details = "",
        DefaultText = "none",
        Required = true,
    };

    public static readonly OptionSpec<FrozenSet<string>> Reason = new(new ReasonSetKind())
    {
        Name = "reason",
        Group = OptionGroup.BadMessages,
        Summary = "Only letters with these reasons.",
        Details = "",
        Default = _ => "",
        DefaultText = "any",
    };

    public static readonly OptionSpec<FrozenSet<long>> SourcePartition = new(new IdSetKind())
    {
        Name = "source-partition",
        Group = OptionGroup.BadMessages,
        Summary = "Only letters of messages from these partitions of the input.",
        Details = "",
        Default = _ => "",
        DefaultText = "any",
    };

    public static readonly OptionSpec<Moment> Since = new(new MomentKind())
    {
        Name = "since",
        Group = OptionGroup.BadMessages,
        Summary = "Only letters that were written then or later.",
        Details = "",
        DefaultText = "any",
    };

    public static readonly OptionSpec<Moment> Until = new(new MomentKind())
    {
        Name = "until",
        Group = OptionGroup.BadMessages,
        Summary = "Only letters that were written before.",
        Details = "",
        DefaultText = "any",
    };

    public static readonly OptionSpec<long> Limit = new(new IntegerKind<long>(0, long.MaxValue))
    {
        Name = "limit",
        Group = OptionGroup.BadMessages,
        Summary = "Stop after so many letters; 0 is no limit.",
        Details = "",
        Default = _ => "0",
        DefaultText = "0",
    };

    public static readonly OptionSpec<bool> Json = new(new FlagKind())
    {
        Name = "json",
        Group = OptionGroup.BadMessages,
        Summary = "One JSON object per letter, and one with the counts as the last line.",
        Details = "",
        Default = _ => "false",
        DefaultText = "false",
    };

    public static readonly OptionSpec<bool> Raw = new(new FlagKind())
    {
        Name = "raw",
        Group = OptionGroup.BadMessages,
        Summary = "Exactly the bytes of the message on standard output, and nothing else.",
        Details = "",
        Default = _ => "false",
        DefaultText = "false",
    };

    public static readonly OptionSpec<string> To = new(new RedriveTargetKind())
    {
        Name = "to",
        Group = OptionGroup.BadMessages,
        Summary = "The topic that all messages go to.",
        Details = "",
        DefaultText = "each to the topic that it came from, on the brokers of the dead letters",
    };

    public static readonly OptionSpec<int> Rate = new(new RateKind())
    {
        Name = "rate",
        Group = OptionGroup.BadMessages,
        Summary = "Most messages that are sent in a second.",
        Details = "",
        Default = _ => "100/s",
        DefaultText = "100/s",
    };

    public static readonly OptionSpec<bool> Send = new(new FlagKind())
    {
        Name = "send",
        Group = OptionGroup.BadMessages,
        Summary = "Really send. Without it the command only tells what it would send, and where to.",
        Details = "",
        Default = _ => "false",
        DefaultText = "false",
    };

    public static readonly OptionSpec<bool> DryRun = new(new FlagKind())
    {
        Name = "dry-run",
        Group = OptionGroup.BadMessages,
        Summary = "Only tell what would be sent, and where to: what happens without --send.",
        Details = "",
        Default = _ => "false",
        DefaultText = "true without --send",
    };

    public static readonly OptionSpec<string> ProgressGroup = new(new MemberNameKind())
    {
        Name = "group",
        Group = OptionGroup.BadMessages,
        Summary = "Note the progress in Kafka under this name; the next redrive with it goes on behind.",
        Details = "",
        DefaultText = "none, which begins at the oldest letter",
    };

    public static readonly OptionSpec<long> AfterLine = new(new IntegerKind<long>(0, long.MaxValue))
    {
        Name = "after-line",
        Group = OptionGroup.BadMessages,
        Summary = "Of a file: begin behind this line. A redrive says how far it came.",
        Details = "",
        Default = _ => "0",
        DefaultText = "0",
    };

    private static readonly OptionSpec[] Shared = [OptionTable.KafkaConfig, OptionTable.LogLevel, OptionTable.Config];
    private static readonly OptionSpec[] Filters = [Reason, SourcePartition, Since, Until, Limit];

    /// <summary>Of <c>sheaf dlq list</c>, in the order in which they are shown.</summary>
    public static IReadOnlyList<OptionSpec> List { get; } = [DeadLetter, .. Filters, Json, .. Shared];

    /// <summary>Of <c>sheaf dlq show</c>.</summary>
    public static IReadOnlyList<OptionSpec> Show { get; } = [DeadLetter, Raw, .. Shared];

    /// <summary>Of <c>sheaf dlq redrive</c>.</summary>
    public static IReadOnlyList<OptionSpec> Redrive { get; } = [DeadLetter, Send, DryRun, To, Rate, ProgressGroup, AfterLine, .. Filters, .. Shared];
}

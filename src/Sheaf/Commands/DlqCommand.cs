using System.CommandLine;
using Microsoft.Extensions.Logging;
using Sheaf.Configuration;
using Sheaf.DeadLetters;
using Sheaf.Kafka;

namespace Sheaf.Commands;

/// <summary><c>sheaf dlq …</c>: looks at dead letters, and puts their messages back. What its commands share.</summary>
internal static class DlqCommand
{
    public const string Name = "dlq";

    // The brokers allow to read under a group's name only; nothing is noted under this one.
    private const string ReaderGroup = "sheaf-dlq";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static Command Create(CommandHost host) => new(Name, "Dead letters: list them, show one, put their messages back.")
    {
        DlqListCommand.Create(host),
        DlqShowCommand.Create(host),
        DlqRedriveCommand.Create(host),
    };

    /// <summary>The options of a command of <c>dlq</c>; null for any other command.</summary>
    public static IReadOnlyList<OptionSpec>? OptionsOf(Command command) => command.Parents.Any(parent => parent.Name == Name)
        ? command.Name switch
        {
            DlqListCommand.Name => DlqOptionTable.List,
            DlqShowCommand.Name => DlqOptionTable.Show,
            _ => DlqOptionTable.Redrive,
        }
        : null;

    /// <summary>Reads the options, then does it; whatever goes wrong on purpose is told in one line.</summary>
    public static async Task<int> RunAsync(
        CommandHost host, string name, IReadOnlyList<OptionSpec> table, ConfigurationLayer commandLine, Func<EffectiveOptions, IEnumerable<ConfigurationFault>> contradictions,
        Func<DlqContext, Task<int>> action)
    {
        EffectiveOptions options = ConfigurationSources.Of(host.Machine, commandLine, host.Variables, table).Read();
        List<ConfigurationFault> faults = [.. options.Faults];
        if (options.Find(DlqOptionTable.DeadLetter) is null && faults.TrueForAll(f => f.Subject != DlqOptionTable.DeadLetter.CommandLineName))
            faults.Add(new ConfigurationFault(DlqOptionTable.DeadLetter.CommandLineName, $"is required: {DlqOptionTable.DeadLetter.Range}"));
        if (faults.Count == 0) faults.AddRange(contradictions(options));
        if (faults.Count > 0) return host.Refuse(faults, $"{Name} {name}");

        using var provider = new LineLoggerProvider(host.Error, host.Time, () => options.Get(OptionTable.LogLevel));
        using var logs = new LoggerFactory([provider]);
        using var signals = new StopSignals(logs.CreateLogger("Sheaf.Commands"), host.Exit);
        signals.Register();
        try
        {
            return await action(new DlqContext(host, options, logs.CreateLogger("Sheaf.Kafka.DeadLetters"), signals.Stopping));
        }
        catch (ConfigurationException e)
        {
            host.Error.WriteLine("sheaf: " + e.Message);
            return ExitCode.Configuration;
        }
        catch (SheafException e)
        {
            host.Error.WriteLine("sheaf: " + e.Message);
            return ExitCode.Failed;
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return signals.ExitCode ?? ExitCode.Interrupted;
        }
    }

    /// <summary>Opens the dead letters.</summary>
    /// <param name="group">Where its progress is noted; null: all of them are read.</param>
    /// <exception cref="SheafException">They cannot be read.</exception>
    public static async ValueTask<ILetterSource> OpenAsync(DlqContext context, string? group = null)
    {
        if (context.Options.Get(DlqOptionTable.DeadLetter) is not LettersPlace.Topic topic)
            return LetterFile.Open(((LettersPlace.File)context.Options.Get(DlqOptionTable.DeadLetter)).Path, context.Host.Error.WriteLine);
        return await OpenTopicAsync(context, topic.Address, (all, committed) => GoOn(context, topic.Address, all, group is null ? PartitionOffset.None : committed), group);
    }

    /// <summary>Opens a topic of dead letters.</summary>
    /// <param name="choose">What is read of each partition, see <see cref="KafkaTopicReader.OpenAsync"/>.</param>
    public static async ValueTask<LetterTopic> OpenTopicAsync(DlqContext context, KafkaAddress address, Func<PartitionRange, long, PartitionRange> choose, string? group = null)
    {
        return new LetterTopic(
            address.Topic, await KafkaTopicReader.OpenAsync(ReadingOf(context, address, group), choose, Patience, context.KafkaLog, context.Host.Time, context.Stop));
    }

    /// <summary>How a topic is read. What is deleted while it is read was old: it goes on with what is there.</summary>
    public static KafkaConsumerOptions ReadingOf(DlqContext context, KafkaAddress address, string? group = null) => new()
    {
        Address = address with { Group = group ?? ReaderGroup },
        Config = context.KafkaConfig,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        StrictOffsetReset = false,
    };

    /// <summary>Reads a partition on behind the progress that was noted, as far as that still means anything.</summary>
    private static PartitionRange GoOn(DlqContext context, KafkaAddress address, PartitionRange all, long committed)
    {
        if (committed > all.End)
        {
            context.Host.Error.WriteLine($"sheaf: partition {all.Partition} of {address.Topic} ends at {all.End}, before the progress that was noted ({committed}): the topic was made anew, and is read from its beginning");
            return all;
        }
        return committed > all.From ? all with { From = committed } : all;
    }

    /// <summary>The filters of a command that has them.</summary>
    public static LetterFilter FilterOf(DlqContext context)
    {
        DateTimeOffset now = context.Host.Time.GetUtcNow();
        DateTimeOffset? At(OptionSpec<Moment> option) => context.Options.Find(option) is null ? null : context.Options.Get(option).From(now);
        return new LetterFilter(
            context.Options.Get(DlqOptionTable.Reason), context.Options.Get(DlqOptionTable.SourcePartition), At(DlqOptionTable.Since), At(DlqOptionTable.Until));
    }
}

/// <summary>What a command of <c>dlq</c> is given.</summary>
/// <param name="Stop">Cancelled by the first signal.</param>
internal sealed record DlqContext(CommandHost Host, EffectiveOptions Options, ILogger KafkaLog, CancellationToken Stop)
{
    public KafkaConfig KafkaConfig { get; } = KafkaConfigKind.Read(Options.Get(OptionTable.KafkaConfig));
}

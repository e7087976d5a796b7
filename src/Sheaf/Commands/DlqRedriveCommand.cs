using System.CommandLine;
using System.Globalization;
using System.Text;
using Sheaf.Configuration;
using Sheaf.DeadLetters;
using Sheaf.Kafka;

namespace Sheaf.Commands;

/// <summary><c>sheaf dlq redrive</c>.</summary>
internal static class DlqRedriveCommand
{
    public const string Name = "redrive";

    public static Command Create(CommandHost host)
    {
        var command = new Command(
            Name, "Put the messages of dead letters back into their topic, byte for byte, once what made them fail is mended. Without --send it only tells what it would do. "
            + "It reads what is there at its start: messages that fail again are not sent twice by it.");
        var options = new CommandLineLayer(command, DlqOptionTable.Redrive);
        command.SetAction((parsed, _) => DlqCommand.RunAsync(host, Name, DlqOptionTable.Redrive, options.Read(parsed), FaultsOf, RunAsync));
        return command;
    }

    private static IEnumerable<ConfigurationFault> FaultsOf(EffectiveOptions options)
    {
        ConfigurationFault Fault(OptionSpec option, string problem) => new(option.CommandLineName, problem, options.Find(option)?.Source);
        if (options.Get(DlqOptionTable.Send) && options.Get(DlqOptionTable.DryRun)) yield return Fault(DlqOptionTable.DryRun, "and --send exclude each other");
        if (options.Get(DlqOptionTable.DeadLetter) is LettersPlace.Topic topic)
        {
            if (options.Get(DlqOptionTable.AfterLine) > 0) yield return Fault(DlqOptionTable.AfterLine, "is for a file; of a topic the progress is noted with --group");
            if (options.Find(DlqOptionTable.To)?.Text == topic.Address.Topic) yield return Fault(DlqOptionTable.To, $"'{topic.Address.Topic}' is where the dead letters are");
            yield break;
        }
        if (options.Find(DlqOptionTable.ProgressGroup) is not null) yield return Fault(DlqOptionTable.ProgressGroup, "is for a topic; of a file go on with --after-line");
        if (options.Find(DlqOptionTable.To) is not { } to || !KafkaAddress.IsKafka(to.Text))
            yield return Fault(DlqOptionTable.To, "must be kafka://HOST:PORT/TOPIC for dead letters in a file, which does not know the brokers");
    }

    private static async Task<int> RunAsync(DlqContext context)
    {
        EffectiveOptions options = context.Options;
        bool isDry = !options.Get(DlqOptionTable.Send);
        string? group = options.Find(DlqOptionTable.ProgressGroup)?.Text;
        KafkaAddress? lettersAddress = (options.Get(DlqOptionTable.DeadLetter) as LettersPlace.Topic)?.Address;
        await using ILetterSource opened = await DlqCommand.OpenAsync(context, group);
        await using ILetterSource letters = options.Get(DlqOptionTable.AfterLine) is > 0 and var line ? new LettersBehind(opened, line) : opened;
        await using var targets = new RedriveTargets(ChosenTarget(options, lettersAddress), lettersAddress, (address, cancel) => OpenAsync(context, address, cancel));
        var redrive = new Redrive(
            letters, targets, new RedrivePlan(DlqCommand.FilterOf(context), options.Get(DlqOptionTable.Limit), isDry),
            new RedrivePace(options.Get(DlqOptionTable.Rate), context.Host.Time),
            group is not null && opened is LetterTopic topic ? topic.CommitAsync : null,
            (letter, to, partition) =>
            {
                if (isDry) context.Host.Out.Write(string.Create(CultureInfo.InvariantCulture, $"{LetterText.Line(letter)} -> {to}:{partition}\n"));
            },
            (letter, whyNot) => context.Host.Error.WriteLine($"sheaf: {letters.Name}:{letter.Place} cannot be sent: {whyNot}"));
        try
        {
            await redrive.RunAsync(context.Stop);
        }
        finally
        {
            // Also where it failed or was told to stop: how far it got is what matters then.
            await context.Host.Out.WriteAsync(Summary(redrive.Report, isDry, group) + "\n");
        }
        return redrive.Report.NotSent > 0 ? ExitCode.Failed : ExitCode.Done;
    }

    private static KafkaAddress? ChosenTarget(EffectiveOptions options, KafkaAddress? letters)
    {
        if (options.Find(DlqOptionTable.To) is not { } to) return null;
        return KafkaAddress.TryParse(to.Text, KafkaAddressRole.Output, out KafkaAddress address, out _) ? address : letters! with { Topics = [to.Text] };
    }

    private static ValueTask<KafkaRedriveSink> OpenAsync(DlqContext context, KafkaAddress address, CancellationToken cancel) =>
        KafkaRedriveSink.OpenAsync(new KafkaOutputOptions { Name = "redrive", Address = address, Config = context.KafkaConfig }, context.KafkaLog, context.Host.Time, cancel);

    private static string Summary(RedriveReport report, bool isDry, string? group)
    {
        var text = new StringBuilder();
        if (isDry) text.Append('\n');
        text.Append(CultureInfo.InvariantCulture, $"{report.Sent:N0} messages {(isDry ? "would be sent" : "sent and acknowledged")} ({ByteText.Of(report.SentBytes)})");
        text.Append(CultureInfo.InvariantCulture, $", {report.LeftOut:N0} left out by the filters, {report.NotSent:N0} cannot be sent; {report.Read:N0} dead letters read");
        if (report.ReachedLimit) text.Append(" (up to --limit)");
        if (!isDry && report.Last is { } last) text.Append(CultureInfo.InvariantCulture, $"\nto go on behind them: --after-line {last}");
        if (!isDry && group is not null) text.Append(CultureInfo.InvariantCulture, $"\nnoted under {group}: the next redrive with --group {group} goes on behind them, those left out included");
        if (isDry) text.Append("\nNothing was sent: add --send to send them");
        return text.ToString();
    }

    /// <summary>A file's letters behind a line.</summary>
    private sealed class LettersBehind(ILetterSource letters, long line) : ILetterSource
    {
        public string Name => letters.Name;

        public async ValueTask<IReadOnlyList<KeptLetter>> ReadAsync(CancellationToken cancel)
        {
            while (await letters.ReadAsync(cancel) is { Count: > 0 } read)
                if (read.Where(letter => letter.Place.Offset > line).ToArray() is { Length: > 0 } behind) return behind;
            return [];
        }

        public ValueTask DisposeAsync() => letters.DisposeAsync();
    }
}

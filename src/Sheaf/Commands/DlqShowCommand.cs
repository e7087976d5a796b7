using System.CommandLine;
using Sheaf.Configuration;
using Sheaf.DeadLetters;
using Sheaf.Kafka;
using Sheaf.Spans;

namespace Sheaf.Commands;

/// <summary><c>sheaf dlq show</c>.</summary>
internal static class DlqShowCommand
{
    public const string Name = "show";

    // For what is only good to know.
    private static readonly TimeSpan ShortPatience = TimeSpan.FromSeconds(5);

    public static Command Create(CommandHost host)
    {
        var place = new Argument<string>("PLACE") { Description = "PARTITION:OFFSET in a topic, or the line in a file, as `sheaf dlq list` tells it." };
        var command = new Command(Name, "Show one dead letter whole: why, where from, and its message with control characters escaped. Nothing is changed.") { place };
        var options = new CommandLineLayer(command, DlqOptionTable.Show);
        command.SetAction((parsed, _) =>
        {
            string text = parsed.GetRequiredValue(place);
            return DlqCommand.RunAsync(host, Name, DlqOptionTable.Show, options.Read(parsed), given => FaultsOf(text, given), context => RunAsync(context, text));
        });
        return command;
    }

    private static IEnumerable<ConfigurationFault> FaultsOf(string text, EffectiveOptions options)
    {
        bool isFile = options.Get(DlqOptionTable.DeadLetter) is LettersPlace.File;
        if (!LetterPlace.TryParse(text, out LetterPlace place) || place.IsLine != isFile)
            yield return new ConfigurationFault("PLACE", $"'{text}' is not {(isFile ? "a line number" : "PARTITION:OFFSET")}, as `sheaf dlq list` tells it", OptionSource.CommandLine);
    }

    private static async Task<int> RunAsync(DlqContext context, string text)
    {
        _ = LetterPlace.TryParse(text, out LetterPlace place);
        await using ILetterSource letters = context.Options.Get(DlqOptionTable.DeadLetter) is LettersPlace.Topic topic
            ? await DlqCommand.OpenTopicAsync(context, topic.Address, (all, _) => Only(place, all))
            : await DlqCommand.OpenAsync(context);
        while (await letters.ReadAsync(context.Stop) is { Count: > 0 } read)
        {
            if (read.FirstOrDefault(l => l.Place == place) is not { } letter) continue;
            if (context.Options.Get(DlqOptionTable.Raw))
            {
                await using Stream output = context.Host.OpenOut();
                await output.WriteAsync(letter.Message, context.Stop);
                return ExitCode.Done;
            }
            await context.Host.Out.WriteAsync(LetterText.Whole(letter, letters.Name) + "\n");
            if (await RedrivenFromAsync(context, letter) is { } before) await context.Host.Out.WriteAsync($"\nThe message had failed before, as {before}.\n");
            return ExitCode.Done;
        }
        throw new SourceException($"there is no dead letter at {place} of {letters.Name}: see sheaf dlq list");
    }

    /// <summary>Of a partition this place; of the others nothing.</summary>
    private static PartitionRange Only(LetterPlace place, PartitionRange all) =>
        place.Partition == all.Partition && place.Offset >= all.From && place.Offset < all.End ? all with { From = place.Offset, End = place.Offset + 1 } : all with { From = all.End };

    /// <summary>Where the message was put back from, which its headers say in the topic that it came from; null where it was not, or is no longer there.</summary>
    private static async ValueTask<string?> RedrivenFromAsync(DlqContext context, KeptLetter letter)
    {
        if (context.Options.Get(DlqOptionTable.DeadLetter) is not LettersPlace.Topic topic || !KafkaAddress.IsTopicName(letter.Source)) return null;
        if (letter is not { SourcePartition: { } partition, SourceOffset: { } offset }) return null;
        try
        {
            using KafkaTopicReader reader = await KafkaTopicReader.OpenAsync(
                DlqCommand.ReadingOf(context, topic.Address with { Topics = [letter.Source] }), (all, _) => Only(new LetterPlace(partition, offset), all), ShortPatience, context.KafkaLog, context.Host.Time, context.Stop);
            IReadOnlyList<TopicMessage> read = await reader.ReadAsync(context.Stop);
            return read.Count == 1 && read[0].Headers.LastOrDefault(h => h.Key == DeadLetterHeaders.RedrivenFrom).Value is { } from ? PrintableText.Of(from) : null;
        }
        catch (SheafException)
        {
            return null; // only good to know: the topic may be gone, or not for this user
        }
    }
}

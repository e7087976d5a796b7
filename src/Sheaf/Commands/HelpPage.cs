using System.CommandLine;
using System.CommandLine.Invocation;
using System.Globalization;
using System.Text;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary><c>--help</c>: the library's page, with the options of the table in groups for the commands that have them, and what follows for some.</summary>
/// <param name="standard">The library's help.</param>
internal sealed class HelpPage(SynchronousCommandLineAction standard) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        TextWriter output = parseResult.InvocationConfiguration.Output;
        Command command = parseResult.CommandResult.Command;
        if (command.Options.Any(o => o.Name == OptionTable.Input.CommandLineName))
            output.Write(Options(command));
        else if (DlqCommand.OptionsOf(command) is { } table)
            output.Write(DlqOptions(command, table));
        else if (command.Hidden)
            output.Write(command.Description + "\n"); // of which the library says nothing
        else
            standard.Invoke(parseResult);
        if (command is RootCommand) output.Write(RootEnd());
        return ExitCode.Done;
    }

    private static string Options(Command command)
    {
        bool runs = command.Name == ProcessSpansCommand.Name;
        var text = new StringBuilder();
        string usage = runs ? "sheaf process-spans --input PATH|- --output PATH|- [options]" : $"sheaf config {command.Name} [options]";
        text.Append(CultureInfo.InvariantCulture, $"{command.Description}\n\nUsage:\n  {usage}\n");
        foreach (IGrouping<OptionGroup, OptionSpec> group in OptionTable.All.GroupBy(o => o.Group))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{OptionTable.Heading(group.Key)}:\n");
            foreach (OptionSpec option in group)
                Append(text, option);
        }
        text.Append("""
              -?, -h, --help
                  Print this page.

            Other ways to give an option, weaker than the command line in this order:
              SHEAF_MAX_FLUSH_SEGMENTS=200          an environment variable, here for --max-flush-segments
              { "max-flush-segments": 200 }         the file that --config or SHEAF_CONFIG names

            """);
        return runs ? text.Append(Codes()).Append(Examples).ToString() : text.ToString();
    }

    private static string DlqOptions(Command command, IReadOnlyList<OptionSpec> table)
    {
        var text = new StringBuilder();
        string place = string.Concat(command.Arguments.Select(a => a.Name + " "));
        text.Append(CultureInfo.InvariantCulture, $"{command.Description}\n\nUsage:\n  sheaf dlq {command.Name} {place}--dead-letter {DlqOptionTable.DeadLetter.Placeholder} [options]\n\n");
        foreach (Argument argument in command.Arguments) text.Append(CultureInfo.InvariantCulture, $"Argument:\n  {argument.Name}\n      {argument.Description}\n\n");
        text.Append("Options:\n");
        foreach (OptionSpec option in table) Append(text, option, isWatched: false);
        text.Append("""
              -?, -h, --help
                  Print this page.

            --kafka-config, --log-level and --config can also be given as SHEAF_… variables; the first two in the file that --config names, too: what
            a run needs to be let in by the brokers holds here as it is.

            """);
        return text.Append(Codes()).Append(DlqExamples).ToString();
    }

    /// <param name="isWatched">Whether the command reads its file again while it goes on.</param>
    private static void Append(StringBuilder text, OptionSpec option, bool isWatched = true)
    {
        text.Append("  ").Append(option.CommandLineName).Append(option.IsFlag ? "" : " ").Append(option.Placeholder);
        text.Append(CultureInfo.InvariantCulture, $"\n      {option.Summary}\n      ");
        // A choice's words and a path's form stand beside the name already.
        if (!option.IsFlag && !option.Placeholder.Contains('|', StringComparison.Ordinal)) text.Append(CultureInfo.InvariantCulture, $"{char.ToUpperInvariant(option.Range[0])}{option.Range[1..]}; ");
        text.Append(option.Required ? "required" : $"default: {option.DefaultText}");
        if (option.OtherNames.Count > 0) text.Append("; also ").AppendJoin(", ", option.OtherNames);
        if (option.Contrary is { } contrary) text.Append("; off: ").Append(contrary);
        text.Append(isWatched && option.Reloadable ? "; can change during a run\n" : "\n");
    }

    private static string RootEnd() => Codes() + Examples;

    private static string Codes()
    {
        var text = new StringBuilder("\nExit codes:\n");
        foreach ((int code, string meaning) in ExitCode.All)
            text.Append(CultureInfo.InvariantCulture, $"  {code,3}  {meaning}\n");
        return text.ToString();
    }

    private const string DlqExamples = """

        Examples:
          sheaf dlq list --dead-letter kafka://broker:9092/dead-spans --since 2h
          sheaf dlq show 0:17 --dead-letter kafka://broker:9092/dead-spans
          sheaf dlq redrive --dead-letter kafka://broker:9092/dead-spans --reason missing
          sheaf dlq redrive --dead-letter kafka://broker:9092/dead-spans --reason missing --group mended-clients --send
          sheaf dlq redrive --dead-letter file:sheaf-dead-letters.jsonl --to kafka://broker:9092/ingest-spans --rate 500/s --send

        """;

    private const string Examples = """

        Examples:
          sheaf process-spans --input spans.jsonl --output segments.jsonl
          zcat spans.jsonl.gz | sheaf process-spans --input - --output - | less
          sheaf process-spans --input spans.jsonl.gz --output segments.jsonl --shards 8 --flusher-processes 4 --timeout 5m
          sheaf config sample > sheaf.json && sheaf config show --config sheaf.json
          sheaf config check --input spans.jsonl --output segments.jsonl --buffer redis://localhost:6379

        """;
}

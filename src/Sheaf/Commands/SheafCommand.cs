using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary>The command line as a whole.</summary>
internal static class SheafCommand
{
    /// <summary>Runs what the words ask for; the exit code of the process.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> words, CommandHost host, RunSpans run)
    {
        RootCommand root = Create(host, run);
        // Words that begin with @ are paths here, not files with more words.
        ParseResult parsed = root.Parse(words, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (parsed.Action is ParseErrorAction) return Refuse(host, parsed);
        // Signals are ours (StopSignals): the library would end the process two seconds after the first.
        return await parsed.InvokeAsync(new InvocationConfiguration { Output = host.Out, ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
    }

    public static RootCommand Create(CommandHost host, RunSpans run)
    {
        var root = new RootCommand("Sheaf assembles trace spans into segments.");
        root.Subcommands.Add(ProcessSpansCommand.Create(host, run));
        root.Subcommands.Add(ConfigCommand.Create(host));
        root.Subcommands.Add(DlqCommand.Create(host));
        root.Subcommands.Add(DevCommand.Create());
        root.Subcommands.Add(FlusherWorkerCommand.Create(host));

        HelpOption help = root.Options.OfType<HelpOption>().Single();
        var page = new HelpPage((SynchronousCommandLineAction)help.Action!);
        help.Action = page;
        // A command that is only a heading shows what is below it.
        foreach (Command command in (Command[])[root, .. root.Subcommands])
        {
            if (command.Subcommands.Count > 0) command.SetAction(page.Invoke);
        }
        return root;
    }

    private static int Refuse(CommandHost host, ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        var faults = new List<string>(parsed.Errors.Select(e => e.Message.TrimEnd('.')));
        IEnumerable<string> known = [.. command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name), .. command.Options.Select(o => o.Name)];
        if (parsed.UnmatchedTokens.Count > 0 && faults.Count > 0) faults[0] += NearestName.Hint(parsed.UnmatchedTokens[0], known);
        string name = "sheaf";
        for (CommandResult at = parsed.CommandResult; at.Parent is CommandResult parent; at = parent) name = name.Insert("sheaf".Length, " " + at.Command.Name);
        host.Error.WriteLine(string.Join('\n', faults.Select(f => "sheaf: " + f).Append($"see {name} --help")));
        return ExitCode.Configuration;
    }
}

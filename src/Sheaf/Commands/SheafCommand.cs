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
    public static async Task<int> RunAsync(IReadOnlyList<string> words, CommandHost host, RunSpans run, CheckStart check)
    {
        RootCommand root = Create(host, run, check);
        // Words that begin with @ are paths here, not files with more words.
        ParseResult parsed = root.Parse(InOurForm([.. words]), new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        if (parsed.Action is ParseErrorAction) return Refuse(host, parsed);
        // Signals are ours (StopSignals): the library would end the process two seconds after the first.
        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { Output = host.Out, ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
        }
        catch (IOException e)
        {
            host.Error.WriteLine("sheaf: standard output: " + e.Message); // commands deal with their own files
            return ExitCode.Failed;
        }
    }

    /// <summary>
    /// <c>help</c> and <c>version</c> as words, and a command line of the original's: <c>run consumer process-spans …</c>, with <c>--</c> between the options of the consumer and those of
    /// the buffer.
    /// </summary>
    private static string[] InOurForm(string[] words)
    {
        if (words is ["help", .. var about]) return [.. about, "--help"];
        if (words is ["version"]) return ["--version"];
        if (words is ["run", ..])
        {
            int consumer = Array.IndexOf(words, "consumer"), name = Array.IndexOf(words, ProcessSpansCommand.Name);
            if (consumer > 0 && name > consumer) words = [ProcessSpansCommand.Name, .. words.Where((_, at) => at > 0 && at != consumer && at != name)];
        }
        return words is [ProcessSpansCommand.Name, ..] or [ConfigCommand.Name, ..] ? [.. words.Where(word => word != "--")] : words;
    }

    private static RootCommand Create(CommandHost host, RunSpans run, CheckStart check)
    {
        var root = new RootCommand("Sheaf assembles trace spans into segments.");
        root.Subcommands.Add(ProcessSpansCommand.Create(host, run));
        root.Subcommands.Add(ConfigCommand.Create(host, check));
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
        if (parsed.UnmatchedTokens is ["run", ..]) faults = [$"of the original's 'run consumer …' Sheaf knows one consumer: {ProcessSpansCommand.Name}"];
        host.Error.WriteLine(string.Join('\n', faults.Select(f => "sheaf: " + f).Append($"see {name} --help")));
        return ExitCode.Configuration;
    }
}

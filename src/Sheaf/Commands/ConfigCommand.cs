using System.CommandLine;
using System.Globalization;
using System.Text;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary><c>sheaf config …</c>: looks at the configuration without running anything.</summary>
internal static class ConfigCommand
{
    public static Command Create(CommandHost host)
    {
        var command = new Command("config", "Look at the configuration without running anything.");
        command.Subcommands.Add(WithOptions(host, "show", "Print the value of every option and where it is from.", Show));
        command.Subcommands.Add(WithOptions(host, "check", "Tell every fault of the options, the environment and the file.", Check));
        command.Subcommands.Add(Printing(host, "sample", "Print a configuration file to start from.", SampleFile.Write));
        Command docs = Printing(host, "docs", "Print docs/configuration.md.", ConfigurationPage.Write);
        docs.Hidden = true;
        command.Subcommands.Add(docs);
        return command;
    }

    private static Command WithOptions(CommandHost host, string name, string description, Func<CommandHost, EffectiveOptions, int> action)
    {
        var command = new Command(name, description);
        var options = new CommandLineLayer(command, OptionTable.All);
        command.SetAction(parsed => action(host, ConfigurationSources.Of(host.Machine, options.Read(parsed), host.Variables).Read()));
        return command;
    }

    private static Command Printing(CommandHost host, string name, string description, Func<string> text)
    {
        var command = new Command(name, description);
        command.SetAction(_ =>
        {
            host.Out.Write(text());
            return ExitCode.Done;
        });
        return command;
    }

    private static int Show(CommandHost host, EffectiveOptions options)
    {
        (string Name, string Value, string Source)[] rows =
        [
            ("option", "value", "source"),
            .. OptionTable.All.Select(option => options.Find(option) is { } value ? (option.Name, option.Shown(value.Text), value.Source.Text) : (option.Name, "", "not set")),
        ];
        int nameWidth = rows.Max(r => r.Name.Length);
        int valueWidth = rows.Max(r => r.Value.Length);
        var text = new StringBuilder();
        foreach ((string name, string value, string source) in rows)
            text.Append(CultureInfo.InvariantCulture, $"{name.PadRight(nameWidth)}  {value.PadRight(valueWidth)}  {source}\n");
        host.Out.Write(text);
        return Check(host, options);
    }

    /// <summary>That input and output are missing is no fault here: they are often given at the start only.</summary>
    private static int Check(CommandHost host, EffectiveOptions options)
    {
        IReadOnlyList<ConfigurationFault> faults = PlanBinder.Check(options);
        return faults.Count > 0 ? host.Refuse(faults) : ExitCode.Done;
    }
}

using System.CommandLine;
using System.Globalization;
using System.Text;
using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary><c>sheaf config …</c>: looks at the configuration without running anything.</summary>
internal static class ConfigCommand
{
    public const string Name = "config";

    public static Command Create(CommandHost host, CheckStart check)
    {
        var command = new Command(Name, "Look at the configuration without running anything.");
        command.Subcommands.Add(WithOptions(host, "show", "Print the value of every option and where it is from.", (options, _) => Task.FromResult(Show(host, options))));
        command.Subcommands.Add(WithOptions(host, "check", "Look at everything that a start needs: options, files, topics and the server. Changes nothing.", (options, cancel) => CheckAsync(host, check, options, cancel)));
        command.Subcommands.Add(Printing(host, "sample", "Print a configuration file to start from.", SampleFile.Write));
        Command docs = Printing(host, "docs", "Print docs/configuration.md.", ConfigurationPage.Write);
        docs.Hidden = true;
        command.Subcommands.Add(docs);
        return command;
    }

    private static Command WithOptions(CommandHost host, string name, string description, Func<EffectiveOptions, CancellationToken, Task<int>> action)
    {
        var command = new Command(name, description);
        var options = new CommandLineLayer(command, OptionTable.All);
        command.SetAction((parsed, cancel) => action(ConfigurationSources.Of(host.Machine, options.Read(parsed), host.Variables).Read(), cancel));
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
        // That input and output are missing is no fault here: they are often given at the start only.
        IReadOnlyList<ConfigurationFault> faults = PlanBinder.Check(options);
        return faults.Count > 0 ? host.Refuse(faults) : ExitCode.Done;
    }

    /// <summary>As strict as a start, with a line for each thing that was looked at.</summary>
    private static async Task<int> CheckAsync(CommandHost host, CheckStart check, EffectiveOptions options, CancellationToken cancel)
    {
        foreach (string word in options.PassedOver) host.Error.WriteLine("sheaf: " + word);
        if (PlanBinder.Bind(options, out IReadOnlyList<ConfigurationFault> faults) is not { } plan) return host.Refuse(faults);
        int given = OptionTable.All.Count(option => options.Find(option) is { } value && value.Source != OptionSource.Default);
        IReadOnlyList<Finding> found =
        [
            new("options", FindingKind.Sound, string.Create(CultureInfo.InvariantCulture, $"{given} given, the others have their defaults; sheaf config show prints them all")),
            .. await check(plan, host.Time, cancel),
        ];
        foreach (Finding finding in found.Where(finding => finding.Kind != FindingKind.Fault))
            await host.Out.WriteAsync($"{Word(finding.Kind),-11}  {finding.Subject}: {finding.Text}\n");
        string[] wrong = [.. found.Where(finding => finding.Kind == FindingKind.Fault).Select(finding => finding.Text).Distinct()];
        if (wrong.Length > 0) return host.Refuse(wrong);
        return ExitCode.Done;
    }

    private static string Word(FindingKind kind) => kind switch
    {
        FindingKind.Sound => "sound",
        FindingKind.Fault => "fault",
        FindingKind.NotChecked => "not checked",
    };
}

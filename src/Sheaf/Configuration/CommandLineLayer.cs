using System.CommandLine;
using System.CommandLine.Parsing;

namespace Sheaf.Configuration;

/// <summary>
/// The options of a table on a command. The parser only finds names and their words; what the words mean, and every fault,
/// is decided where the environment and the file are read too.
/// </summary>
internal sealed class CommandLineLayer
{
    private readonly List<(OptionSpec Spec, Option Option)> _options = [];
    private readonly Dictionary<OptionSpec, Option<bool>> _contraries = [];

    /// <summary>Adds options to a command.</summary>
    public CommandLineLayer(Command command, IReadOnlyList<OptionSpec> table)
    {
        foreach (OptionSpec spec in table)
        {
            Option option = spec.IsFlag
                ? new Option<bool>(spec.CommandLineName) { Arity = ArgumentArity.ZeroOrOne }
                : new Option<string[]>(spec.CommandLineName) { Arity = ArgumentArity.ZeroOrMore, AllowMultipleArgumentsPerToken = false };
            foreach (string name in spec.OtherNames) option.Aliases.Add(name);
            if (spec.Contrary is { } contrary) command.Options.Add(_contraries[spec] = new Option<bool>(contrary) { Arity = ArgumentArity.Zero });
            option.Description = spec.Summary;
            option.HelpName = spec.Placeholder;
            _options.Add((spec, option));
            command.Options.Add(option);
        }
        command.TreatUnmatchedTokensAsErrors = false;
    }

    public ConfigurationLayer Read(ParseResult parsed)
    {
        var values = new List<GivenValue>();
        var faults = new List<ConfigurationFault>();
        foreach ((OptionSpec spec, Option option) in _options)
        {
            if (_contraries.TryGetValue(spec, out Option<bool>? contrary) && parsed.GetResult(contrary) is { Implicit: false })
            {
                if (parsed.GetResult(option) is { Implicit: false })
                    faults.Add(new ConfigurationFault(spec.CommandLineName, $"and {spec.Contrary} exclude each other", OptionSource.CommandLine));
                else
                    values.Add(new GivenValue(spec, "false", OptionSource.CommandLine));
                continue;
            }
            if (parsed.GetResult(option) is not { Implicit: false } result) continue;
            string[] words = [.. result.Tokens.Select(t => t.Value)];
            if (spec.IsFlag && words.Length == 0) words = ["true"];
            if (words.Length == 0 || words.Length < result.IdentifierTokenCount)
                faults.Add(new ConfigurationFault(spec.CommandLineName, $"needs a value: {spec.Range}", OptionSource.CommandLine));
            else if (words.Length > 1 && !spec.IsList)
                faults.Add(new ConfigurationFault(spec.CommandLineName, $"is given {words.Length} times", OptionSource.CommandLine));
            else
                values.Add(new GivenValue(spec, string.Join(',', words), OptionSource.CommandLine));
        }
        var passedOver = new List<string>();
        AddUnmatched(parsed.UnmatchedTokens, faults, passedOver);
        return new ConfigurationLayer(values, faults, passedOver);
    }

    private void AddUnmatched(IReadOnlyList<string> words, List<ConfigurationFault> faults, List<string> passedOver)
    {
        bool valueOfUnknown = false;
        foreach (string word in words)
        {
            bool isName = word.StartsWith('-') && word != PathKind.Dash;
            if (isName)
            {
                string name = word.Split('=')[0];
                if (OriginalOption.Find(name) is { } original)
                {
                    if (original.IsHarmless) passedOver.Add($"{name} means nothing here and is passed over: {original.Instead}");
                    else faults.Add(new ConfigurationFault(name, $"is the original's: {original.Instead}", OptionSource.CommandLine));
                    valueOfUnknown = original.HasValue && !word.Contains('=', StringComparison.Ordinal);
                    continue;
                }
                faults.Add(new ConfigurationFault(name, "there is no such option" + NearestName.Hint(name, _options.Select(o => o.Spec.CommandLineName)), OptionSource.CommandLine));
                valueOfUnknown = !word.Contains('=', StringComparison.Ordinal);
                continue;
            }
            // The word behind an unknown option is most likely its value, not a second fault.
            if (!valueOfUnknown) faults.Add(new ConfigurationFault($"'{word}'", "belongs to no option", OptionSource.CommandLine));
            valueOfUnknown = false;
        }
    }
}

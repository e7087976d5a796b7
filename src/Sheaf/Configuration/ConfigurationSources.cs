namespace Sheaf.Configuration;

/// <summary>The sources of one start: what the command line and the environment said stays as it is, the file can be read again.</summary>
/// <param name="FilePath">Null when there is no file.</param>
/// <param name="Table">The options of the command; null: all of <see cref="OptionTable"/>.</param>
internal sealed record ConfigurationSources(Machine Machine, ConfigurationLayer CommandLine, ConfigurationLayer Variables, string? FilePath, IReadOnlyList<OptionSpec>? Table = null)
{
    /// <summary>Finds the file's path, which the command line or the environment has.</summary>
    /// <param name="table">Null: all of <see cref="OptionTable"/>.</param>
    public static ConfigurationSources Of(
        Machine machine, ConfigurationLayer commandLine, IReadOnlyDictionary<string, string> variables, IReadOnlyList<OptionSpec>? table = null)
    {
        ConfigurationLayer environment = EnvironmentLayer.Read(variables);
        EffectiveValue? path = new EffectiveOptions(machine, [commandLine, environment]).Find(OptionTable.Config);
        return new ConfigurationSources(machine, commandLine, environment, path?.Text, table);
    }

    /// <summary>Reads the file, and lays everything over each other.</summary>
    public EffectiveOptions Read() => Lay(FilePath is null ? ConfigurationLayer.Empty : FileLayer.ReadFile(FilePath));

    /// <summary>Lays a file that was read already under what the other sources have.</summary>
    public EffectiveOptions Lay(ConfigurationLayer file) => new(Machine, [CommandLine, Variables, file], Table);
}

using Sheaf.Configuration;

namespace Sheaf.Commands;

/// <summary>What commands know of the process that they run in.</summary>
/// <param name="Variables">The <c>SHEAF_…</c> variables.</param>
/// <param name="Exit">Ends the process at once with a code.</param>
internal sealed record CommandHost(
    TextWriter Out,
    ErrorConsole Error,
    IReadOnlyDictionary<string, string> Variables,
    Machine Machine,
    TimeProvider Time,
    Action<int> Exit)
{
    /// <summary>Standard output for bytes that must not be touched.</summary>
    public Func<Stream> OpenOut { get; init; } = () => StandardStreams.HasOutput ? Console.OpenStandardOutput() : Stream.Null;

    public static CommandHost OfThisProcess() => new(
        StandardStreams.HasOutput ? Console.Out : TextWriter.Null,
        ErrorConsole.OfThisProcess(),
        EnvironmentLayer.OfThisProcess(),
        Machine.Current(),
        TimeProvider.System,
        Environment.Exit);

    /// <summary>Tells every fault of a configuration; the exit code to end with.</summary>
    /// <param name="help">The command whose help says more.</param>
    public int Refuse(IReadOnlyList<ConfigurationFault> faults, string help = "process-spans") => Refuse([.. faults.Select(f => f.ToString())], help);

    /// <inheritdoc cref="Refuse(IReadOnlyList{ConfigurationFault}, string)"/>
    public int Refuse(IReadOnlyList<string> faults, string help = "process-spans")
    {
        string head = faults.Count == 1
            ? "sheaf: the configuration has a fault; nothing was started" : $"sheaf: the configuration has {faults.Count} faults; nothing was started";
        string more = $"see sheaf {help} --help, or docs/{(help == "process-spans" ? "configuration.md" : "operations.md")}";
        Error.WriteLine(string.Join('\n', [head, .. faults.Select(f => "  " + f), more]));
        return ExitCode.Configuration;
    }
}

using System.Collections.Immutable;

namespace Sheaf.Supervision;

/// <summary>How worker processes are started. Immutable.</summary>
/// <param name="Program">A path, or a name that is looked up.</param>
/// <param name="Arguments">Before <see cref="WorkerProgram.CommandName"/>, which is always the last one. No secrets: everybody can read them.</param>
internal sealed record WorkerCommandLine(string Program, ImmutableArray<string> Arguments)
{
    /// <summary>
    /// This program's own executable; where it is a library in another one (a test, a benchmark), the <c>sheaf.dll</c> beside that, run by the same
    /// <c>dotnet</c>.
    /// </summary>
    public static WorkerCommandLine OfThisProgram() => Of(Environment.ProcessPath, AppContext.BaseDirectory);

    /// <param name="processPath">Executable of this process, if known.</param>
    /// <param name="folder">Where its assemblies lie.</param>
    public static WorkerCommandLine Of(string? processPath, string folder)
    {
        string? name = Path.GetFileNameWithoutExtension(processPath);
        if (name == "sheaf") return new WorkerCommandLine(processPath!, []);
        return new WorkerCommandLine(name == "dotnet" ? processPath! : "dotnet", [Path.Combine(folder, "sheaf.dll")]);
    }

    /// <summary>For messages to people.</summary>
    public override string ToString() => string.Join(' ', [Program, .. Arguments, WorkerProgram.CommandName]);
}

namespace Sheaf.Configuration;

/// <summary>What some defaults depend on.</summary>
/// <param name="Cores">Processor cores that this process may use.</param>
/// <param name="MemoryBytes">Memory of the machine, or of the container where that has a limit.</param>
/// <param name="HasTerminal">Somebody watches: standard error is a terminal.</param>
internal sealed record Machine(int Cores, long MemoryBytes, bool HasTerminal = true)
{
    /// <summary>The machine that this runs on.</summary>
    public static Machine Current() => new(Environment.ProcessorCount, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, Commands.ErrorConsole.IsTerminalHere);
}

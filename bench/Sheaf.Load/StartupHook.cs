using System.IO.MemoryMappedFiles;

// Runs inside of the process that is measured, before its Main, where DOTNET_STARTUP_HOOKS names this assembly: what a process has allocated only it can say. The runtime asks for this
// name, outside of any namespace.
#pragma warning disable CA1050
internal static class StartupHook
#pragma warning restore CA1050
{
    /// <summary>The folder in which each process writes what it has allocated, as 8 bytes of a file named by its id.</summary>
    public const string FolderVariable = "LOAD_ALLOCATIONS";

    private static Timer? s_timer; // lives as long as the process, and its file with it

    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is not { Length: > 0 } folder) return;
        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(Path.Combine(folder, $"{Environment.ProcessId}"), FileMode.Create, null, sizeof(long));
        MemoryMappedViewAccessor cell = file.CreateViewAccessor();
        s_timer = new Timer(_ => cell.Write(0, GC.GetTotalAllocatedBytes()), null, 0, 10);
    }

    /// <summary>What a process with this hook has allocated until now, in bytes; 0 where it has not said so.</summary>
    public static long Allocated(string folder, int process)
    {
        string path = Path.Combine(folder, $"{process}");
        return File.Exists(path) && File.ReadAllBytes(path) is { Length: sizeof(long) } bytes ? BitConverter.ToInt64(bytes) : 0;
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Sheaf.Supervision;

/// <summary>What a process does to itself, for real: no handler runs, nothing is tidied up. Any thread.</summary>
internal static partial class OwnProcess
{
    private const int SigKill = 9;

    /// <summary>Ends this process with a code, whatever its other threads do.</summary>
    public static void ExitAtOnce(int code)
    {
        if (OperatingSystem.IsWindows()) Environment.Exit(code);
        Exit(code);
    }

    /// <summary>SIGKILL.</summary>
    public static void Kill()
    {
        if (OperatingSystem.IsWindows()) Process.GetCurrentProcess().Kill();
        _ = Signal(Environment.ProcessId, SigKill);
    }

    /// <summary>SIGSTOP: every thread stands still until somebody sends SIGCONT. Does nothing on Windows, which has no such thing.</summary>
    public static void Stop()
    {
        if (OperatingSystem.IsWindows()) return;
        int sigStop = OperatingSystem.IsMacOS() || OperatingSystem.IsFreeBSD() ? 17 : 19;
        _ = Signal(Environment.ProcessId, sigStop);
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Exit(int code);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);
}

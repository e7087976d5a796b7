using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sheaf.Files;

/// <summary>
/// Locks between processes, each on one byte of a file, which need not be there. Elsewhere than on Unix there are none, and everybody has them.
/// </summary>
/// <remarks>
/// Record locks are used (<c>lockf</c>), which the kernel takes back when their holder dies, and not <c>flock</c>: .NET takes a shared <c>flock</c> on every
/// file that it opens, so that a mere reader in .NET would keep all writers out, and they the reader. They belong to the process, and are gone when it
/// closes <em>any</em> handle of the file: one object per process and file.
/// </remarks>
internal static partial class FileLock
{
    /// <summary>Whose turn it is to write.</summary>
    public const int Turn = 0;

    /// <summary>Whose output it is, for as long as a run lasts.</summary>
    public const int Owner = 1;

    private static readonly TimeSpan s_firstLook = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longestLook = TimeSpan.FromMilliseconds(16);

    /// <summary>Waits for a lock without holding the thread. Where the file system knows no locks, there is nothing to wait for.</summary>
    public static async ValueTask TakeAsync(SafeFileHandle file, int which, TimeProvider time, CancellationToken cancel)
    {
        for (TimeSpan look = s_firstLook; !TryTake(file, which); look = look < s_longestLook ? 2 * look : s_longestLook)
            await Task.Delay(look, time, cancel);
    }

    /// <summary>False when another process has it.</summary>
    public static bool TryTake(SafeFileHandle file, int which)
    {
        const int TestAndLock = 2, Interrupted = 4, Denied = 13;
        if (OperatingSystem.IsWindows()) return true;
        while (LockAt(file, which, TestAndLock) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error == Denied || error == TryAgain) return false;
            if (error != Interrupted) return true; // this file system has no locks
        }
        return true;
    }

    public static void GiveBack(SafeFileHandle file, int which)
    {
        const int Unlock = 0;
        if (!OperatingSystem.IsWindows()) _ = LockAt(file, which, Unlock);
    }

    private static int TryAgain => OperatingSystem.IsLinux() ? 11 : 35;

    // Locks count from the descriptor's position, which nobody else uses: reads and writes name their own.
    private static int LockAt(SafeFileHandle file, int position, int command)
    {
        const int FromBegin = 0;
        _ = Seek(file, position, FromBegin);
        return LockFile(file, command, 1);
    }

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long Seek(SafeFileHandle file, long position, int from);

    [LibraryImport("libc", EntryPoint = "lockf", SetLastError = true)]
    private static partial int LockFile(SafeFileHandle file, int command, long length);
}

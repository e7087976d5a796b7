using System.Runtime.InteropServices;

namespace Sheaf;

/// <summary>A file that may not grow (<c>ulimit -f</c>): the write says so, instead of the signal that would end the process without a word.</summary>
internal static class FileSizeLimit
{
    private const int SigXfsz = 25;

    public static IDisposable? ToldByWrites() =>
        OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create((PosixSignal)SigXfsz, context => context.Cancel = true);
}

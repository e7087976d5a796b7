using System.Runtime.InteropServices;

namespace Sheaf.Configuration;

/// <summary>Whether a file could be written, found out without opening or creating it: it may be needed late in a run, or never.</summary>
internal static partial class FileAccessCheck
{
    private const int Execute = 1;
    private const int Write = 2;
    private const int Read = 4;

    /// <summary>Why an existing file could not be read; null when it could.</summary>
    public static string? WhyNotReadable(string path) => WhyNot(path, Read) is { } reason ? $"'{path}' cannot be read: {reason}" : null;

    /// <summary>Why lines could not be added to this file, which may not exist yet; null when they could.</summary>
    public static string? WhyNotAppendable(string path)
    {
        if (Directory.Exists(path)) return $"'{path}' is a directory";
        if (File.Exists(path)) return WhyNot(path, Read | Write) is { } reason ? $"'{path}' cannot be written: {reason}" : null;
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is not { } folder) return null;
        if (!Directory.Exists(folder)) return $"there is no directory '{folder}'";
        return WhyNot(folder, Write | Execute) is { } refusal ? $"'{path}' cannot be created in '{folder}': {refusal}" : null;
    }

    private static string? WhyNot(string path, int mode)
    {
        // Elsewhere only an attempt tells; it is made with the first line.
        if (OperatingSystem.IsWindows() || Access(path, mode) == 0) return null;
        return Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);
}

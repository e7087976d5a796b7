using System.Runtime.InteropServices;

namespace Sheaf.Files;

/// <summary>What lies at an output's path.</summary>
internal enum OutputKind
{
    Missing,
    RegularFile,
    Directory,

    /// <summary><c>/dev/null</c>, which takes everything from anybody.</summary>
    NullDevice,

    /// <summary>A pipe, a terminal, a socket or another device.</summary>
    Stream,
}

/// <summary>Finds out without opening it: to open a named pipe would be to take part in it.</summary>
internal static partial class OutputKinds
{
    private const int TypeMask = 0xF000;
    private const int TypeRegular = 0x8000;
    private const int TypeDirectory = 0x4000;
    private const int TypeCharacterDevice = 0x2000;

    /// <summary>What lies at the path, links followed.</summary>
    public static OutputKind Of(string path)
    {
        if (path == "-") return OutputKind.Stream;
        if (Directory.Exists(path)) return OutputKind.Directory;
        // Elsewhere the platform does not tell a pipe from a file; whoever opens it finds out.
        if (!OperatingSystem.IsLinux()) return File.Exists(path) ? OutputKind.RegularFile : OutputKind.Missing;

        const int CurrentFolder = -100;
        const uint WantType = 1;
        if (Statx(CurrentFolder, path, 0, WantType, out FileStatus status) != 0) return OutputKind.Missing;
        return (status.Mode & TypeMask) switch
        {
            TypeRegular => OutputKind.RegularFile,
            TypeDirectory => OutputKind.Directory,
            TypeCharacterDevice when (status.DeviceMajor, status.DeviceMinor) == (1, 3) => OutputKind.NullDevice,
            _ => OutputKind.Stream,
        };
    }

    // The one call of this family whose structure is the same on every Linux.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, out FileStatus status);

    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct FileStatus
    {
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(128)] public uint DeviceMajor;
        [FieldOffset(132)] public uint DeviceMinor;
    }
}

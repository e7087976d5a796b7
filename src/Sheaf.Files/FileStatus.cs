using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sheaf.Files;

/// <summary>What lies at a path or behind a descriptor.</summary>
internal enum FileKind
{
    Missing,
    RegularFile,
    Directory,
    Pipe,

    /// <summary><c>/dev/null</c>, which takes everything from anybody.</summary>
    NullDevice,

    /// <summary>A terminal, a socket or another device.</summary>
    Other,
}

/// <summary>
/// What lies at a path, links followed, or behind a descriptor. Found out without opening it: to open a named pipe would be to take part in it.
/// </summary>
/// <param name="Device">Together with <paramref name="Inode"/>: which file it is, by whatever name. Both are 0 where the system does not tell.</param>
/// <param name="Links">How many names it has.</param>
internal readonly partial record struct FileStatus(FileKind Kind, ulong Device, ulong Inode, long Links)
{
    public const int Execute = 1;
    public const int Write = 2;
    public const int Read = 4;

    private const int TypeMask = 0xF000;
    private const int TypeRegular = 0x8000;
    private const int TypeDirectory = 0x4000;
    private const int TypeCharacterDevice = 0x2000;
    private const int TypePipe = 0x1000;

    /// <summary>What lies at a path.</summary>
    public static FileStatus Of(string path)
    {
        const int CurrentFolder = -100;
        if (OperatingSystem.IsLinux()) return Of(CurrentFolder, path, flags: 0);
        // Elsewhere the platform does not tell a pipe from a file; whoever opens it finds out.
        FileKind kind = Directory.Exists(path) ? FileKind.Directory : File.Exists(path) ? FileKind.RegularFile : FileKind.Missing;
        return new FileStatus(kind, 0, 0, 1);
    }

    /// <summary>What is open.</summary>
    public static FileStatus Of(SafeFileHandle file) => Of((int)file.DangerousGetHandle());

    /// <summary>What is behind a descriptor of this process.</summary>
    public static FileStatus Of(int descriptor)
    {
        const int EmptyPath = 0x1000;
        return OperatingSystem.IsLinux() ? Of(descriptor, "", EmptyPath) : new FileStatus(FileKind.Other, 0, 0, 1);
    }

    /// <summary>Whether both are one file. Where the system does not tell, they are taken for it.</summary>
    public bool IsSameFile(FileStatus other) => Device == other.Device && Inode == other.Inode;

    /// <summary>Why this process could not do that with what lies there; null when it could, or where only an attempt tells.</summary>
    public static string? WhyNoAccess(string path, int mode) =>
        OperatingSystem.IsWindows() || Access(path, mode) == 0 ? null : Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    private static FileStatus Of(int folder, string path, int flags)
    {
        const uint WantTypeLinksInode = 1 | 4 | 0x100;
        if (Statx(folder, path, flags, WantTypeLinksInode, out Answer answer) != 0) return default;
        FileKind kind = (answer.Mode & TypeMask) switch
        {
            TypeRegular => FileKind.RegularFile,
            TypeDirectory => FileKind.Directory,
            TypePipe => FileKind.Pipe,
            TypeCharacterDevice when (answer.ThisDeviceMajor, answer.ThisDeviceMinor) == (1, 3) => FileKind.NullDevice,
            _ => FileKind.Other,
        };
        return new FileStatus(kind, ((ulong)answer.DeviceMajor << 32) | answer.DeviceMinor, answer.Inode, answer.Links);
    }

    // The one call of this family whose structure is the same on every Linux.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, out Answer answer);

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);

    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Answer
    {
        [FieldOffset(16)] public uint Links;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(128)] public uint ThisDeviceMajor;
        [FieldOffset(132)] public uint ThisDeviceMinor;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
    }
}

namespace Sheaf.Files;

/// <summary>
/// Which file a path or a standard stream leads to, by identity and not by name: a linked folder, a hard link, another mount or a redirected standard
/// stream is the same place. One that is not there yet is known by its folder.
/// </summary>
public readonly record struct FilePlace
{
    private readonly ulong _device;
    private readonly ulong _inode;
    private readonly string _name;

    private FilePlace(FileStatus status, string name)
    {
        _device = status.Device;
        _inode = status.Inode;
        _name = name;
    }

    /// <summary>The place that a path leads to; null for devices, which many may use at a time.</summary>
    public static FilePlace? Of(string path)
    {
        string full = TargetOf(Path.GetFullPath(path));
        FileStatus status = FileStatus.Of(path);
        return status.Kind switch
        {
            FileKind.RegularFile or FileKind.Pipe or FileKind.Directory => new FilePlace(status, status.Inode == 0 ? full : ""),
            FileKind.Missing => OfMissing(full),
            FileKind.NullDevice or FileKind.Other => null,
        };
    }

    /// <summary>Why an existing file could not be read, for a message to people; null when it could.</summary>
    public static string? WhyNotReadable(string path) => FileStatus.WhyNoAccess(path, FileStatus.Read) is { } reason ? $"'{path}' cannot be read: {reason}" : null;

    /// <summary>Whether it can be read again and again; a pipe cannot.</summary>
    public static bool IsRegularFile(string path) => FileStatus.Of(path).Kind == FileKind.RegularFile;

    /// <summary>The place behind a standard stream (0, 1, 2); null where that is no file.</summary>
    public static FilePlace? OfDescriptor(int descriptor) =>
        FileStatus.Of(descriptor) is { Kind: FileKind.RegularFile or FileKind.Pipe } status ? new FilePlace(status, "") : null;

    private static FilePlace OfMissing(string full)
    {
        FileStatus folder = Path.GetDirectoryName(full) is { } parent ? FileStatus.Of(parent) : default;
        return folder.Inode == 0 ? new FilePlace(default, full) : new FilePlace(folder, Path.GetFileName(full));
    }

    /// <summary>Where a link leads that may lead to nothing yet.</summary>
    private static string TargetOf(string full)
    {
        try
        {
            return new FileInfo(full).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? full;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return full;
        }
    }
}

using Sheaf.Flushing;

namespace Sheaf.Files;

/// <summary>A path that lines are written to: whether they can be, found out by looking, and opening it.</summary>
public static class OutputPath
{
    /// <summary>Standard output.</summary>
    public const string Standard = "-";

    /// <summary>
    /// Why lines could not be written there, for a message to people; null when they could. Opens and creates nothing: the file may be needed late in a
    /// run, or never.
    /// </summary>
    public static string? WhyNotWritable(string path)
    {
        if (path == Standard) return null;
        FileStatus status = FileStatus.Of(path);
        if (status.Kind == FileKind.Directory) return $"'{path}' is a directory";
        if (status.Kind != FileKind.Missing) return FileStatus.WhyNoAccess(path, FileStatus.Write) is { } reason ? $"'{path}' cannot be written: {reason}" : null;
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is not { } folder) return null;
        if (!Directory.Exists(folder)) return $"there is no directory '{folder}'";
        return FileStatus.WhyNoAccess(folder, FileStatus.Write | FileStatus.Execute) is { } refusal ? $"'{path}' cannot be created in '{folder}': {refusal}" : null;
    }

    /// <summary>Why worker processes cannot share this output, for a message to people; null when they can.</summary>
    public static string? WhyNotShareable(string path)
    {
        const string WhatTheyCouldNot = "in which worker processes could not cut off what one of them was killed in; name a file";
        if (OperatingSystem.IsWindows()) return "worker processes cannot share an output on Windows";
        if (path == Standard) return $"standard output is a stream, {WhatTheyCouldNot}";
        return FileStatus.Of(path).Kind switch
        {
            FileKind.Missing or FileKind.RegularFile or FileKind.NullDevice => null,
            FileKind.Directory => $"{path} is a directory; name a file in it",
            FileKind.Pipe or FileKind.Other => $"{path} is a stream (a pipe or a device), {WhatTheyCouldNot}",
        };
    }

    /// <summary>Whether there is a file with something in it, which a run must not destroy unasked.</summary>
    public static bool HasContent(string path) => FileStatus.Of(path).Kind == FileKind.RegularFile && new FileInfo(path) is { Exists: true, Length: > 0 };

    /// <summary>Opens the output of a run. A named pipe is waited for until it has a reader.</summary>
    /// <param name="path">A file, a device, a named pipe, or <c>-</c> for standard output.</param>
    /// <param name="existing">What to do with what a file holds.</param>
    /// <param name="control">Has how much of a file counts.</param>
    /// <exception cref="ConfigurationException">It cannot be opened, or must not be overwritten; the message names the path, the reason and the way out.</exception>
    public static async ValueTask<IAppendLines> OpenAsync(
        string path, ExistingContent existing, ControlBlock control, TimeProvider time, CancellationToken cancel) =>
        path != Standard && FileStatus.Of(path).Kind is FileKind.Missing or FileKind.RegularFile
            ? OutputFile.Begin(path, existing, control, time)
            : await OutputStream.OpenAsync(path, "output", cancel);

    /// <summary>Opens, in a worker process, the output that its parent has opened.</summary>
    /// <exception cref="ConfigurationException">It is not there any more, or cannot be opened.</exception>
    public static IAppendLines Join(string path, ControlBlock control, TimeProvider time) =>
        FileStatus.Of(path).Kind == FileKind.NullDevice ? OutputStream.Open(path, "output") : OutputFile.Join(path, control, time);
}

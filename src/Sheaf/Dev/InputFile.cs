using System.IO.Compression;

namespace Sheaf.Dev;

/// <summary>Opens files for reading, compressed ones (gzip, told by their first bytes) as what is in them.</summary>
internal static class InputFile
{
    /// <exception cref="IOException">It cannot be opened; also <see cref="UnauthorizedAccessException"/>.</exception>
    public static Stream OpenRead(string path)
    {
        var file = new FileStream(path, new FileStreamOptions { Options = FileOptions.SequentialScan, BufferSize = 0 });
        Span<byte> start = stackalloc byte[2];
        bool compressed = file.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start[0] == 0x1F && start[1] == 0x8B;
        file.Position = 0;
        return compressed ? new GZipStream(file, CompressionMode.Decompress) : file;
    }
}

using System.Runtime.InteropServices;

namespace Sheaf.Redis;

/// <summary>
/// Compresses and decompresses with the system's libzstd, which is looked for when it is first needed. The contexts are used again. Owner: one client at a time.
/// </summary>
internal sealed partial class Zstd : IDisposable
{
    private const string Library = "zstd";

    /// <summary>Lowest and highest level that every libzstd knows. 0 is its own default.</summary>
    public const int LowestLevel = 0, HighestLevel = 19;

    private readonly CompressionContext? _compression;
    private readonly DecompressionContext _decompression;

    static Zstd() => NativeLibrary.SetDllImportResolver(typeof(Zstd).Assembly, static (name, assembly, path) =>
        name == Library && (NativeLibrary.TryLoad("libzstd.so.1", assembly, path, out nint handle) || NativeLibrary.TryLoad("libzstd.1.dylib", assembly, path, out handle)) ? handle : 0);

    /// <param name="compresses">False where it only has to read what others have compressed.</param>
    /// <exception cref="ConfigurationException">There is no libzstd on this machine; the message says what to install.</exception>
    public Zstd(bool compresses)
    {
        try
        {
            _decompression = CreateDecompression();
            if (compresses) _compression = CreateCompression();
        }
        catch (DllNotFoundException e)
        {
            throw new ConfigurationException(
                "compression-level: libzstd is not on this machine. Install it (Debian, Ubuntu: libzstd1; Alpine: zstd-libs; Fedora: libzstd; macOS: brew install zstd), or buffer without compression: --compression-level -1. " + e.Message);
        }
        catch (EntryPointNotFoundException e)
        {
            throw new ConfigurationException("compression-level: the libzstd on this machine is too old (1.3 or newer is needed): " + e.Message);
        }
    }

    /// <summary>Most bytes that so many become.</summary>
    public static int MaxLength(int length) => checked((int)Bound((nuint)length));

    /// <summary>Compresses and returns the length; 0 where it does not get smaller than the source.</summary>
    public unsafe int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level)
    {
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            nuint length = Compress(_compression!, to, (nuint)destination.Length, from, (nuint)source.Length, level);
            return IsError(length) != 0 || length >= (nuint)source.Length ? 0 : (int)length;
        }
    }

    /// <summary>Decompresses into exactly this room.</summary>
    /// <exception cref="InvalidDataException">It is no zstd, or not of that length.</exception>
    public unsafe void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            nuint length = Decompress(_decompression, to, (nuint)destination.Length, from, (nuint)source.Length);
            if (IsError(length) != 0) throw new InvalidDataException($"{source.Length} bytes cannot be decompressed: {Marshal.PtrToStringUTF8(ErrorName(length))}");
            if (length != (nuint)destination.Length) throw new InvalidDataException($"{source.Length} bytes became {length} instead of {destination.Length}");
        }
    }

    public void Dispose()
    {
        _compression?.Dispose();
        _decompression.Dispose();
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    private static partial CompressionContext CreateCompression();

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    private static partial DecompressionContext CreateDecompression();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    private static partial nuint FreeCompression(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    private static partial nuint FreeDecompression(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressBound")]
    private static partial nuint Bound(nuint length);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint ErrorName(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressCCtx")]
    private static unsafe partial nuint Compress(CompressionContext context, byte* destination, nuint capacity, byte* source, nuint length, int level);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressDCtx")]
    private static unsafe partial nuint Decompress(DecompressionContext context, byte* destination, nuint capacity, byte* source, nuint length);

    private sealed class CompressionContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle() => IsError(FreeCompression(handle)) == 0;
    }

    private sealed class DecompressionContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle() => IsError(FreeDecompression(handle)) == 0;
    }
}

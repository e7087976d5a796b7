using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// The system's librdkafka: found, checked and loaded once per process, when Kafka is first needed; nothing else needs it. Any thread.
/// </summary>
public static unsafe class KafkaLibrary
{
    /// <summary>Environment variable that names the library's file, or the folder it lies in, instead of where the system looks.</summary>
    public const string PathVariable = "SHEAF_LIBRDKAFKA";

    /// <summary>The oldest version that has all functions we use.</summary>
    public const string MinVersion = "2.0.0";

    /// <summary>The first version whose SCRAM keeps to RFC 5802, which Kafka insists on from 4.0 on (librdkafka's pull request 4895).</summary>
    public const string ScramVersion = "2.6.1";

    private const int MinVersionNumber = 0x02_00_00_00, ScramVersionNumber = 0x02_06_01_00;

    private static readonly Lock LoadLock = new();
    private static nint _library;

    /// <summary>The version that is loaded, for instance <c>2.0.2</c>.</summary>
    /// <exception cref="ConfigurationException">See <see cref="EnsureLoaded"/>.</exception>
    public static string Version
    {
        get
        {
            EnsureLoaded();
            return VersionText(LibRdKafka.rd_kafka_version());
        }
    }

    /// <summary>Whether its SCRAM works with every Kafka, see <see cref="ScramVersion"/>.</summary>
    internal static bool CanScram => LibRdKafka.rd_kafka_version() >= ScramVersionNumber;

    /// <summary>Loads the library, if it is not loaded yet.</summary>
    /// <exception cref="ConfigurationException">It is missing, cannot be loaded, or is too old; the message says what to install.</exception>
    public static void EnsureLoaded()
    {
        if (Volatile.Read(ref _library) != 0) return;
        lock (LoadLock)
        {
            if (_library != 0) return;
            nint library = Load(Environment.GetEnvironmentVariable(PathVariable));
            NativeLibrary.SetDllImportResolver(typeof(LibRdKafka).Assembly, Resolve);
            Volatile.Write(ref _library, library);
        }
    }

    /// <summary>Resolves the library for another assembly that binds functions of it.</summary>
    internal static void ResolveFor(Assembly assembly)
    {
        EnsureLoaded();
        NativeLibrary.SetDllImportResolver(assembly, Resolve);
    }

    /// <summary>Loads and checks the library; nothing is remembered.</summary>
    /// <param name="path">A file, a folder, or null or empty for where the system looks.</param>
    internal static nint Load(string? path)
    {
        string reason = "";
        foreach (string candidate in Candidates(path))
        {
            try
            {
                return Check(NativeLibrary.Load(candidate), candidate);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                // The loader's own text matters where the file is there and yet cannot be loaded: another processor, a missing dependency.
                if (File.Exists(candidate)) reason = $" {candidate} is there, but cannot be loaded: {e.Message.ReplaceLineEndings(" ")}";
            }
        }
        string where = string.IsNullOrEmpty(path) ? "" : $" in {path} (named by {PathVariable})";
        throw new ConfigurationException($"Kafka needs the library librdkafka {MinVersion} or newer, which was not found{where}.{reason} {WayOut()}");
    }

    /// <summary>Accepts the library, or says why not.</summary>
    internal static nint Check(nint library, string name)
    {
        if (!NativeLibrary.TryGetExport(library, nameof(LibRdKafka.rd_kafka_version), out nint version))
        {
            NativeLibrary.Free(library);
            throw new ConfigurationException($"{name} is not librdkafka: it has no function rd_kafka_version. {WayOut()}");
        }
        int number = ((delegate* unmanaged[Cdecl]<int>)version)();
        if (TooOld(number, name) is { } refusal)
        {
            NativeLibrary.Free(library);
            throw new ConfigurationException(refusal);
        }
        return library;
    }

    /// <summary>Why this version will not do, or null.</summary>
    internal static string? TooOld(int version, string name) => version >= MinVersionNumber
        ? null
        : $"{name} is librdkafka {VersionText(version)}; Kafka needs {MinVersion} or newer. {WayOut()}";

    /// <summary>0xMMmmrrpp in words; the last byte is ff for a release.</summary>
    internal static string VersionText(int version) =>
        string.Create(CultureInfo.InvariantCulture, $"{(version >> 24) & 0xff}.{(version >> 16) & 0xff}.{(version >> 8) & 0xff}");

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) => name == LibRdKafka.Name ? _library : 0;

    private static IEnumerable<string> Candidates(string? path)
    {
        string[] names = OperatingSystem.IsWindows() ? ["librdkafka.dll"]
            : OperatingSystem.IsMacOS() ? ["librdkafka.1.dylib", "librdkafka.dylib"]
            : ["librdkafka.so.1"];
        if (string.IsNullOrEmpty(path))
        {
            // Homebrew's folder is not among those that macOS searches on Apple processors.
            return OperatingSystem.IsMacOS() ? [.. names, "/opt/homebrew/lib/librdkafka.dylib", "/usr/local/lib/librdkafka.dylib"] : names;
        }
        string full = Path.GetFullPath(path);
        return Directory.Exists(full) ? names.Select(name => Path.Combine(full, name)) : [full];
    }

    private static string WayOut()
    {
        string install = OperatingSystem.IsWindows() ? "Put librdkafka.dll (NuGet package librdkafka.redist) beside sheaf.exe"
            : OperatingSystem.IsMacOS() ? "Install it: brew install librdkafka"
            : "Install it: apt-get install librdkafka1 (Debian, Ubuntu), apk add librdkafka (Alpine), dnf install librdkafka (Fedora)";
        return $"{install}, or name its file or folder in {PathVariable}";
    }
}

using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Sheaf.Kafka.Native;

namespace Sheaf.Kafka;

/// <summary>
/// The native librdkafka, found, checked and loaded once per process, when Kafka is first needed. It comes with Sheaf (NuGet package
/// librdkafka.redist); another one can be named. Any thread.
/// </summary>
public static unsafe class KafkaLibrary
{
    /// <summary>Environment variable that names another library's file, or the folder it lies in, to be used instead of Sheaf's own.</summary>
    public const string PathVariable = "SHEAF_LIBRDKAFKA";

    /// <summary>The oldest version that may be named: its SCRAM works with Kafka 4.</summary>
    public const string MinVersion = "2.6.1";

    private const int MinVersionNumber = 0x02_06_01_00;

    private static readonly Lock LoadLock = new();
    private static nint _library;

    /// <summary>The version that is loaded, for instance <c>2.16.0</c>.</summary>
    /// <exception cref="ConfigurationException">See <see cref="EnsureLoaded"/>.</exception>
    public static string Version
    {
        get
        {
            EnsureLoaded();
            return VersionText(LibRdKafka.rd_kafka_version());
        }
    }

    /// <summary>Loads the library, if it is not loaded yet.</summary>
    /// <exception cref="ConfigurationException">It is missing, cannot be loaded, or is too old; the message says what to do.</exception>
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
    /// <param name="path">A file, a folder, or null or empty for the one that comes with Sheaf.</param>
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
                // The loader's own text says why a file that exists cannot be loaded: another processor, a missing dependency.
                if (File.Exists(candidate)) reason = $" {candidate} exists, but cannot be loaded: {e.Message.ReplaceLineEndings(" ")}";
            }
        }
        string where = string.IsNullOrEmpty(path) ? "beside the program" : $"in {path} (named by {PathVariable})";
        throw new ConfigurationException($"Kafka needs the library librdkafka, which was not found {where}.{reason} {WayOut}");
    }

    /// <summary>Accepts the library, or says why not.</summary>
    internal static nint Check(nint library, string name)
    {
        if (!NativeLibrary.TryGetExport(library, nameof(LibRdKafka.rd_kafka_version), out nint version))
        {
            NativeLibrary.Free(library);
            throw new ConfigurationException($"{name} is not librdkafka: it has no function rd_kafka_version. {WayOut}");
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
        : $"{name} is librdkafka {VersionText(version)}; Kafka needs {MinVersion} or newer. {WayOut}";

    /// <summary>0xMMmmrrpp in words; the last byte is ff for a release.</summary>
    internal static string VersionText(int version) =>
        string.Create(CultureInfo.InvariantCulture, $"{(version >> 24) & 0xff}.{(version >> 16) & 0xff}.{(version >> 8) & 0xff}");

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search) => name == LibRdKafka.Name ? _library : 0;

    private static string WayOut =>
        $"Install librdkafka {MinVersion} or newer (Debian's package is librdkafka1, Alpine's and Fedora's librdkafka) and name its file or folder in {PathVariable}";

    private static IEnumerable<string> Candidates(string? path)
    {
        if (string.IsNullOrEmpty(path)) return ShippedFolders.SelectMany(folder => ShippedNames.Select(name => Path.Combine(folder, name)));
        string full = Path.GetFullPath(path);
        return Directory.Exists(full) ? SystemNames.Select(name => Path.Combine(full, name)) : [full];
    }

    /// <summary>Where the platform's native libraries of packages are: after a build in a folder of their own, after publishing beside the program.</summary>
    private static IEnumerable<string> ShippedFolders =>
        (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Append(AppContext.BaseDirectory);

    /// <summary>
    /// The package's builds, the first that loads is taken: for Linux with Kerberos (needs libsasl2.so.3, which Debian lacks), without, and with musl.
    /// </summary>
    private static string[] ShippedNames => OperatingSystem.IsWindows() ? ["librdkafka.dll"]
        : OperatingSystem.IsMacOS() ? ["librdkafka.dylib"]
        : ["librdkafka.so", "centos8-librdkafka.so", "alpine-librdkafka.so"];

    private static string[] SystemNames => OperatingSystem.IsWindows() ? ["librdkafka.dll"]
        : OperatingSystem.IsMacOS() ? ["librdkafka.1.dylib", "librdkafka.dylib"]
        : ["librdkafka.so.1", "librdkafka.so"];
}

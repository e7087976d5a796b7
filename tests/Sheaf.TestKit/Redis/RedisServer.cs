using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Sheaf.Redis;

namespace Sheaf.TestKit.Redis;

/// <summary>How a test's server listens.</summary>
public enum RedisListening
{
    Tcp,
    UnixSocket,

    /// <summary>TLS with the certificates of <see cref="RedisServerOptions.Certificates"/>.</summary>
    Tls,
}

/// <summary>What a test's server is to be like.</summary>
public sealed record RedisServerOptions
{
    public RedisListening Listening { get; init; }

    /// <summary>Lines of its configuration: <c>requirepass secret</c>, <c>appendonly yes</c>, <c>maxmemory 10mb</c>, …</summary>
    public IReadOnlyList<string> Lines { get; init; } = [];

    /// <summary>User and password (<c>app:secret</c> or <c>:secret</c>) in <see cref="RedisServer.Uri"/>.</summary>
    public string Credentials { get; init; } = "";

    public TestCertificates? Certificates { get; init; }

    /// <summary>Whether the server wants a client certificate.</summary>
    public bool WantsClientCertificate { get; init; }

    /// <summary>Run as a sentinel.</summary>
    public bool IsSentinel { get; init; }
}

/// <summary>
/// A real <c>redis-server</c> with a folder of its own. Whoever starts one disposes it, and that kills it and removes the folder; a test host that ends
/// takes its servers with it. One thread at a time.
/// </summary>
public sealed class RedisServer : IAsyncDisposable
{
    private static readonly Lock AllLock = new();
    private static readonly HashSet<Process> All = [];

    private readonly RedisServerOptions _options;
    private readonly TempFolder _folder = new();
    private Process? _process;

    static RedisServer() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        lock (AllLock)
            foreach (Process process in All) EndNow(process);
    };

    private RedisServer(RedisServerOptions options) => _options = options;

    /// <summary>0 for a Unix socket.</summary>
    public int Port { get; private set; }

    public string Folder => _folder.Root;

    public int ProcessId => _process!.Id;

    public bool IsRunning => _process is { HasExited: false };

    /// <summary>What a client connects to, its password included.</summary>
    public string Uri => _options.Listening switch
    {
        RedisListening.UnixSocket => $"unix://{At}{SocketPath}",
        RedisListening.Tls => $"rediss://{At}localhost:{Port}?ca={System.Uri.EscapeDataString(_options.Certificates!.CaFile)}",
        RedisListening.Tcp => $"redis://{At}127.0.0.1:{Port}",
    };

    public RedisAddress Address => Parse(Uri);

    private string SocketPath => _folder.File("redis.sock");

    private string At => _options.Credentials == "" ? "" : _options.Credentials + "@";

    /// <summary>Starts a server on a free port and waits until it answers.</summary>
    /// <param name="lines">Of its configuration.</param>
    public static Task<RedisServer> StartAsync(params string[] lines) => StartAsync(new RedisServerOptions { Lines = lines });

    /// <inheritdoc cref="StartAsync(string[])"/>
    public static async Task<RedisServer> StartAsync(RedisServerOptions options)
    {
        var server = new RedisServer(options);
        try
        {
            for (int attempt = 1; ; attempt++)
            {
                if (options.Listening != RedisListening.UnixSocket) server.Port = FreePort();
                if (await server.TryLaunchAsync()) return server;
                if (attempt == 5) throw new InvalidOperationException($"redis-server did not start:\n{server.Log}");
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>What it has logged since its last start. May be asked for while it is started again.</summary>
    public string Log
    {
        get
        {
            try
            {
                return File.ReadAllText(_folder.File("log"));
            }
            catch (FileNotFoundException)
            {
                return ""; // between two starts: looking first would leave a moment for it to go
            }
        }
    }

    /// <summary>Kills it with SIGKILL and waits for its end.</summary>
    public async Task KillAsync()
    {
        if (_process is null) return;
        EndNow(_process);
        await _process.WaitForExitAsync();
        lock (AllLock) All.Remove(_process);
        _process.Dispose();
        _process = null;
    }

    /// <summary>Stops it in its tracks (SIGSTOP); its sockets stay open.</summary>
    public Task StopSignalAsync() => SignalAsync("STOP");

    /// <summary>Lets it go on (SIGCONT).</summary>
    public Task ContinueAsync() => SignalAsync("CONT");

    /// <summary>Kills it where it still runs, and starts it again on the same port in the same folder.</summary>
    /// <param name="keepData">What it has written to its files is kept.</param>
    public async Task RestartAsync(bool keepData = true)
    {
        await KillAsync();
        if (!keepData)
        {
            foreach (string entry in Directory.GetFileSystemEntries(Folder))
            {
                string name = Path.GetFileName(entry);
                if (name == "appendonlydir") Directory.Delete(entry, recursive: true);
                else if (name.EndsWith(".rdb", StringComparison.Ordinal)) File.Delete(entry);
            }
        }
        if (!await TryLaunchAsync()) throw new InvalidOperationException($"redis-server did not start again:\n{Log}");
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        if (Directory.Exists(Folder)) _folder.Dispose();
    }

    internal static RedisAddress Parse(string uri) =>
        RedisAddress.TryParse(uri, out RedisAddress? address, out string? problem) ? address : throw new InvalidOperationException(problem);

    /// <summary>A port that nobody listens on. Somebody may take it before we do; then the start is repeated.</summary>
    internal static int FreePort()
    {
        // Below the range that the system deals to outgoing connections, and with room for a cluster's bus port (10000 more).
        while (true)
        {
            int port = Random.Shared.Next(15_000, 22_000);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // taken
            }
        }
    }

    private static void EndNow(Process process)
    {
        try
        {
            process.Kill(); // SIGKILL; ends a stopped process too
        }
        catch (InvalidOperationException)
        {
            // has ended
        }
    }

    private async Task SignalAsync(string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", ProcessId.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        if (kill.ExitCode != 0) throw new InvalidOperationException($"SIG{signal} could not be sent to redis-server");
    }

    private async Task<bool> TryLaunchAsync()
    {
        string configuration = _folder.File("redis.conf");
        // A sentinel keeps its state in its configuration file: a restart takes what it has written there.
        if (!_options.IsSentinel || !File.Exists(configuration)) await File.WriteAllTextAsync(configuration, Configuration());
        File.Delete(_folder.File("log"));
        var start = new ProcessStartInfo("redis-server", _options.IsSentinel ? [configuration, "--sentinel"] : [configuration]) { WorkingDirectory = Folder };
        try
        {
            _process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new InvalidOperationException("redis-server cannot be started; these tests need it: apt-get install redis-server (Debian), brew install redis (macOS)", e);
        }
        lock (AllLock) All.Add(_process);
        long begun = TimeProvider.System.GetTimestamp();
        while (!await AnswersAsync())
        {
            if (_process.HasExited || TimeProvider.System.GetElapsedTime(begun) > Eventually.Patience)
            {
                await KillAsync();
                return false;
            }
            await Task.Delay(2);
        }
        return true;
    }

    /// <summary>
    /// Whether it says that it is ready, and answers PING (a refusal because of a password is an answer). Its log is its own: were there only the
    /// answer, it could come from another server that has taken our port.
    /// </summary>
    private async Task<bool> AnswersAsync()
    {
        if (!Log.Contains(_options.IsSentinel ? "Sentinel ID is" : "ready to accept connections", StringComparison.OrdinalIgnoreCase)) return false;
        if (_options.Listening == RedisListening.Tls) return true;
        EndPoint endpoint = _options.Listening == RedisListening.UnixSocket
            ? new UnixDomainSocketEndPoint(SocketPath)
            : new IPEndPoint(IPAddress.Loopback, Port);
        using Socket socket = endpoint is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endpoint);
            await socket.SendAsync("PING\r\n"u8.ToArray());
            byte[] answer = new byte[256];
            int length = await socket.ReceiveAsync(answer);
            string text = Encoding.ASCII.GetString(answer, 0, length);
            return text.StartsWith("+PONG", StringComparison.Ordinal) || text.StartsWith("-NOAUTH", StringComparison.Ordinal) || text.StartsWith("-NOPERM", StringComparison.Ordinal);
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private string Configuration()
    {
        var lines = new List<string>
        {
            "dir " + Folder,
            "logfile log",
            "pidfile " + _folder.File("pid"),
            "bind 127.0.0.1",
        };
        if (!_options.IsSentinel) lines.Add("save \"\"");
        lines.AddRange(_options.Listening switch
        {
            RedisListening.Tcp => [$"port {Port}"],
            RedisListening.UnixSocket => ["port 0", $"unixsocket {SocketPath}"],
            RedisListening.Tls =>
            [
                "port 0",
                $"tls-port {Port}",
                $"tls-ca-cert-file {_options.Certificates!.CaFile}",
                $"tls-cert-file {_options.Certificates.ServerCertificateFile}",
                $"tls-key-file {_options.Certificates.ServerKeyFile}",
                $"tls-auth-clients {(_options.WantsClientCertificate ? "yes" : "no")}",
            ],
        });
        lines.AddRange(_options.Lines);
        return string.Join('\n', lines) + '\n';
    }
}
